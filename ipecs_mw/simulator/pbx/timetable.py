"""What happens later in the simulated PBX: actions at simulated seconds, carried out when they are due."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]


class Timetable:
    """Simulated time. It moves only by `run_until` and `run_next`, never by a clock."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = count()

    def after(self, seconds: float, action: Action) -> None:
        """Have `action` carried out `seconds` of simulated time from now."""
        heapq.heappush(self._due, (self.now_seconds + seconds, next(self._order), action))

    def clear(self) -> None:
        """Forget what is due; the time goes on."""
        self._due.clear()

    def run_next(self, until_seconds: float | None = None) -> bool:
        """Carry out the next action, if it is due by `until_seconds`; tell whether there was one."""
        if not self._due or (until_seconds is not None and self._due[0][0] > until_seconds):
            return False
        at, _, action = heapq.heappop(self._due)
        self.now_seconds = at
        action()
        return True

    def run_until(self, seconds: float) -> None:
        """Carry out what is due by `seconds`, in order, and leave the time there."""
        while self.run_next(seconds):
            pass
        self.now_seconds = max(self.now_seconds, seconds)
