"""Calls that a former version read are found by their names too: bit by bit, beside everything else."""

import threading
from collections.abc import Callable

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError
from ipecs_mw.store.calls.names import fill_next
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_PAUSE_SECONDS = 0.5  # a step takes about as long
_STAND_BY_SECONDS = 2.0
_AFTER_TROUBLE_SECONDS = 30.0


def fill_names(store: Store, is_reader: Callable[[], bool], clock: Clock, stop: threading.Event) -> None:
    """Go on until all are done, or until stopped, while this daemon `is_reader`.

    Once this version reads, no former one writes calls any more.
    """
    has_more = True
    while has_more and not stop.is_set():
        pause_seconds = _STAND_BY_SECONDS
        if is_reader():
            try:
                has_more, pause_seconds = fill_next(store), _PAUSE_SECONDS
            except StoreError as error:
                log.debug("names not filled in", error=str(error))
                pause_seconds = _AFTER_TROUBLE_SECONDS
        if has_more:
            clock.wait(stop, pause_seconds)
