"""Following the stream of the API: its frames, and going on after the last position when a connection breaks."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import requests

from ipecs_mw.clock import Clock
from ipecs_mw.errors import ApiUnreachable

SILENT_SECONDS = 40.0
"""A stream that is silent so long is broken: it shows every 15 s that it lives."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0


class StreamMessage(NamedTuple):
    """A message of the stream: who goes on after `position` gets what comes after it."""

    position: str
    name: str
    data: dict[str, Any]


class ApiFollower:
    """What `ApiClient.follow` gives: messages, each once; `position` is that of the last one that was given."""

    def __init__(
        self,
        open_stream: Callable[[str], requests.Response],
        clock: Clock,
        after: str,
        timeout_seconds: float | None,
    ) -> None:
        self.position = after
        self._open_stream = open_stream
        self._clock = clock
        self._timeout = timeout_seconds
        self._stop = threading.Event()
        self._heard_at = clock.monotonic()
        self._answer = open_stream(after)
        self._messages = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamMessage:
        return next(self._messages)

    def _read(self) -> Iterator[StreamMessage]:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            # AttributeError: how urllib3 says that another thread has closed it
            with suppress(requests.RequestException, OSError, AttributeError), self._answer as answer:
                for position, name, data in _read_frames(answer.iter_content(None)):
                    if data is not None and name != "closed":
                        pause, self._heard_at = _FIRST_PAUSE_SECONDS, self._clock.monotonic()
                        self.position = position or self.position
                        yield StreamMessage(self.position, name, json.loads(data))
                    self.position = position or self.position
                    if self._is_over():
                        return
            if self._is_over():
                return
            pause = self._connect_again(pause)

    def _is_over(self) -> bool:
        silent = self._clock.monotonic() - self._heard_at
        return self._stop.is_set() or (self._timeout is not None and silent >= self._timeout)

    def _connect_again(self, pause: float) -> float:
        """Open the stream after the last position, as often as it takes; return the next pause."""
        while not self._clock.wait(self._stop, pause):
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            with suppress(ApiUnreachable):
                self._answer = self._open_stream(self.position)
                break
            if self._is_over():
                break
        return pause

    def close(self) -> None:
        """End following, also from another thread; who waits for a message then gets none."""
        self._stop.set()
        with suppress(Exception):
            self._answer.raw.shutdown()
        self._answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_frames(chunks: Iterator[bytes]) -> Iterator[tuple[str, str, str | None]]:
    """Yield position, name and data of each frame of Server-Sent Events; data is None where it only shows life."""
    left = b""
    fields: dict[str, str] = {}
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.decode("utf-8", "replace").partition(":")
            if line.strip():
                fields[name] = value.removeprefix(" ").rstrip("\r")
            else:
                yield fields.get("id", ""), fields.get("event", "message"), fields.get("data")
                fields = {}
