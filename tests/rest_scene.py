"""What the tests of requests share: one that opens nothing, and hosts that answer it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from tls_host import Host, Serve

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.protocol.requests import WireRequest
from ipecs_mw.transport.rest import RestClient
from ipecs_mw.transport.tls import build_context

Start = Callable[..., Host]
REQUEST = WireRequest("GET", "server/v1/users/api/login", {"Authorization": "Basic canary"})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def say(content: bytes) -> Serve:
    def serve(connection: socket.socket, _end: threading.Event) -> None:
        connection.sendall(content)

    return serve


@contextmanager
def client(host: HostSettings) -> Iterator[RestClient]:
    with closing(RestClient(host, build_context(host), SystemClock())) as opened:
        yield opened
