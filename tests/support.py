"""What tests share: a clock that moves only when told, and the sentence of an error."""

import threading
from datetime import UTC, datetime, timedelta

from ipecs_mw.errors import IpecsMwError
from ipecs_mw.seeds import shipped_texts

START_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class FakeClock:
    """A clock that moves only when told, safe to share between threads.

    `advance` moves both the wall clock and the monotonic one; `jump` moves the wall clock alone, as a corrected
    system clock does. What `wait` does depends on `is_manual`: by default it advances the clock by the whole
    wait and returns at once, so that a loop under test runs through its delays without any; with
    `is_manual=True` it blocks its thread until another one advanced the clock far enough or set the event.
    `waits` keeps every wait that was asked for, in seconds.
    """

    def __init__(self, at: datetime = START_AT, *, is_manual: bool = False) -> None:
        self.waits: list[float | None] = []
        self._now = at
        self._monotonic = 1000.0
        self._is_manual = is_manual
        self._moved = threading.Condition()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        with self._moved:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds
            self._moved.notify_all()

    def jump(self, seconds: float) -> None:
        with self._moved:
            self._now += timedelta(seconds=seconds)

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.waits.append(seconds)
        if not self._is_manual:
            if not event.is_set() and seconds is None:
                return event.wait(30)  # nothing to advance to; bounded, for a test must end
            if not event.is_set():
                self.advance(seconds or 0)
            return event.is_set()
        ends = float("inf") if seconds is None else self._monotonic + seconds
        with self._moved:
            while not event.is_set() and self._monotonic < ends:
                self._moved.wait(0.01)  # an event that is set notifies nobody
        return event.is_set()


def explain(error: IpecsMwError) -> str:
    """Return what people read of an error, in English."""
    return shipped_texts("en-GB").explain(error)
