"""How the groups that metrics tell of do: read every few seconds, so that no scrape waits for MongoDB."""

import threading
from collections.abc import Callable, Sequence

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.figures.groups_now import GroupNow, load_groups_now
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_LOOK_SECONDS = 5.0
_FRESH_SECONDS = 20.0


class GroupWatch:
    """Reads how groups do, where `figures.metrics` names any; `run` is its thread."""

    def __init__(
        self, store: Store, read_settings: Callable[[], Settings], clock: Clock, stop: threading.Event
    ) -> None:
        self._store = store
        self._read_settings = read_settings
        self._clock = clock
        self._stop = stop
        self._seen: tuple[float, Sequence[GroupNow]] = (float("-inf"), ())

    def run(self) -> None:
        """Look every few seconds until stopped, whatever becomes of MongoDB."""
        while not self._stop.is_set():
            self.look()
            self._clock.wait(self._stop, _LOOK_SECONDS)

    def look(self) -> None:
        """Read once."""
        settings = self._read_settings()
        is_asked = bool(settings.figures.metrics) and settings.health.port is not None
        begun = self._clock.monotonic()
        try:
            found = load_groups_now(self._store, settings, self._clock.now()) if is_asked else ()
        except StoreError as error:  # what is known grows old, and is told no more then
            log.debug("groups were not read", reason=logs.explain(error))
            return
        self._seen = begun, found

    def describe(self) -> Sequence[GroupNow]:
        """Return how the groups do; nothing once that is too old to be true."""
        seen_at, found = self._seen
        return found if self._clock.monotonic() - seen_at <= _FRESH_SECONDS else ()
