"""How the host is reached and its certificate trusted: one TLS context for REST and WebSocket."""

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from ipecs_mw.errors import CertificateRefused, HostUnreachable, TransportError
from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.texts import join_some
from ipecs_mw.outside import read_file

_OPEN_TIMEOUT_SECONDS = 10.0
_MOST_AUTHORITIES_BYTES = 16 * 1024 * 1024
_LEGACY_SERVER_CONNECT = 0x4  # OpenSSL's number; the standard library names it from Python 3.12
_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""Forward secrecy, and nothing with SHA-1: stated here, for what Python takes depends on who built it."""

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_TOO_SMALL"})
"""What OpenSSL says where the other end speaks something else."""


class FingerprintMismatch(ssl.SSLCertVerificationError):
    """The certificate is not the pinned one; `found` is its fingerprint."""

    def __init__(self, found: str) -> None:
        super().__init__(f"certificate has the SHA-256 fingerprint {found}")
        self.found = found


class TimedSocket(ssl.SSLSocket):
    """A TLS socket that can be told how many seconds are left for all that it still reads and writes.

    The time-out of a plain one begins again with every byte, so a host that drips, or that never ends, would hold
    us for ever. Raises TimeoutError where nothing is left, also where there is something to read.
    """

    seconds_left: Callable[[], float] | None = None

    def recv_into(self, *args: Any, **options: Any) -> int:
        """Read as any socket, within the seconds left."""
        self._limit()
        return super().recv_into(*args, **options)

    def send(self, *args: Any, **options: Any) -> int:
        """Write as any socket, within the seconds left."""
        self._limit()
        return super().send(*args, **options)

    def _limit(self) -> None:
        if self.seconds_left is None:
            return
        seconds = self.seconds_left()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self.settimeout(seconds)


def build_context(host: HostSettings) -> ssl.SSLContext:
    """Return the context that `host.tls` asks for.

    Raises CertificateRefused where `ca_file` cannot be read.
    """
    try:
        return build_context_of(host.tls)
    except (OSError, ssl.SSLError) as error:
        raise CertificateRefused(
            "error.ca_file", host=host.name, file=host.tls.ca_file, reason=str(error)
        ) from error


def build_context_of(tls: TlsSettings) -> ssl.SSLContext:
    """Return the context that trusts as configured; its sockets are `TimedSocket`.

    A pinned context compares the fingerprint at the end of the handshake, so nothing is sent to a server with
    another certificate. Raises OSError and ssl.SSLError where `ca_file` cannot be read.
    """
    context = ssl.create_default_context(
        cadata=_read_authorities(tls.ca_file if tls.verify == "ca" else None)
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    if tls.allow_old:
        _allow_old(context)
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
    _allow_old(context)
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
    except OSError as error:
        raise explain_opening(host, error) from error


def explain_opening(host: HostSettings, error: BaseException) -> TransportError:
    """Return the error for a connection that did not come to be: certificate, handshake, or the way there."""
    refused = find_certificate_error(error)
    return _unreachable(host, error) if refused is None else refuse_certificate(host, refused)


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
    return next((each for each in unwrap(error) if isinstance(each, ssl.SSLCertVerificationError)), None)


def unwrap(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and what is inside it, the innermost last: libraries wrap what they raise."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        reason = getattr(error, "reason", None)
        error = (
            inner
            or (reason if isinstance(reason, BaseException) else None)
            or error.__cause__
            or error.__context__
        )


def _allow_old(context: ssl.SSLContext) -> None:
    """Take what equipment of long ago speaks: TLS 1.0 and 1.1, CBC ciphers with SHA-1, short keys."""
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= _LEGACY_SERVER_CONNECT


def _shake_hands(host: HostSettings, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((host.address, host.port), _OPEN_TIMEOUT_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=host.address) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def _unreachable(host: HostSettings, error: BaseException) -> HostUnreachable:
    found = list(unwrap(error))
    reason = getattr(found[-1], "strerror", None) or str(found[-1]) or type(found[-1]).__name__
    facts = {"host": host.name, "address": f"{host.address}:{host.port}", "reason": reason}
    handshake = next((each for each in found if isinstance(each, ssl.SSLError)), None)
    if handshake is None:
        return HostUnreachable("error.host_unreachable", **facts)
    facts["reason"] = str(handshake.reason or handshake).replace("_", " ").lower()
    if handshake.reason in _NOT_TLS:
        return HostUnreachable("error.handshake_without_tls", **facts)
    # those of TLS 1.3 are in every list: a host that knows it has no trouble with ciphers
    offered = [
        cipher["name"] for cipher in build_context(host).get_ciphers() if cipher["protocol"] != "TLSv1.3"
    ]
    key = "error.handshake_failed_old" if host.tls.allow_old else "error.handshake_failed"
    return HostUnreachable(key, **facts, ciphers=join_some(offered))


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
