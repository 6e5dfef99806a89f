"""Notices that the process stood still: frames that were read after that may have been written long before."""

from ipecs_mw.clock import Clock
from ipecs_mw.service.intake.gaps import Moment

_LONGEST_TURN_SECONDS = 1.5
_SHADOW_SECONDS = 10.0  # for what the host had queued meanwhile to arrive


class Standstill:
    """Watches the turns of one thread, which are to be short; used by that thread.

    A process that was stopped, a machine that was suspended, or a disk that hung, has the last frame before a loss
    look younger than it is: a gap that began with it would not cover what the host lost in between. The wall clock
    may be set meanwhile, so durations are the monotonic one's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned: Moment | None = None
        self._last: tuple[Moment, Moment] | None = None

    def begin(self) -> None:
        """Watch from now on: the first turn begins."""
        self._turned, self._last = Moment.read(self._clock), None

    def turn(self) -> bool:
        """Note that a turn has ended and the next begins; tell whether it was a standstill."""
        began, ended = self._turned, Moment.read(self._clock)
        self._turned = ended
        if began is None or ended.monotonic - began.monotonic <= _LONGEST_TURN_SECONDS:
            return False
        self._last = self.bound(began), ended
        return True

    def bound(self, heard: Moment) -> Moment:
        """Return `heard`, or when the standstill began after whose end it came, where that was just before."""
        if self._last is None:
            return heard
        began, ended = self._last
        is_after = began.monotonic < heard.monotonic < ended.monotonic + _SHADOW_SECONDS
        return began if is_after else heard
