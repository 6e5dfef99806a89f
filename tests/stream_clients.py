"""Clients that follow the stream of the API."""

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from api_scene import EVERYTHING as ALL_RIGHTS

from ipecs_mw.messages.rights import EVERYTHING, Scope
from ipecs_mw.store.applications.tokens import create_token
from ipecs_mw.store.server.connection import Store


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
