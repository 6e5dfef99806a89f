"""Notices that the process stood still: frames that were read after that may have been written long before."""

import math

from ipecs_mw.clock import Clock
from ipecs_mw.service.intake.gaps import Moment

_LONGEST_TURN_SECONDS = 1.5
_SHADOW_SECONDS = 10.0  # for what the host had queued meanwhile to arrive


class Standstill:
    """Watches the turns of one thread, which are to be short; used by that thread.

    A process that was stopped, a machine that was suspended, or a disk that hung, has the last frame before a loss
    look younger than it is: a gap that began with it would not cover what the host lost in between. The wall clock
    may be set meanwhile, so that only the monotonic one counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned_at = math.inf
        self._last: tuple[float, float] | None = None

    def begin(self) -> None:
        """Watch from now on: the first turn begins."""
        self._turned_at, self._last = self._clock.monotonic(), None

    def turn(self) -> bool:
        """Note that a turn has ended and the next begins; tell whether it was a standstill."""
        began_at, self._turned_at = self._turned_at, self._clock.monotonic()
        if self._turned_at - began_at <= _LONGEST_TURN_SECONDS:
            return False
        self._last = self._find_begin(began_at), self._turned_at
        return True

    def bound(self, heard: Moment) -> Moment:
        """Return `heard`, or when the standstill began after whose end it came, where that was just before."""
        late = heard.monotonic - self._find_begin(heard.monotonic)
        return heard.move_back(late) if late else heard

    def _find_begin(self, at: float) -> float:
        if self._last is None:
            return at
        began_at, ended_at = self._last
        return min(at, began_at) if at < ended_at + _SHADOW_SECONDS else at
