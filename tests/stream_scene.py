"""What the tests of the WebSocket share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.server import ServerConnection

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.transport.stream import Stream, open_stream
from ipecs_mw.transport.tls import build_context

Talk = Callable[[ServerConnection], Any]


@contextmanager
def opened(host: HostSettings, token: str = "abc") -> Iterator[Stream]:
    stream = open_stream(host, build_context(host), token, SystemClock())
    try:
        yield stream
    finally:
        stream.close()


def wait_for_end(connection: ServerConnection) -> None:
    for _ in connection:
        pass
