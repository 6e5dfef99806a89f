"""`ipecs-mw serve` as a process of its own, and clients that follow its stream."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sites import wait_until

from ipecs_mw.messages.rights import EVERYTHING, Scope
from ipecs_mw.store.applications.tokens import create_token
from ipecs_mw.store.server.connection import Store

ALL_RIGHTS = (
    "calls.read", "commands.*", "events.read", "figures.read", "missed.write", "numbers.read", "state.read",
    "webhooks.manage",
)  # fmt: skip
_START_SECONDS = 30.0
_URL = re.compile(rb"http://127\.0\.0\.1:(\d+)/api/v1")


class Served:
    """A process that serves one database."""

    def __init__(self, uri: str, folder: Path, *options: str) -> None:
        bootstrap = folder / "serve.json"
        bootstrap.write_text(json.dumps({"mongo_uri": uri}), "utf-8")
        self.log = folder / f"serve-{id(self)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ipecs_mw", f"--bootstrap={bootstrap}", "serve", "--port", "0", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "IPECS_MW_LOCALE": "en-GB"},
            )  # fmt: skip
        wait_until(
            lambda: _URL.search(self.log.read_bytes()) or self.process.poll() is not None, _START_SECONDS
        )
        found = _URL.search(self.log.read_bytes())
        assert found is not None, self.log.read_text()
        self.port = int(found[1])

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def ask(
        self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str
    ) -> tuple[int, Mapping[str, str], Any]:
        """Return status, headers and content (JSON where it is that) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        with suppress_close(connection):
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            content = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers, json.loads(content) if is_json else content.decode()  # type: ignore[return-value]


@contextmanager
def suppress_close(connection: http.client.HTTPConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()


@contextmanager
def served(uri: str, folder: Path, *options: str) -> Iterator[Served]:
    """Run `ipecs-mw serve`, and end it."""
    process = Served(uri, folder, *options)
    try:
        yield process
    finally:
        process.stop()


def make_token(
    store: Store, name: str = "all", rights: Sequence[str] = ALL_RIGHTS, scope: Scope = EVERYTHING
) -> str:
    return create_token(store, name, rights, scope, at=datetime.now(UTC), by="test")


class Frame(NamedTuple):
    """An event of the stream."""

    id: str
    name: str
    data: Any


def read_frames(answer: http.client.HTTPResponse) -> Iterator[Frame]:
    """Yield the events of a stream, comments as events named `:`."""
    fields: dict[str, str] = {}
    while line := answer.readline():
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Frame(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
        else:
            if "" in fields or any(not name for name in fields):
                yield Frame(fields.get("id", ""), ":", None)
            fields = {}


class Follower:
    """Follows a stream in a thread; where the connection breaks it goes on after its position, at `port`."""

    def __init__(
        self, port: int, token: str, *, last_id: str = "", is_once: bool = False, **query: Any
    ) -> None:
        self.port = port
        self.frames: list[Frame] = []
        self.last_id = last_id
        self.connections = 0
        self.refused: list[tuple[int, Any]] = []
        self._token = token
        self._query = query
        self._is_once = is_once
        self._stop = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                try:
                    self._follow()
                finally:
                    if self._connection is not None:
                        self._connection.close()
            if self._is_once:
                return
            self._stop.wait(0.05)

    def _follow(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self._token}"} | (
            {"Last-Event-ID": self.last_id} if self.last_id else {}
        )
        self._connection.request("GET", f"/api/v1/stream?{urlencode(self._query)}", headers=headers)
        answer = self._connection.getresponse()
        if answer.status != 200:
            self.refused.append((answer.status, json.loads(answer.read())))
            return
        self.connections += 1
        with answer:
            for frame in read_frames(answer):
                self.last_id = frame.id or self.last_id
                self.frames.append(frame)

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def named(self, *names: str) -> list[Frame]:
        """Return the events of these names, all but signs of life where none are given."""
        return [
            each
            for each in list(self.frames)
            if (each.name in names if names else each.name not in (":", "closed"))
        ]

    def drop(self) -> None:
        """Have the connection break."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)

    def close(self) -> None:
        self._stop.set()
        self.drop()
        self._thread.join(20)


@contextmanager
def following(port: int, token: str, **options: Any) -> Iterator[Follower]:
    """Follow until the end of the block."""
    follower = Follower(port, token, **options)
    try:
        yield follower
    finally:
        follower.close()
