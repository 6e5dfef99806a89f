"""Whether applications can be served: findings about where `ipecs-mw serve` listens and what it shows."""

import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.model.configuration.api_settings import ApiSettings, ServerTls, is_own
from ipecs_mw.service.doctor.findings import Explain, Finding, Notes
from ipecs_mw.store.configuration.shared import load_shared
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.certificate import read_certificate

_SOON = timedelta(days=21)


def examine_api(
    store: Store, profile: str, settings: ApiSettings, clock: Clock, explain: Explain
) -> Sequence[Finding]:
    """Look at the settings of the API, at its certificate, and whether it can read its configuration."""
    notes = Notes("api", explain)
    with notes.step("api_refuses"):
        load_shared(store, profile)
        if settings.tls is not None:
            _examine_certificate(settings.tls, clock.now(), notes)
        elif settings.allow_plain and not is_own(settings.address):
            notes.add("api_plain", "warning", address=settings.address)
        elif not is_own(settings.address):
            raise CannotStart("error.api_plain", address=settings.address)
        notes.add("api", address=settings.address, port=settings.port)
    return notes.findings


def _examine_certificate(tls: ServerTls, now: datetime, notes: Notes) -> None:
    """Look whether the files are a certificate with its key, and until when; raises CannotStart where not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
        ends_at = _read_end(tls.certificate_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        facts = {"certificate": tls.certificate_file, "key": tls.key_file, "reason": reason}
        raise CannotStart("error.api_certificate", **facts) from error
    if ends_at <= now:
        notes.add("api_certificate_over", "error", file=tls.certificate_file, at=ends_at)
    elif ends_at - now < _SOON:
        notes.add("api_certificate_ends", "warning", file=tls.certificate_file, at=ends_at)


def _read_end(file: str) -> datetime:
    """Return until when the first certificate of a file is valid; raises OSError, ValueError."""
    _, begin, rest = Path(file).read_text("ascii").partition("-----BEGIN CERTIFICATE-----")
    pem, end, _ = rest.partition("-----END CERTIFICATE-----")
    return read_certificate(ssl.PEM_cert_to_DER_cert(f"{begin}{pem}{end}\n")).not_after_at
