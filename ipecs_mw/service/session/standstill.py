"""Notices that the process stood still: frames that were read after that may have been written long before."""

import math
from datetime import datetime, timedelta

from ipecs_mw.clock import Clock

_LONGEST_TURN_SECONDS = 1.5
_SHADOW = timedelta(seconds=10)  # for what the host had queued meanwhile to arrive


class Standstill:
    """Watches the turns of one thread, which are to be short; used by that thread.

    A process that was stopped, or a disk that hung, has the last frame before a loss look younger than it is: a
    gap that began with it would not cover what the host lost in between.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned_at = math.inf
        self._last: tuple[datetime, datetime] | None = None

    def begin(self) -> None:
        """Watch from now on: the first turn begins."""
        self._turned_at, self._last = self._clock.monotonic(), None

    def turn(self) -> None:
        """Note that a turn has ended and the next begins."""
        turned_at, self._turned_at = self._turned_at, self._clock.monotonic()
        lasted = self._turned_at - turned_at
        if lasted > _LONGEST_TURN_SECONDS:
            ended_at = self._clock.now()
            began_at = ended_at - timedelta(seconds=lasted)
            self._last = self.bound(began_at), ended_at

    def bound(self, heard_at: datetime) -> datetime:
        """Return `heard_at`, or when the standstill began after whose end it came, where that was just before."""
        if self._last is None:
            return heard_at
        began_at, ended_at = self._last
        return min(heard_at, began_at) if heard_at < ended_at + _SHADOW else heard_at
