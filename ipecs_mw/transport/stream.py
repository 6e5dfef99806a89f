"""The WebSocket to the host: frames in order of arrival. With `messages.py` the owner of `websockets`.

`websockets` says what is sent and what it means, the socket is read and written here, by one thread: no frame is
handed from thread to thread, and what was received and not yet asked for waits in the system's buffers.
"""

import logging
import math
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.typing import Origin
from websockets.uri import parse_uri

from ipecs_mw.clock import Clock
from ipecs_mw.errors import ConnectionLost, IpecsMwError, ProtocolError, TokenExpired
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.transport.messages import MOST_FRAME_BYTES, Messages
from ipecs_mw.transport.tls import explain_opening, find_certificate_error, refuse_certificate

_OPEN_TIMEOUT_SECONDS = 10.0
_CLOSE_TIMEOUT_SECONDS = 2.0
_PING_SECONDS = 15.0
_RECORD_SECONDS = 15.0
"""How long the rest of a TLS record may take where no pings tell that a line is dead."""

_READ_BYTES = 256 * 1024
"""Once so much was received, the rest is left for the next time."""

_RECORD_BYTES = 16 * 1024
_MOST_HEAD_BYTES = 64 * 1024
_MOST_UNSENT_BYTES = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)

_LINE_OPTIONS = (
    ("TCP_KEEPIDLE", 15),
    ("TCP_KEEPALIVE", 15),  # its name on macOS
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 30_000),
)
"""The system gives a dead line up after 30 s, also where no pings are sent; each as far as the system has it."""

_QUIET = logging.Logger("websockets", logging.CRITICAL)  # noqa: LOG001 - what ends a connection is raised, not logged


