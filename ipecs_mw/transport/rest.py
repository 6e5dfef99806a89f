"""HTTPS to the host: one request, one reply, within one deadline. The owner of `requests`."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    CommandExpired,
    DeadlineExceeded,
    ProtocolError,
    ReplyLost,
    TransportError,
)
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.outside import ask
from ipecs_mw.protocol.requests import WireRequest
from ipecs_mw.transport.tls import TimedSocket, explain_opening, unwrap

DEADLINE_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_MOST_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 65536
_PLAIN = ("", "identity")
"""Encodings of a body that is as it was received: a packed one may be a thousand times as large."""


@dataclass(frozen=True)
class Reply:
    """What came back, unread."""

    status: int
    body: bytes


class RestClient:
    """Requests to one host over the given TLS context; used by one thread at a time."""

    def __init__(self, host: HostSettings, context: ssl.SSLContext, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._base = f"https://{_bracket(host.address)}:{host.port}{host.path_prefix}/ipxapi/"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, .netrc or CA bundle of the environment
        # requests verifies by its own rules unless told; the context is the one that decides here
        self._session.verify = host.tls.verify == "ca"
        pool = _build_pool_class(self._seconds_left, self._note_sending)
        self._session.mount("https://", _ContextAdapter(context, host.tls.verify == "ca", pool))
        self._give_up_at = 0.0
        self._not_after: float | None = None
        self._is_sent = False

    def send(
        self,
        request: WireRequest,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        not_after: float | None = None,
    ) -> Reply:
        """Send `request` and return the reply; redirects are replies, credentials never follow them.

        Nothing is sent after the monotonic time `not_after`: CommandExpired. Raises HostUnreachable or
        CertificateRefused where nothing was sent either, else ReplyLost, DeadlineExceeded or ProtocolError (a
        reply above 8 MiB).
        """
        self._give_up_at = self._clock.monotonic() + deadline_seconds
        self._not_after, self._is_sent = not_after, False
        try:
            with self._session.request(
                request.method,
                self._base + request.path,
                params=dict(request.query),
                data=request.body,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
                timeout=(_CONNECT_SECONDS, deadline_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Reply(response.status_code, self._read(response))
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise self._explain(error, deadline_seconds) from error

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        encoding = response.headers.get("Content-Encoding", "")
        if encoding.strip().lower() not in _PLAIN:
            raise self._lost(f"Content-Encoding: {encoding[:40]}")
        body = bytearray()
        stream = response.raw
        stream.decode_content = False
        while chunk := stream.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ProtocolError("error.reply_too_large", host=self._host.name, most=_MOST_BYTES)
        return bytes(body)

    def _seconds_left(self) -> float:
        return self._give_up_at - self._clock.monotonic()

    def _note_sending(self) -> None:
        """Note that the request goes out now, the last moment to let it be."""
        if not self._is_sent and self._not_after is not None and self._clock.monotonic() >= self._not_after:
            raise CommandExpired("error.command_expired", host=self._host.name)
        self._is_sent = True

    def _explain(self, error: Exception, seconds: float) -> TransportError:
        if not self._is_sent:
            return explain_opening(self._host, error)
        if self._seconds_left() <= 0 or any(isinstance(each, TimeoutError) for each in unwrap(error)):
            return DeadlineExceeded("error.deadline", host=self._host.name, seconds=seconds)
        return self._lost(_innermost(error))

    def _lost(self, reason: str) -> ReplyLost:
        return ReplyLost("error.reply_lost", host=self._host.name, reason=reason)


class _ContextAdapter(HTTPAdapter):
    def __init__(
        self, context: ssl.SSLContext, is_name_checked: bool, pool_class: type[HTTPSConnectionPool]
    ) -> None:
        self._context = context
        self._pool_class = pool_class
        self._is_name_checked = is_name_checked
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(
            *args,
            **options,
            ssl_context=self._context,
            assert_hostname=None if self._is_name_checked else False,
        )
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool_class}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the context as it is: it was built to decide."""


def _build_pool_class(
    seconds_left: Callable[[], float], note_sending: Callable[[], None]
) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _open_socket(self._dns_host, self.port or 443, seconds_left)

        def connect(self) -> None:
            super().connect()
            self.is_verified = True  # by the context; urllib3 warns of every rule that is not its own
            # what is written, headers and body share what is left
            cast(TimedSocket, self.sock).seconds_left = seconds_left

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            note_sending()
            super().send(data)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def _open_socket(address: str, port: int, seconds_left: Callable[[], float]) -> socket.socket:
    """Return a socket to the first of the name's addresses that answers; they share the time of one connection."""
    enough = seconds_left() - _CONNECT_SECONDS
    failure: OSError = TimeoutError("timed out")
    left = _limit(seconds_left() - max(enough, 0))
    look_up = partial(socket.getaddrinfo, address, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, place in ask(f"{address}:{port}", look_up, left):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_limit(seconds_left() - max(enough, 0)))
            opened.connect(place)
        except OSError as error:
            failure = error
            opened.close()
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.settimeout(_limit(min(_CONNECT_SECONDS, seconds_left())))  # for the handshake
        return opened
    raise failure


def _limit(seconds: float) -> float:
    """Return a time-out: 0 would mean another thing."""
    return max(seconds, 0.001)


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _innermost(error: BaseException) -> str:
    """Return the plain reason inside the wrappings of libraries: `Connection refused`."""
    *_, inner = unwrap(error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
