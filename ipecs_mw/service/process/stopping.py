"""Being asked to stop, by a signal or otherwise: one event, and one deadline that all of the way out shares."""

import math
import os
import signal
import threading
from types import FrameType

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.service.process.threads import start_thread

log = logs.get_logger()

_LAST_SECONDS = 9.0
_LAST_WORDS_SECONDS = 0.2
_SAME_SIGNAL_SECONDS = 0.1  # who ends a whole process group, as `timeout` does, signals each process twice


class Stop:
    """Whether the daemon is asked to stop, and since when; `event` is what every wait honours.

    What is done on the way out is bounded by instants counted from the request, so that no sum of bounds, and
    nothing that hangs, makes it longer.
    """

    def __init__(self, clock: Clock) -> None:
        self.event = threading.Event()
        self._clock = clock
        self._asked_at = math.inf
        self._exit_code = 0

    def ask(self, exit_code: int = 0) -> None:
        """Ask to stop; the first time counts. `exit_code` is that of a process that has to be cut off.

        Safe in a signal's handler.
        """
        if not self.event.is_set():
            self._asked_at, self._exit_code = self._clock.monotonic(), exit_code
            self.event.set()

    def attend_signals(self) -> None:
        """Have SIGTERM and SIGINT ask to stop, a second one end the process at once; for the main thread."""
        first_at: list[float] = []

        def on_signal(number: int, _frame: FrameType | None) -> None:
            now = self._clock.monotonic()
            if first_at and now - first_at[0] > _SAME_SIGNAL_SECONDS:
                os._exit(128 + number)
            if not first_at:
                first_at.append(now)
            self.ask()

        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, on_signal)

    def at(self, seconds: float) -> float:
        """Return the monotonic time `seconds` after the request."""
        return self._asked_at + seconds

    def seconds_left(self, seconds: float) -> float:
        """Return how long it is until `seconds` after the request, 0 where that is over."""
        return max(0.0, self.at(seconds) - self._clock.monotonic())

    def enforce(self, over: threading.Event) -> None:
        """Have the process end in time, whatever hangs in it, unless `over` is set; returns at once."""
        start_thread("deadline", lambda: self._enforce(over))

    def _enforce(self, over: threading.Event) -> None:
        self._clock.wait(self.event, None)
        if self._clock.wait(over, self.seconds_left(_LAST_SECONDS)):
            return
        # whoever reads the log may hang as well
        start_thread("last-words", lambda: log.error("daemon.cut_off")).join(_LAST_WORDS_SECONDS)
        os._exit(self._exit_code)