class Stream:
    """An open WebSocket, used by one thread. Build it with `open_stream`.

    `received` is what came along with the host's answer to the opening.
    """

    def __init__(
        self,
        host: HostSettings,
        line: ssl.SSLSocket,
        protocol: ClientProtocol,
        received: bytes,
        clock: Clock,
    ) -> None:
        self._host = host
        self._clock = clock
        self._line = line
        self._protocol = protocol
        self._messages = Messages(protocol)
        self._early = self._messages.take(received)
        self._poll = select.poll()
        self._unsent = bytearray()
        self._is_drained = False
        self._end: str | None = None
        self._pongs = 0
        self._ping_at = self._clock.monotonic() + _PING_SECONDS if host.keepalive == "ping" else math.inf
        self._pong_by = self._record_by = self._leave_by = math.inf
        line.setblocking(False)

    def receive(self, timeout_seconds: float) -> Sequence[bytes]:
        """Return the next frame and what arrived with it, about 256 KiB at the most; none where none came in time.

        Raises ConnectionLost once all that was received has been returned.
        """
        frames, self._early = self._early, []
        if not frames and self._end is None and (not self._is_drained or self._wait(timeout_seconds)):
            frames = self._read()
        if self._end is None:
            self._look_at_clock()
        if not frames and self._end is not None:
            raise ConnectionLost("error.connection_lost", host=self._host.name, reason=self._end)
        return frames

    def leave(self) -> None:
        """Say goodbye; what still comes is received as before, for two seconds at the most."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._send()
        self._leave_by = min(self._leave_by, self._clock.monotonic() + _CLOSE_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Say goodbye, and let go of what still comes; bounded to two seconds, whatever the host does."""
        self.leave()
        with suppress(ConnectionLost):
            while True:
                self.receive(_CLOSE_TIMEOUT_SECONDS)
        self._line.close()

    def _read(self) -> list[bytes]:
        """Return the frames that have arrived."""
        was_readable, self._is_drained = self._is_drained, False
        parts: list[bytes] = []
        size, end = 0, None
        try:
            while size < _READ_BYTES:
                part = self._line.recv(_RECORD_BYTES)
                if not part:
                    end = ""
                    break
                parts.append(part)
                size += len(part)
        except _NOT_NOW:
            self._is_drained = True
        except OSError as error:
            end = str(error)
        if parts:
            self._record_by = math.inf
        elif was_readable and self._is_drained and self._line.version() != "TLSv1.3":
            # not to the end of a record; in TLS 1.3 there are records that are none of ours
            self._record_by = min(self._record_by, self._clock.monotonic() + _RECORD_SECONDS)
        frames = self._messages.take(b"".join(parts))
        self._send()
        if end is not None or self._messages.is_over:
            self._finish(end or "")
        return frames

    def _wait(self, seconds: float) -> bool:
        """Wait until there is something to read, and return True, or until something is due."""
        due_at = min(self._ping_at, self._pong_by, self._record_by, self._leave_by)
        seconds = max(0.0, min(seconds, due_at - self._clock.monotonic()))
        self._poll.register(self._line, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        events = sum(event for _, event in self._poll.poll(math.ceil(seconds * 1000)))
        if events & select.POLLOUT:
            self._send()
        return bool(events & ~select.POLLOUT)

    def _look_at_clock(self) -> None:
        """Send a ping when it is time to, and give up what is overdue, unless it waits to be read."""
        now = self._clock.monotonic()
        if now >= self._leave_by:
            self._finish("")
        if not self._is_drained:
            return
        if self._pongs != self._messages.pongs:
            self._pongs, self._pong_by = self._messages.pongs, math.inf
        if now >= self._pong_by:
            self._protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            self._send()
            self._finish("")
        elif now >= self._record_by:
            self._finish("a TLS record broke off")
        elif now >= self._ping_at:
            self._ping_at = now + _PING_SECONDS
            self._ping(now)

    def _ping(self, now: float) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._send()
            self._pong_by = min(self._pong_by, now + _PING_SECONDS)

    def _send(self) -> None:
        """Send what `websockets` has to say, as far as the host takes it."""
        for data in self._protocol.data_to_send():
            self._unsent += data
        if not self._unsent:
            return
        try:
            del self._unsent[: self._line.send(self._unsent)]
        except _NOT_NOW:
            if len(self._unsent) > _MOST_UNSENT_BYTES:
                self._finish("the host does not read")
        except OSError as error:
            self._finish(str(error))

    def _finish(self, reason: str) -> None:
        """Note why the connection is over: the first reason counts, and a close frame says more than any."""
        if self._end is None:
            close = self._protocol.close_rcvd or self._protocol.close_sent
            told = f"{close.code} {close.reason}".strip() if close else reason
            self._end = told or "connection dropped without a close frame"


def open_stream(host: HostSettings, context: ssl.SSLContext, token: str, clock: Clock) -> Stream:
    """Connect to the host's WebSocket with the session's token.

    Pings every 15 s, which also renews the session, and gives the connection up when a ping is not answered in
    15 s; with `keepalive` set to `checkconnection` it does neither. A line that is dead is given up within 30 s
    either way. Raises TokenExpired, HostUnreachable, CertificateRefused, ProtocolError.
    """
    address = f"[{host.address}]" if ":" in host.address else host.address
    path = host.path_prefix + host.stream_path.replace("{user}", quote(host.user, safe=""))
    try:
        line = _open_line(host, context)
        try:
            protocol = ClientProtocol(
                parse_uri(f"ws://{address}:{host.port}{path}"),  # the TLS is in the socket
                origin=Origin(f"https://{address}:{host.port}"),
                max_size=MOST_FRAME_BYTES,
                logger=_QUIET,
            )
            received = _shake_hands(line, protocol, token, clock)
        except BaseException:
            line.close()
            raise
    except (InvalidHandshake, InvalidURI, OSError) as error:
        raise _translate(host, path, error) from error
    return Stream(host, line, protocol, received, clock)


def _shake_hands(line: ssl.SSLSocket, protocol: ClientProtocol, token: str, clock: Clock) -> bytes:
    """Open the WebSocket; return what came after the host's answer. Raises OSError, InvalidHandshake."""
    until = clock.monotonic() + _OPEN_TIMEOUT_SECONDS

    def receive() -> bytes:
        left = until - clock.monotonic()
        if left <= 0:
            raise TimeoutError("timed out while waiting for handshake response")
        line.settimeout(left)
        return line.recv(_RECORD_BYTES)

    request = protocol.connect()
    request.headers["Authorization"] = f"bearer {token}"
    request.headers["User-Agent"] = "ipecs-mw"
    protocol.send_request(request)
    line.settimeout(_OPEN_TIMEOUT_SECONDS)
    for data in protocol.data_to_send():
        line.sendall(data)
    head = b""
    while _HEAD_END not in head and (part := receive()):
        head += part
        if len(head) > _MOST_HEAD_BYTES:
            raise InvalidHandshake(f"more than {_MOST_HEAD_BYTES} bytes of headers")
    head, end, rest = head.partition(_HEAD_END)
    protocol.receive_data(head + end)  # nothing of what follows the opening: its frames are told apart here
    if protocol.state is not State.OPEN:
        _read_refusal(protocol, rest, receive)
    return rest


def _read_refusal(protocol: ClientProtocol, rest: bytes, receive: Callable[[], bytes]) -> None:
    """Read the body of an answer that opens nothing, and raise what it means."""
    while protocol.handshake_exc is None:
        if part := rest or receive():
            protocol.receive_data(part)
        else:
            protocol.receive_eof()
        rest = b""
    raise protocol.handshake_exc


def _open_line(host: HostSettings, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a socket with TLS up; raises OSError."""
    plain = socket.create_connection((host.address, host.port), _OPEN_TIMEOUT_SECONDS)
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _LINE_OPTIONS:
            if (option := getattr(socket, name, None)) is not None:
                plain.setsockopt(socket.IPPROTO_TCP, option, value)
        return context.wrap_socket(plain, server_hostname=host.address)
    except BaseException:
        plain.close()
        raise


def _translate(host: HostSettings, path: str, error: Exception) -> IpecsMwError:
    refused = find_certificate_error(error)
    if refused is not None:
        return refuse_certificate(host, refused)
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == 401:
            return TokenExpired("error.token_expired", host=host.name)
        return ProtocolError("error.stream_refused", host=host.name, status=status, path=path)
    if isinstance(error, InvalidHandshake | InvalidURI):
        return ProtocolError("error.stream_handshake", host=host.name, path=path, reason=str(error))
    return explain_opening(host, error)
