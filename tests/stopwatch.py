"""Time as far as the machine has let the program have it: what a busy machine took does not count."""

import re
import time
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")
_STALLED = re.compile(r"^some .*total=(\d+)", re.MULTILINE)
_MOST_TIMES = 10.0
_LEAST_SECONDS = 60.0


class Stopwatch:
    """Counts from its making; a promise that something is done within so many seconds is judged by it.

    The kernel counts the time in which something on the machine waited for a processor (`/proc/pressure/cpu`);
    this leaves it out. Where the kernel does not tell, all time counts.
    """

    def __init__(self) -> None:
        self._began, self._stalled = time.monotonic(), _read_stalled()

    @property
    def seconds(self) -> float:
        """The seconds since it was made, less those in which the machine was busy."""
        return max(0.0, self.elapsed - (_read_stalled() - self._stalled))

    @property
    def elapsed(self) -> float:
        """All the seconds since it was made."""
        return time.monotonic() - self._began

    def is_over(self, seconds: float) -> bool:
        """Tell whether `seconds` are over, or ten times as many and a minute at the least, however busy it was."""
        return self.seconds >= seconds or self.elapsed >= max(_MOST_TIMES * seconds, _LEAST_SECONDS)


def _read_stalled() -> float:
    """Return the seconds for which something on this machine waited for a processor, ever."""
    try:
        found = _STALLED.search(_PRESSURE.read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1_000_000 if found else 0.0
