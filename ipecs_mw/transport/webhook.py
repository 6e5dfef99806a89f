"""One request of a webhook: to a checked address alone, within one deadline, its answer cut."""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.errors import WebhookNotSent
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.outside import ask
from ipecs_mw.transport.addresses import may_reach
from ipecs_mw.transport.tls import find_certificate_error, unwrap

MOST_BYTES = 64 * 1024
_CHUNK_BYTES = 8192
_IDLE_SECONDS = 20.0
_PORTS = {"http": 80, "https": 443}
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Answer(Struct, frozen=True):
    """What a receiver answered; `body` is cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Requests to wherever they go, a connection kept between them; used by one thread at a time.

    Raises WebhookNotSent, with the reason, where no whole answer came; a redirect is an answer. The context, of
    which reading the authorities takes long, is made for the first URL that asks for TLS.
    """

    def __init__(self, make_context: Callable[[], ssl.SSLContext], clock: Clock) -> None:
        self._context = cache(make_context)
        self._clock = clock
        self._kept: _Connection | None = None
        self._give_up_at = 0.0

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        seconds: float,
        allow_private: bool,
    ) -> Answer:
        """Send a request, and return the answer to it; all of it takes so many seconds at the most."""
        self._give_up_at = self._clock.monotonic() + seconds
        parts = _split(url)
        where = f"{parts.scheme}://{_bracket(parts.hostname or '')}:{parts.port or _PORTS[parts.scheme]}"
        connection = self._take_kept(where, allow_private=allow_private)
        try:
            if connection is not None:
                try:
                    return self._ask(connection, method, parts, headers, body)
                except _STALE as error:
                    connection.close()
                    if connection.has_answered or isinstance(error, TimeoutError):
                        raise
            connection = self._open(parts, where, allow_private=allow_private)
            return self._ask(connection, method, parts, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection is not None:
                connection.close()
            raise self._explain(error, where, seconds) from error

    def close(self) -> None:
        """Close the connection that was kept."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def _take_kept(self, where: str, *, allow_private: bool) -> "_Connection | None":
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        is_fresh = self._clock.monotonic() < kept.fresh_until
        if kept.where == (where, allow_private) and is_fresh:
            return kept
        kept.close()
        return None

    def _open(self, parts: SplitResult, where: str, *, allow_private: bool) -> "_Connection":
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        opened = _connect(host, port, self._seconds_left, allow_private=allow_private)
        try:
            if parts.scheme == "https":
                secured = self._context().wrap_socket(opened, server_hostname=host)
                secured.seconds_left = self._seconds_left  # type: ignore[attr-defined]
                opened = secured
            return _Connection(host, port, opened, (where, allow_private))
        except BaseException:
            opened.close()
            raise

    def _ask(
        self,
        connection: "_Connection",
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        connection.has_answered = False
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        has_body = bool(body) or method != "GET"
        standard_port = parts.port in (None, _PORTS[parts.scheme])
        host = _bracket(parts.hostname or "") + ("" if standard_port else f":{parts.port}")
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        own = {"host": host, "user-agent": "ipecs-mw", "accept-encoding": "identity"}
        own |= {"content-length": str(len(body))} if has_body else {}
        for name, value in {**own, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body if has_body else None)
        if (
            _QUICK_ACK is not None and connection.sock is not None
        ):  # many receivers wait for it between two packets
            connection.sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        response = connection.getresponse()
        connection.has_answered = True
        found, is_whole = _read(response)
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, found
        )
        if is_whole and not response.will_close and self._kept is None:
            connection.fresh_until = self._clock.monotonic() + _IDLE_SECONDS
            self._kept = connection
        else:
            connection.close()
        return answer

    def _seconds_left(self) -> float:
        return self._give_up_at - self._clock.monotonic()

    def _explain(self, error: Exception, where: str, seconds: float) -> WebhookNotSent:
        refused = find_certificate_error(error)
        if refused is not None:
            reason = getattr(refused, "verify_message", "") or str(refused)
            return WebhookNotSent("error.webhook_certificate", where=where, reason=reason)
        found = list(unwrap(error))
        if self._seconds_left() <= 0 or any(isinstance(each, TimeoutError) for each in found):
            return WebhookNotSent("error.webhook_slow", where=where, seconds=seconds)
        if isinstance(error, _Inside):
            return WebhookNotSent("error.webhook_inside", where=where)
        reason = getattr(found[-1], "strerror", None) or str(found[-1]) or type(found[-1]).__name__
        return WebhookNotSent("error.webhook_broken", where=where, reason=escape(reason)[:200])


_STALE = (ConnectionError, http.client.BadStatusLine, ssl.SSLError, TimeoutError)
"""What a connection that was kept too long raises; nothing of an answer has come then."""


class _Inside(OSError):
    """A name leads to an address that may not be reached."""


class _TimedPlain(socket.socket):
    """A socket without TLS that, as `TimedSocket`, has so many seconds left for all that it reads and writes."""

    seconds_left: Callable[[], float]

    def recv_into(self, *args: Any, **options: Any) -> int:
        """Read as any socket, within the seconds left."""
        self._limit()
        return super().recv_into(*args, **options)

    def sendall(self, *args: Any, **options: Any) -> None:
        """Write as any socket, within the seconds left."""
        self._limit()
        super().sendall(*args, **options)

    def _limit(self) -> None:
        seconds = self.seconds_left()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self.settimeout(seconds)


class _Connection(http.client.HTTPConnection):
    """A connection over a socket that is open already; it opens none itself."""

    auto_open = 0

    def __init__(self, host: str, port: int, opened: socket.socket, where: tuple[str, bool]) -> None:
        super().__init__(host, port)
        self.sock = opened
        self.where = where
        self.fresh_until = 0.0
        self.has_answered = False


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; raises WebhookNotSent for what is none that may be asked for."""
    try:
        parts = urlsplit(url)
        is_url = (
            parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookNotSent("error.webhook_no_url")
    return parts


def _connect(
    host: str, port: int, seconds_left: Callable[[], float], *, allow_private: bool
) -> socket.socket:
    """Return a connection to the first of a name's addresses that answers; raises OSError.

    What was checked is what is connected to: the name is not looked up again.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = ask(f"{host}:{port}", look_up, seconds_left())
    if not all(may_reach(str(place[0]), allow_private=allow_private) for *_, place in found):
        raise _Inside("an address inside")
    failure: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, place in found:
        opened = _TimedPlain(family, kind, protocol)
        opened.seconds_left = seconds_left
        try:
            opened.settimeout(max(seconds_left(), 0.001))
            opened.connect(place)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(max(seconds_left(), 0.001))  # for the handshake
        except OSError as error:
            failure = error
            opened.close()
            continue
        return opened
    raise failure


def _read(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Return the answer's body, cut; and whether it was whole."""
    body = bytearray()
    while len(body) < MOST_BYTES:
        chunk = response.read1(min(_CHUNK_BYTES, MOST_BYTES - len(body)))
        if not chunk:
            response.close()  # else the connection takes no further request
            return bytes(body), True
        body += chunk
    return bytes(body), False


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
