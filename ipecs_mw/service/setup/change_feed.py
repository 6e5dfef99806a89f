"""The change feed: tells the others what has changed in MongoDB, where that has change streams."""

import threading
from collections.abc import Callable

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError
from ipecs_mw.store.configuration.changes import watch_changes
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_RETRY_SECONDS = 1.0
_UNTOLD_SECONDS = 10.0
"""Where no stream can be opened, everything is looked for so often."""


class ChangeFeed:
    """Feeds until `stop` is set; `run` is its thread.

    `on_setup` is called when what the daemon loads has changed, `on_request` with the host's name (None where it
    names none) when a request was queued, `on_any_request` when there may be requests that nobody told of. None of
    them may block. After an interruption nothing is resumed: everything is to be looked for.
    """

    def __init__(
        self,
        store: Store,
        on_setup: Callable[[], None],
        on_request: Callable[[str | None], None],
        on_any_request: Callable[[], None],
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._on_setup = on_setup
        self._on_request = on_request
        self._on_any_request = on_any_request
        self._clock = clock
        self._stop = stop
        self._problem: str | None = None

    def run(self) -> None:
        """Feed until stopped; on a standalone server, which has no change streams, there is nothing to do."""
        looked_at = self._clock.monotonic()
        while self._store.has_change_streams and not self._stop.is_set():
            try:
                self._follow()
            except StoreError as error:
                if self._stop.is_set():  # MongoDB is closed by then
                    return
                self._note(logs.explain(error))
                self._clock.wait(self._stop, _RETRY_SECONDS)
            if self._clock.monotonic() - looked_at >= _UNTOLD_SECONDS:
                looked_at = self._clock.monotonic()
                self._tell_all()

    def _note(self, problem: str) -> None:
        """Log what interrupted the stream, once while it repeats."""
        if problem != self._problem:
            log.info("configuration.watch_interrupted", detail=problem)
        self._problem = problem

    def _tell_all(self) -> None:
        self._on_setup()
        self._on_any_request()

    def _follow(self) -> None:
        is_open = False
        for change in watch_changes(self._store):
            self._clock.monotonic()  # it goes round, although it waits by the stream alone
            if self._stop.is_set():
                return
            if not is_open:
                is_open, self._problem = True, None
                self._tell_all()
            if change is None:
                continue
            if not change.is_queued:
                self._on_any_request()
            elif change.is_request:
                self._on_request(change.host)
            else:
                self._on_setup()
