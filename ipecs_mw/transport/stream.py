"""The WebSocket to the host: frames in order of arrival. The owner of `websockets`."""

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from ipecs_mw.errors import ConnectionLost, IpecsMwError, ProtocolError, TokenExpired
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.transport.tls import explain_opening, find_certificate_error, refuse_certificate

MOST_FRAME_BYTES = 1024 * 1024
_OPEN_TIMEOUT_SECONDS = 10.0
_CLOSE_TIMEOUT_SECONDS = 2.0
_QUEUE_FRAMES = 4096
_PING_SECONDS = 15.0
_RECORD_SECONDS = 15.0
"""How long the rest of a TLS record may take: reading one whose end never comes would block for ever."""

_LINE_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
)
"""The system gives a dead line up after 30 s, also where no pings are sent."""

_QUIET = logging.Logger("websockets", logging.CRITICAL)  # noqa: LOG001 - what ends a connection is raised, not logged


class Stream:
    """An open WebSocket; read by one thread, closed by any. Build it with `open_stream`."""

    def __init__(self, host: HostSettings, connection: ClientConnection) -> None:
        self._host = host
        self._connection = connection

    def receive(self, most: int, timeout_seconds: float) -> Sequence[bytes]:
        """Return the next frame and what arrived with it, at most `most` frames; none after the time-out.

        Raises ConnectionLost once all that was received has been returned.
        """
        frames: list[bytes] = []
        try:
            frames.append(self._connection.recv(timeout=timeout_seconds, decode=False))
            while len(frames) < most:
                frames.append(self._connection.recv(timeout=0, decode=False))
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            if not frames:
                raise self._lost(error) from error
        return frames

    def close(self) -> None:
        """Say goodbye; bounded to two seconds, whatever the host does."""
        self._connection.close()

    def _lost(self, error: ConnectionClosed) -> ConnectionLost:
        received, sent = error.rcvd, error.sent
        if received is not None:
            reason = f"{received.code} {received.reason}".strip()
        elif sent is not None:
            reason = f"{sent.code} {sent.reason}".strip()
        else:
            reason = str(error.__cause__ or "") or "connection dropped without a close frame"
        return ConnectionLost("error.connection_lost", host=self._host.name, reason=reason)


def open_stream(host: HostSettings, context: ssl.SSLContext, token: str) -> Stream:
    """Connect to the host's WebSocket with the session's token.

    Pings every 15 s, which also renews the session, and gives the connection up when a ping is not answered in
    15 s; with `keepalive` set to `checkconnection` it does neither. A line that is dead, or that stops within a
    record of TLS, is given up within 30 s either way. Raises TokenExpired, HostUnreachable,
    CertificateRefused, ProtocolError.
    """
    address = f"[{host.address}]" if ":" in host.address else host.address
    path = host.path_prefix + host.stream_path.replace("{user}", quote(host.user, safe=""))
    try:
        secured = _open_socket(host, context)
        # entered and not left: the Stream closes it
        connection = ExitStack().enter_context(
            connect(
                f"ws://{address}:{host.port}{path}",  # the TLS is in the socket
                sock=secured,
                additional_headers={"Authorization": f"bearer {token}"},
                origin=Origin(f"https://{address}:{host.port}"),
                open_timeout=_OPEN_TIMEOUT_SECONDS,
                close_timeout=_CLOSE_TIMEOUT_SECONDS,
                ping_interval=_PING_SECONDS if host.keepalive == "ping" else None,
                ping_timeout=_PING_SECONDS,
                max_size=MOST_FRAME_BYTES,
                max_queue=_QUEUE_FRAMES,
                compression=None,
                proxy=None,
                logger=_QUIET,
                user_agent_header="ipecs-mw",
            )
        )
        with suppress(OSError):  # ended already: what was received is still to be read
            connection.socket.settimeout(
                _RECORD_SECONDS
            )  # `connect` takes any time-out off; idle, nobody reads
    except (InvalidHandshake, InvalidURI, OSError, EOFError) as error:
        raise _translate(host, path, error) from error
    return Stream(host, connection)


def _open_socket(host: HostSettings, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a socket with TLS up; raises OSError."""
    plain = socket.create_connection((host.address, host.port), _OPEN_TIMEOUT_SECONDS)
    try:
        for option in _LINE_OPTIONS:
            plain.setsockopt(*option)
        secured = context.wrap_socket(plain, server_hostname=host.address)
    except BaseException:
        plain.close()
        raise
    secured.settimeout(None)
    return secured


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
