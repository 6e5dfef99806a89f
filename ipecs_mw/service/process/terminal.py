"""The terminal that the process was started in, where there is one, and whether it has closed."""

import os


class Terminal:
    """Looked at now and then, so that a SIGHUP of its closing can be told from any other; used by one thread."""

    def __init__(self) -> None:
        self.is_there = _can_open()

    def look(self) -> None:
        """Note whether it is still there."""
        self.is_there = self.is_there and _can_open()

    def has_just_closed(self) -> bool:
        """Tell whether it has closed since it was looked at last."""
        was_there = self.is_there
        self.look()
        return was_there and not self.is_there


def _can_open() -> bool:
    """Tell whether the process has a controlling terminal; it loses that when the terminal closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
