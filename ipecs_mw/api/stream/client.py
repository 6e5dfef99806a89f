"""One who follows: what waits to be sent to it, within a bound."""

import asyncio
from collections import deque
from typing import NamedTuple

from ipecs_mw.api.answers import encode
from ipecs_mw.api.stream.frames import Entry, Form, spell_frame
from ipecs_mw.messages.selection import Selection
from ipecs_mw.store.applications.tokens import Token

MOST_FRAMES = 1000
MOST_BYTES = 1024 * 1024
"""So much waits for a client before states are coalesced, and then it is closed."""

SLOTS = 15
"""Clients are shown in so many turns that the stream lives."""

_MOST_AT_ONCE = 64 * 1024


class _Waiting(NamedTuple):
    frame: bytes
    key: str
    position: str


class Client:
    """A stream that is open. `closing` is why it is to be closed; blank as long as it is not.

    `position` is that of the last frame that was handed to the connection, `sending_since` when (by the loop's
    clock) that began which goes on; 0 for nothing. Made in the task that serves it.
    """

    __slots__ = (
        "_bytes", "_queue", "_task", "_wake", "closing", "form", "is_attached", "position", "selection",
        "sending_since", "slot", "token",
    )  # fmt: skip

    def __init__(self, token: Token, selection: Selection, form: Form, position: str) -> None:
        self.token = token
        self.selection = selection
        self.form = form
        self.position = position
        self.closing = ""
        self.slot = id(self) // 16 % SLOTS
        self.is_attached = False
        self.sending_since = 0.0
        self._task = asyncio.current_task()
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything was handed to the connection."""
        return not self._queue

    def put(self, entry: Entry) -> None:
        """Have a message be sent. A client that is too slow is closed, its states having been coalesced first."""
        if self.closing:
            return
        frame = entry.spell(self.form, sees_numbers=self.selection.sees_numbers)
        self.put_frame(frame, entry.position, entry.message.key)

    def put_frame(self, frame: bytes, position: str, key: str = "") -> None:
        """Have a frame be sent."""
        if len(self._queue) >= MOST_FRAMES or self._bytes + len(frame) > MOST_BYTES:
            self._coalesce()
            if len(self._queue) >= MOST_FRAMES or self._bytes + len(frame) > MOST_BYTES:
                self.close("too_slow")
                return
        self._queue.append(_Waiting(frame, key, position))
        self._bytes += len(frame)
        self._rouse()

    def _coalesce(self) -> None:
        """Keep of several states of one thing the last: the earlier ones are not so any more."""
        seen: set[str] = set()
        kept: deque[_Waiting] = deque()
        for waiting in reversed(self._queue):
            if not waiting.key or waiting.key not in seen:
                kept.appendleft(waiting)
                seen.add(waiting.key)
        self._queue = kept
        self._bytes = sum(len(waiting.frame) for waiting in kept)

    def close(self, reason: str) -> None:
        """Have it be closed, with this reason; what waits is dropped, and can be had after `position`."""
        if not self.closing:
            self.closing = reason
            self._queue.clear()
            self._bytes = 0
            self._rouse()

    def abort(self) -> None:
        """End its task: the client takes nothing more, so that it cannot be told why."""
        self.close("too_slow")
        if self._task is not None:
            self._task.cancel()

    def spell_end(self) -> bytes:
        """Return the last frame: why it is closed, and the position to go on after."""
        body = encode({"reason": self.closing, "position": self.position})
        return spell_frame(self.form, "closed", body, self.position)

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def wait(self) -> None:
        """Wait until there is something to send, or it is to be closed."""
        if not self._queue and not self.closing:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None

    def take(self) -> list[bytes]:
        """Return the next frames, 64 KiB at the most but for one that is longer, and note their position."""
        frames: list[bytes] = []
        room = _MOST_AT_ONCE
        while self._queue and (not frames or len(self._queue[0].frame) <= room):
            waiting = self._queue.popleft()
            frames.append(waiting.frame)
            room -= len(waiting.frame)
            self.position = waiting.position or self.position
        self._bytes -= sum(map(len, frames))
        return frames
