"""Hosts on real TLS sockets of the loopback."""

import http
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from stream_scene import Talk
from tls_host import Host, Serve, settings
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_certificate(["127.0.0.1", "localhost"], datetime.now(UTC))


@pytest.fixture
def start(certificate: Certificate) -> Iterator[Callable[..., Host]]:
    """Start a host that serves as told: `start(serve)`."""
    with ExitStack() as stack:

        def begin(serve: Serve, shown: Certificate = certificate) -> Host:
            host = Host(shown, serve)
            stack.callback(host.close)
            return host

        yield begin


@pytest.fixture
def host(certificate: Certificate) -> Callable[..., Any]:
    """Give a WebSocket host that talks as told, as a context: its settings."""

    @contextmanager
    def begin(
        talk: Talk, *, status: int = 101, shown: Certificate = certificate, **options: Any
    ) -> Iterator[HostSettings]:
        def answer(connection: ServerConnection, request: Request) -> Response | None:
            seen.append(request)
            return None if status == 101 else connection.respond(http.HTTPStatus(status), "no\n")

        def handle(connection: ServerConnection) -> None:
            with suppress(ConnectionClosed):
                talk(connection)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown.load_into(context)
        seen: list[Request] = []
        server: Server = serve(
            handle, "127.0.0.1", 0, ssl=context, process_request=answer, compression=None, **options
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        begin.seen = seen  # type: ignore[attr-defined]
        try:
            yield settings(server.socket.getsockname()[1], user="api/user")
        finally:
            server.shutdown()
            thread.join(10)

    return begin
