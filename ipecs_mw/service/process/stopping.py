"""Being asked to stop, by a signal or otherwise: one event, and one deadline that all of the way out shares."""

import math
import os
import select
import signal
import threading
from collections.abc import Callable
from functools import partial

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.service.process.terminal import Terminal
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
        self._signalled_at: float | None = None

    def ask(self, exit_code: int = 0) -> None:
        """Ask to stop; the first time counts. `exit_code` is that of a process that has to be cut off."""
        if not self.event.is_set():
            self._asked_at, self._exit_code = self._clock.monotonic(), exit_code
            self.event.set()

    def attend_signals(self, on_hang_up: Callable[[], None] | None = None) -> None:
        """Attend signals from now on; for the main thread.

        SIGTERM and SIGINT ask to stop, a second one ends the process at once. SIGHUP calls `on_hang_up`, which
        must not block; where it comes because the terminal has closed, it asks to stop. Without `on_hang_up` it
        does what it did before.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # a handler runs between any two steps of the main thread, which may hold any lock: it does nothing, and a
        # thread of its own reads what came, also while the main thread hangs
        may_end_by_hang_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # ignored by `nohup`
        for name in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if on_hang_up else ())):
            signal.signal(name, lambda *_: None)
        terminal = Terminal(self._clock) if on_hang_up and may_end_by_hang_up else None
        start_thread("signals", partial(self._read_signals, reader, terminal, on_hang_up))

    def _read_signals(
        self, reader: int, terminal: Terminal | None, on_hang_up: Callable[[], None] | None
    ) -> None:
        while True:
            if terminal is not None and terminal.is_there and not select.select((reader,), (), (), 1.0)[0]:
                terminal.look()
                continue
            for number in os.read(reader, 64):
                if number != signal.SIGHUP:
                    self._on_stop_signal(number)
                elif terminal is not None and terminal.has_just_closed():
                    self.ask()
                elif on_hang_up is not None:
                    on_hang_up()

    def _on_stop_signal(self, number: int) -> None:
        now = self._clock.monotonic()
        if self._signalled_at is None:
            self._signalled_at = now
        elif now - self._signalled_at > _SAME_SIGNAL_SECONDS:
            os._exit(128 + number)
        self.ask()

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
        log.error("daemon.cut_off")
        logs.flush(_LAST_WORDS_SECONDS)
        os._exit(self._exit_code)
