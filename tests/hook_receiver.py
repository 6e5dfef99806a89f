"""A receiver of webhooks on this machine: it keeps what it is told, and answers as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stopwatch import Stopwatch


@dataclass(frozen=True)
class Told:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """An answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Told], Said]


class Receiver:
    """What came, in its order; `answer` may be replaced at any time."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.most_at_once = 0
        self.answer: Answer = lambda _: Said()
        self.port = 0
        self._now = 0
        self._came = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, told: Told) -> Said:
        with self._came:
            self.told.append(told)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self._came.notify_all()
        try:
            return self.answer(told)
        finally:
            with self._came:
                self._now -= 1

    def wait(self, count: int, seconds: float = 20.0) -> list[Told]:
        """Return what was told, as soon as it is so much; fail after `seconds`."""
        watch = Stopwatch()
        with self._came:
            while len(self.told) < count:
                assert not watch.is_over(seconds), f"{len(self.told)} of {count}"
                self._came.wait(0.1)
            return list(self.told)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self.receiver.take(Told(self.command, self.path, headers, body))
        self.send_response(said.status)
        for name, value in {"content-length": str(len(said.body)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said.body)

    do_GET = do_POST = do_PUT = do_PATCH = _take  # noqa: N815 - as the library calls them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_hooks() -> Iterator[Receiver]:
    """Give a receiver that listens."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
