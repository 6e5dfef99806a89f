"""A thread that looks again and again, whatever becomes of MongoDB."""

import threading
from collections.abc import Callable

from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


def take_turns(
    turn: Callable[[], float],
    clock: Clock,
    stop: threading.Event,
    tell_stopped: Callable[[StoreError], None],
) -> None:
    """Take turns until `stop` is set; each returns after how many seconds the next is.

    After a StoreError, which is told, that is more and more seldom.
    """
    wait_seconds = _FIRST_RETRY_SECONDS
    while not stop.is_set():
        try:
            clock.wait(stop, turn())
            wait_seconds = _FIRST_RETRY_SECONDS
        except StoreError as error:
            tell_stopped(error)
            clock.wait(stop, wait_seconds)
            wait_seconds = min(2 * wait_seconds, _LONGEST_RETRY_SECONDS)
