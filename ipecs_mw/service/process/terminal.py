"""The terminal that the process was started in, where there is one, and whether it has closed."""

import math
import os

from ipecs_mw.clock import Clock

_JUST_SECONDS = 30.0
"""How long after its closing was seen a SIGHUP counts as its own: on a busy machine that comes late."""


class Terminal:
    """Looked at now and then, so that a SIGHUP of its closing can be told from any other; used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self.is_there = _can_open()
        self._clock = clock
        self._closed_at = -math.inf

    def look(self) -> None:
        """Note whether it is still there, and when it was first seen not to be."""
        if self.is_there and not _can_open():
            self.is_there = False
            self._closed_at = self._clock.monotonic()

    def has_just_closed(self) -> bool:
        """Tell whether it has closed in the last half minute, noticed now or before."""
        self.look()
        return self._clock.monotonic() - self._closed_at < _JUST_SECONDS


def _can_open() -> bool:
    """Tell whether the process has a controlling terminal; it loses that when the terminal closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
