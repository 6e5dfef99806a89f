"""A thread that looks every few seconds, whatever becomes of MongoDB."""

import threading
from collections.abc import Callable

from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError

_LONGEST_RETRY_SECONDS = 60.0


def take_turns(
    turn: Callable[[], None],
    seconds: float,
    clock: Clock,
    stop: threading.Event,
    tell_stopped: Callable[[StoreError], None],
) -> None:
    """Take a turn every so many seconds until `stop` is set; more seldom after a StoreError, which is told."""
    wait_seconds = seconds
    while not stop.is_set():
        try:
            turn()
            wait_seconds = seconds
        except StoreError as error:
            tell_stopped(error)
            wait_seconds = min(2 * wait_seconds, _LONGEST_RETRY_SECONDS)
        clock.wait(stop, wait_seconds)
