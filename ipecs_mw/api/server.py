"""The process `ipecs-mw serve`: listens, with TLS or on this machine alone, until it is stopped."""

import asyncio
import errno
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import httptools  # noqa: F401 - what uvicorn reads requests with; without it, it says so too late
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ipecs_mw import logs
from ipecs_mw.api.app import Api
from ipecs_mw.api.site import Site
from ipecs_mw.errors import CannotStart
from ipecs_mw.model.configuration.api_settings import ApiSettings, is_own

log = logs.get_logger()

_STOP_SECONDS = 5
_IDLE_SECONDS = 20.0
"""A connection that asks for nothing so long is closed."""

_LOOK_SECONDS = 2.0
_FAREWELL_SECONDS = 2.0
_AGAIN_SECONDS = 0.05
_NO_CYCLE: Any = object()
_SPARE_CONNECTIONS = 1000
_BACKLOG = 2048
_MOST_MESSAGE_BYTES = 64 * 1024
_MOST_HEAD_BYTES = 384 * 1024
"""Of a head, with what comes of its body in the same piece."""


def check_listening(settings: ApiSettings) -> None:
    """Refuse to listen where tokens would cross the network as they are; raises CannotStart."""
    if settings.tls is None and not settings.allow_plain and not is_own(settings.address):
        raise CannotStart("error.api_plain", address=settings.address)


def listen(settings: ApiSettings) -> socket.socket:
    """Return the socket on which to listen; raises CannotStart."""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.address.strip("[]"), settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        key = "error.api_port_taken" if error.errno == errno.EADDRINUSE else "error.api_port"
        raise CannotStart(
            key, address=settings.address, port=settings.port, reason=error.strerror or str(error)
        ) from error
    return listener


def build_tls(settings: ApiSettings) -> ssl.SSLContext | None:
    """Return what TLS is made with, None for plain HTTP; raises CannotStart for files that do not serve."""
    if settings.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls.certificate_file, settings.tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(
            "error.api_certificate",
            certificate=settings.tls.certificate_file,
            key=settings.tls.key_file,
            reason=getattr(error, "strerror", None) or str(error),
        ) from error
    return context


def serve(site: Site, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once requests are taken."""
    _allow_many_files()
    api = Api(site)
    settings = site.settings.api
    config = uvicorn.Config(
        api.app,
        http=BoundedHttp,
        loop="asyncio",
        ws=TolerantSocket,
        ws_per_message_deflate=False,
        ws_max_size=_MOST_MESSAGE_BYTES,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies or None,
        limit_concurrency=settings.max_streams + _SPARE_CONNECTIONS,
        timeout_keep_alive=int(_IDLE_SECONDS),
        timeout_graceful_shutdown=_STOP_SECONDS,
        backlog=_BACKLOG,
    )
    config.load()
    context = build_tls(settings)
    if context is not None:
        config.ssl = context
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    asyncio.run(_run(api, _Server(config), listener, ready))


class BoundedHttp(HttpToolsProtocol):
    """HTTP whose heads have an end: the parser would keep one of any length."""

    _head_bytes: int | None = 0

    def data_received(self, data: bytes) -> None:
        """Take what comes; a head that is too long ends the connection."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Note that the head has ended."""
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the next head may begin."""
        self._head_bytes = 0
        super().on_message_complete()


class TolerantSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose client may send anything: what the parser cannot even refuse ends the connection."""

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        try:
            super().data_received(data)
        except AssertionError:
            self.transport.abort()


class _Server(uvicorn.Server):
    """The server; who runs it catches the signals."""

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()


async def _run(api: Api, server: _Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        server.force_exit = asked.is_set()
        asked.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, end)
    beside = [asyncio.ensure_future(api.run()), asyncio.ensure_future(_reap(server))]
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn tells it so and no other way
        await asyncio.sleep(0.01)
    address, port = listener.getsockname()[:2]
    log.info("api.listening", address=address, port=port, tls=api.site.settings.api.tls is not None)
    ready()
    stopping = asyncio.ensure_future(asked.wait())
    await asyncio.wait({serving, stopping, *beside}, return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in beside if task.done()]
    await _end_streams(api)
    api.stop.set()
    server.should_exit = True
    await serving
    await api.access.note_uses()
    for task in (stopping, *beside):
        task.cancel()
    await asyncio.gather(stopping, *beside, return_exceptions=True)
    for task in failed:
        task.result()
    log.info("api.stopped")


async def _end_streams(api: Api) -> None:
    """Close the streams, each with its reason: once the server itself is told to end, it only breaks them off."""
    for _ in range(int(_FAREWELL_SECONDS / _AGAIN_SECONDS)):
        api.close_streams()
        if not api.hub.clients:
            return
        await asyncio.sleep(_AGAIN_SECONDS)


async def _reap(server: uvicorn.Server) -> None:
    """Close connections that ask for nothing: uvicorn itself waits for a first request for ever."""
    loop = asyncio.get_running_loop()
    idle: dict[Any, tuple[Any, float]] = {}
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = loop.time()
        seen = {}
        for connection in list(server.server_state.connections):
            cycle, transport = getattr(connection, "cycle", _NO_CYCLE), getattr(connection, "transport", None)
            is_closing = transport is not None and transport.is_closing()
            if cycle is _NO_CYCLE and not is_closing:  # a WebSocket
                continue
            if cycle and not cycle.response_complete and not is_closing:
                continue
            state = (id(cycle), is_closing)
            known = idle.get(connection)
            seen[connection] = known if known is not None and known[0] == state else (state, now)
            if now - seen[connection][1] > _IDLE_SECONDS and transport is not None:
                transport.abort()
        idle = seen


def _allow_many_files() -> None:
    """Have as many connections as the system allows this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
