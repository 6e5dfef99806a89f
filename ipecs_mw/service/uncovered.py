"""What a host does not send although it was to be asked to: since when, and the gap that this leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ipecs_mw.clock import Clock
from ipecs_mw.service.lane import Lane

REASON = "not_monitored"
_SHORTEST_SECONDS = 2.0  # what every start of monitoring takes is no gap


@dataclass(frozen=True)
class Moment:
    """An instant by both clocks: the wall clock for people, the monotonic one for durations."""

    at: datetime
    monotonic: float

    @classmethod
    def read(cls, clock: Clock) -> Self:
        """Return the moment that it is."""
        return cls(clock.now(), clock.monotonic())


class Uncovered:
    """Since when each subscription is not served; used by one thread. What ends a wait may raise JournalError."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._since: dict[str, Moment] = {}

    def begin(self, name: str, since: Moment) -> None:
        """Note that a subscription is not served since then; where it was not before, that stays."""
        self._since.setdefault(name, since)

    def end(self, name: str, count: int) -> None:
        """Record the gap of a subscription for `count` numbers that is served from now on, or no longer wanted."""
        since = self._since.get(name)
        if since is None:
            return
        if self._lane.clock.monotonic() - since.monotonic >= _SHORTEST_SECONDS:
            self._lane.record(
                "gap",
                "warning",
                since=since.at,
                until=self._lane.clock.now(),
                reason=REASON,
                subscription=name,
                count=count,
            )
        del self._since[name]
