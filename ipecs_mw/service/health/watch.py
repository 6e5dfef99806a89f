"""The watch inside: tells what stands still, a thread of ours, a way out of the log, what was asked outside."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ipecs_mw import logs, outside
from ipecs_mw.service.process.turns import WatchedClock

log = logs.get_logger()

_EVERY_SECONDS = 1.0

Finding = Mapping[str, Any]


class Watch:
    """Watches until `stop` is set; `run` is its thread. A standstill is told when it begins and when it ends."""

    def __init__(self, clock: WatchedClock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._silent: frozenset[str] = frozenset()

    def run(self) -> None:
        """Look about every second until stopped."""
        while not self._clock.wait(self._stop, _EVERY_SECONDS):
            self.look()

    def look(self) -> None:
        """Log what has come to a standstill since the last look, and what goes on."""
        fresh, resumed = self._clock.look()
        for standstill in fresh:
            log.error("thread.stalled", thread=standstill.thread, stack=standstill.stack)
        for name in resumed:
            log.info("thread.resumed", thread=name)
        logs.look()
        silent = outside.find_silent()
        for what in silent.keys() - self._silent:
            log.warning("outside.silent", what=what, seconds=round(silent[what]))
        for what in self._silent - silent.keys():
            log.info("outside.answered", what=what)
        self._silent = frozenset(silent)

    def find_hung(self) -> Sequence[Finding]:
        """Return what a restart may help: threads that stand still, and a log of which no line gets out."""
        return [*self._find_standing(), *(_find_stalls() if logs.is_silent() else ())]

    def find_amiss(self) -> Sequence[Finding]:
        """Return all that stands still: also what holds up nothing, and a restart would not help."""
        silent = [
            {"reason": "outside_silent", "what": what, "seconds": round(seconds)}
            for what, seconds in outside.find_silent().items()
        ]
        return [*self._find_standing(), *_find_stalls(), *silent]

    def _find_standing(self) -> list[Finding]:
        return [{"reason": "thread_stalled", "thread": name} for name in self._clock.find_standing()]


def _find_stalls() -> list[Finding]:
    return [
        {
            "reason": "logging_stalled",
            "file": stall.file,
            "since": stall.since,
            "lost": stall.lost,
            **({} if stall.reason is None else {"detail": stall.reason}),
        }
        for stall in logs.find_stalls()
    ]
