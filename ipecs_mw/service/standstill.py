"""Notices that the process stood still: frames that were read after that may have been written long before."""

import math
from datetime import datetime, timedelta

from ipecs_mw.clock import Clock

_LONGEST_TURN_SECONDS = 1.5
_SHADOW_SECONDS = 10.0  # for what the host had queued meanwhile to arrive


class Standstill:
    """Watches the turns of one thread, which are to be short; used by that thread.

    A process that was stopped, or a disk that hung, has the last frame before a loss look younger than it is: a
    gap that began with it would not cover what the host lost in between.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned_at = math.inf
        self._since: datetime | None = None
        self._ended_at = -math.inf

    def begin(self) -> None:
        """Watch from now on: the first turn begins."""
        self._turned_at, self._since, self._ended_at = self._clock.monotonic(), None, -math.inf

    def turn(self) -> None:
        """Note that a turn has ended and the next begins."""
        now = self._clock.monotonic()
        lasted = now - self._turned_at
        if lasted > _LONGEST_TURN_SECONDS:
            if now - self._ended_at >= _SHADOW_SECONDS:
                self._since = self._clock.now() - timedelta(seconds=lasted)
            self._ended_at = now
        self._turned_at = now

    def bound(self, heard_at: datetime) -> datetime:
        """Return `heard_at`, or when the standstill began that has just ended, where that is earlier."""
        if self._since is None or self._clock.monotonic() - self._ended_at >= _SHADOW_SECONDS:
            return heard_at
        return min(heard_at, self._since)
