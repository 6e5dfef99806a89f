"""Where a gap begins and ends: it never shrinks for a clock's sake."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from ipecs_mw.clock import Clock


@dataclass(frozen=True)
class Moment:
    """An instant by both clocks: the wall clock for people, the monotonic one for durations.

    One of a former run, whose monotonic clock is not known, has `-math.inf` there.
    """

    at: datetime
    monotonic: float = -math.inf

    @classmethod
    def read(cls, clock: Clock) -> Self:
        """Return the moment that it is."""
        return cls(clock.now(), clock.monotonic())


def bound_gap(since: Moment | None, until: Moment) -> tuple[datetime | None, datetime]:
    """Return the beginning and the end of what is missing, by the wall clock.

    The wall clock may have been set in between, or the beginning may be of another machine's. Where it cannot tell
    the beginning, because that would not be before the end, there is none: all until the end may be missing. And
    what lasted longer by the monotonic clock is as long as that, by the clock as it was and as it is.
    """
    if since is None:
        return None, until.at
    lasted = until.monotonic - since.monotonic
    if not math.isfinite(lasted):
        return (since.at if since.at < until.at else None), until.at
    length = timedelta(seconds=max(0.0, lasted))
    return (min(since.at, until.at - length) if since.at < until.at else None), max(
        until.at, since.at + length
    )
