"""The only place that reads a clock or waits; tests hand in a fake."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program knows of time."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant; it may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow; for timers and durations."""
        ...

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until `event` is set or `seconds` passed; tell whether it is set."""
        ...


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_MONOTONIC stands still while the machine is suspended: then a session that is long gone looks young."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant; it may jump."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow, also while the machine is suspended; for timers and durations."""
        return time.clock_gettime(_MONOTONIC)

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until `event` is set or `seconds` passed; tell whether it is set."""
        return event.wait(seconds)
