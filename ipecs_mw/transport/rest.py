"""HTTPS to the host: one request, one reply, within one deadline. The owner of `requests`."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from ipecs_mw.clock import Clock
from ipecs_mw.errors import DeadlineExceeded, HostUnreachable, ProtocolError, ReplyLost
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.protocol.requests import WireRequest
from ipecs_mw.transport.tls import TimedSocket, find_certificate_error, refuse_certificate

DEADLINE_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_MOST_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 65536


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
        self._base = f"https://{_bracket(host.address)}:{host.port}/ipxapi/"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, .netrc or CA bundle of the environment
        # requests verifies by its own rules unless told; the context is the one that decides here
        self._session.verify = host.tls.verify == "ca"
        self._session.mount("https://", _ContextAdapter(context, host.tls.verify == "ca", self._seconds_left))
        self._give_up_at = 0.0

    def send(self, request: WireRequest, *, deadline_seconds: float = DEADLINE_SECONDS) -> Reply:
        """Send `request` and return the reply; redirects are replies, credentials never follow them.

        Raises HostUnreachable, DeadlineExceeded, CertificateRefused, ProtocolError (a reply above 32 MiB).
        """
        self._give_up_at = self._clock.monotonic() + deadline_seconds
        try:
            with self._session.request(
                request.method,
                self._base + request.path,
                params=dict(request.query),
                data=request.body,
                headers={"Accept": "application/json", **request.headers},
                timeout=(_CONNECT_SECONDS, deadline_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Reply(response.status_code, self._read(response))
        except requests.exceptions.SSLError as error:
            refused = find_certificate_error(error)
            if refused is None:  # perhaps after the request went out
                raise ReplyLost("error.reply_lost", host=self._host.name, reason=_innermost(error)) from error
            raise refuse_certificate(self._host, refused) from error
        except (requests.exceptions.ReadTimeout, ReadTimeoutError) as error:
            raise self._too_late(deadline_seconds) from error
        except requests.exceptions.ConnectTimeout as error:
            raise self._unreachable(error) from error
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            if _is_refused_connection(error):
                raise self._unreachable(error) from error
            raise ReplyLost("error.reply_lost", host=self._host.name, reason=_innermost(error)) from error

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        stream = response.raw
        stream.decode_content = True
        while chunk := stream.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ProtocolError("error.reply_too_large", host=self._host.name, most=_MOST_BYTES)
        return bytes(body)

    def _seconds_left(self) -> float:
        return self._give_up_at - self._clock.monotonic()

    def _too_late(self, seconds: float) -> DeadlineExceeded:
        return DeadlineExceeded("error.deadline", host=self._host.name, seconds=seconds)

    def _unreachable(self, error: Exception) -> HostUnreachable:
        return HostUnreachable(
            "error.host_unreachable",
            host=self._host.name,
            address=f"{self._host.address}:{self._host.port}",
            reason=_innermost(error),
        )


class _ContextAdapter(HTTPAdapter):
    def __init__(
        self, context: ssl.SSLContext, is_name_checked: bool, seconds_left: Callable[[], float]
    ) -> None:
        self._context = context
        self._pool_class = _build_pool_class(seconds_left)
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


def _build_pool_class(seconds_left: Callable[[], float]) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.is_verified = True  # by the context; urllib3 warns of every rule that is not its own

        def getresponse(self) -> Any:
            # headers and body share what is left
            cast(TimedSocket, self.sock).seconds_left = seconds_left
            return super().getresponse()

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_refused_connection(error: BaseException) -> bool:
    """Tell whether there never was a connection."""
    reason = getattr(next(iter(error.args), None), "reason", None)
    return isinstance(reason, NewConnectionError)


def _innermost(error: BaseException) -> str:
    """Return the plain reason inside the wrappings of libraries: `Connection refused`."""
    while True:
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        reason = getattr(error, "reason", None)
        inner = inner or (reason if isinstance(reason, BaseException) else None)
        if inner is None:
            return getattr(error, "strerror", None) or str(error) or type(error).__name__
        error = inner
