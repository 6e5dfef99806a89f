"""What an intake has counted since the process began: numbers by name and label, and durations by their length."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

BOUNDS_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True)
class Durations:
    """`counts[i]` durations were at most `BOUNDS_SECONDS[i]` and above the bound before; the last knows none."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_SECONDS) + 1)
    total_seconds: float = 0.0

    def add(self, seconds: float, count: int) -> "Durations":
        """Return these and `count` more of `seconds`; a clock that went back counts as nothing."""
        seconds = max(0.0, seconds)
        counts = list(self.counts)
        counts[bisect_left(BOUNDS_SECONDS, seconds)] += count
        return Durations(tuple(counts), self.total_seconds + seconds * count)


class Counters:
    """Counts that only grow; safe for several threads. Meant to be called once a batch, not once an event."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._durations: dict[str, Durations] = {}

    def add(self, name: str, label: str = "", count: int = 1) -> None:
        """Count `count` more of `label`."""
        self.add_all(name, {label: count})

    def add_all(self, name: str, counts: Mapping[str, int]) -> None:
        """Count more of each label."""
        with self._lock:
            self._counts.setdefault(name, Counter()).update(counts)

    def observe(self, name: str, seconds: float, count: int = 1) -> None:
        """Count `count` things that took `seconds` each."""
        with self._lock:
            self._durations[name] = self._durations.get(name, Durations()).add(seconds, count)

    def read_counts(self, name: str) -> Mapping[str, int]:
        """Return how many there were, by label."""
        with self._lock:
            return dict(self._counts.get(name, {}))

    def read_durations(self, name: str) -> Durations:
        """Return how long things took."""
        with self._lock:
            return self._durations.get(name, Durations())
