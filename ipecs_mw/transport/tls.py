"""How the host's certificate is trusted: one TLS context for REST and WebSocket."""

import hashlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from ipecs_mw.errors import CertificateRefused, HostUnreachable
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.outside import read_file

_OPEN_TIMEOUT_SECONDS = 10.0
_MOST_AUTHORITIES_BYTES = 16 * 1024 * 1024


class FingerprintMismatch(ssl.SSLCertVerificationError):
    """The certificate is not the pinned one; `found` is its fingerprint."""

    def __init__(self, found: str) -> None:
        super().__init__(f"certificate has the SHA-256 fingerprint {found}")
        self.found = found


class TimedSocket(ssl.SSLSocket):
    """A TLS socket that can be told how many seconds are left for all that it still reads.

    The time-out of a plain one begins again with every byte, so a host that drips would hold us for ever.
    """

    seconds_left: Callable[[], float] | None = None

    def recv_into(self, *args: Any, **options: Any) -> int:
        """Read as any socket, within the seconds left; raise TimeoutError where there are none."""
        if self.seconds_left is not None:
            self.settimeout(max(self.seconds_left(), 0.001))
        return super().recv_into(*args, **options)


def build_context(host: HostSettings) -> ssl.SSLContext:
    """Return the context that `host.tls` asks for.

    A pinned context compares the fingerprint at the end of the handshake, so nothing is sent to a host with
    another certificate. Raises CertificateRefused where `ca_file` cannot be read.
    """
    tls = host.tls
    try:
        context = ssl.create_default_context(
            cadata=_read_authorities(tls.ca_file if tls.verify == "ca" else None)
        )
    except (OSError, ssl.SSLError) as error:
        raise CertificateRefused(
            "error.ca_file", host=host.name, file=tls.ca_file, reason=str(error)
        ) from error
    if tls.verify == "ca":
        context.sslsocket_class = TimedSocket
        return context
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = TimedSocket
    if tls.verify == "pin":
        context.sslsocket_class = _pinned_socket(normalise_fingerprint(tls.fingerprint_sha256 or ""))
    return context


def _read_authorities(file: str | None) -> str | None:
    """Return the certificates (PEM) in a file, without what people write between them; raises OSError."""
    return None if file is None else read_file(file, _MOST_AUTHORITIES_BYTES).decode("ascii", "ignore")


def normalise_fingerprint(text: str) -> str:
    """Return a fingerprint as upper-case hex with colons."""
    digits = text.replace(":", "").upper()
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def fetch_certificate(host: HostSettings) -> bytes:
    """Return the certificate (DER) that the host shows, whatever it is; nothing is sent to it.

    Raises HostUnreachable.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return _shake_hands(host, context)
    except OSError as error:
        raise _unreachable(host, error) from error


def fetch_trusted(host: HostSettings) -> bytes:
    """Return the certificate (DER) that the host shows, where it is trusted as configured; nothing is sent to it.

    Raises HostUnreachable, CertificateRefused.
    """
    try:
        return _shake_hands(host, build_context(host))
    except ssl.SSLCertVerificationError as error:
        raise refuse_certificate(host, error) from error
    except OSError as error:
        raise _unreachable(host, error) from error


def refuse_certificate(host: HostSettings, error: BaseException) -> CertificateRefused:
    """Return the error for a certificate that `error` refused: its fingerprint, and how to trust it."""
    try:
        found = (
            error.found
            if isinstance(error, FingerprintMismatch)
            else compute_fingerprint(fetch_certificate(host))
        )
    except HostUnreachable:
        found = "?"
    if host.tls.verify == "pin":
        pinned = normalise_fingerprint(host.tls.fingerprint_sha256 or "")
        return CertificateRefused("error.certificate_changed", host=host.name, found=found, pinned=pinned)
    reason = getattr(error, "verify_message", "") or str(error)
    return CertificateRefused("error.certificate_untrusted", host=host.name, found=found, reason=reason)


def find_certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the refusal of a certificate that caused `error`, however deep libraries wrapped it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        reason = getattr(error, "reason", None)
        error = (
            inner
            or (reason if isinstance(reason, BaseException) else None)
            or error.__cause__
            or error.__context__
        )
    return None


def _shake_hands(host: HostSettings, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((host.address, host.port), _OPEN_TIMEOUT_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=host.address) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def _unreachable(host: HostSettings, error: OSError) -> HostUnreachable:
    address = f"{host.address}:{host.port}"
    return HostUnreachable("error.host_unreachable", host=host.name, address=address, reason=str(error))


def compute_fingerprint(certificate: bytes | None) -> str:
    """Return the SHA-256 fingerprint of a certificate (DER): upper-case hex with colons."""
    return normalise_fingerprint(hashlib.sha256(certificate or b"").hexdigest())


def _pinned_socket(fingerprint: str) -> type[ssl.SSLSocket]:
    class PinnedSocket(TimedSocket):
        def do_handshake(self, block: bool = False) -> Any:
            super().do_handshake(block)
            found = compute_fingerprint(self.getpeercert(binary_form=True))
            if found != fingerprint:
                raise FingerprintMismatch(found)

    return PinnedSocket
