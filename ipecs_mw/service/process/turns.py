"""Where threads stand: a clock that notes who still asks for the time, and so goes round."""

import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import datetime

from ipecs_mw.clock import Clock
from ipecs_mw.service.process.threads import WatchedThread

_LOOKS = 120
_PATIENT = frozenset({"await-mongodb", "keep-schema", "keep-documents"})
"""Threads that may stand by design: MongoDB builds an index as long as it takes."""


@dataclass
class _Turns:
    """Written by its own thread, but for what the looks noted."""

    count: int = 0
    is_resting: bool = False
    seen: int = -1
    looks: int = 0


@dataclass(frozen=True)
class Standstill:
    """A thread that stands still, and the lines of its stack."""

    thread: str
    stack: str


class WatchedClock:
    """A clock for all of the daemon's threads, any of which reads it or waits by it each time it goes round.

    A thread stands still when it has done neither for so many looks. Looks count, not seconds: on a machine that
    is busy, or was suspended, they come later too. A thread that waits does so by design, and so does one that
    never asked for the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: dict[int, _Turns] = {}
        self._standing: frozenset[str] = frozenset()

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant; it may jump."""
        self._turn()
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds that only grow; for timers and durations."""
        self._turn()
        return self._clock.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until `event` is set or `seconds` passed; tell whether it is set."""
        turns = self._turn()
        turns.is_resting = True
        try:
            return self._clock.wait(event, seconds)
        finally:
            turns.is_resting = False
            turns.count += 1

    def find_standing(self) -> list[str]:
        """Return the names of the threads that stood still at the last look."""
        return sorted(self._standing)

    def look(self) -> tuple[list[Standstill], list[str]]:
        """Return who came to a standstill since the last look, and the names of who goes on; for one thread."""
        living = {
            thread.ident: thread
            for thread in threading.enumerate()
            if isinstance(thread, WatchedThread) and thread.name not in _PATIENT
        }
        standing: dict[str, int] = {}
        for ident, turns in self._turns.copy().items():
            thread = living.get(ident)
            if thread is None:
                del self._turns[ident]
                continue
            if turns.is_resting or turns.count != turns.seen:
                turns.seen, turns.looks = turns.count, 0
            else:
                turns.looks += 1
            if turns.looks >= _LOOKS:
                standing[thread.name] = ident
        former, self._standing = self._standing, frozenset(standing)
        fresh = [
            Standstill(name, _read_stack(ident)) for name, ident in standing.items() if name not in former
        ]
        return fresh, sorted(former - self._standing)

    def _turn(self) -> _Turns:
        ident = threading.get_ident()
        turns = self._turns.get(ident)
        if turns is None:
            turns = self._turns[ident] = _Turns()
        turns.count += 1
        return turns


def _read_stack(ident: int) -> str:
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - the only way to another thread's stack
    return "" if frame is None else "".join(traceback.format_stack(frame)).rstrip()
