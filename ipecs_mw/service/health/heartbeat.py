"""The heartbeat: writes to `instances` who runs and how it stands, and tells systemd."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.service.process.notify import notify
from ipecs_mw.store.coordination.instances import forget_instances, save_instance
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_EVERY_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_LONGEST_SECONDS = 20.0


class Heartbeat:
    """Beats until `end`, which sets `is_ending`; `run` is its thread.

    `describe` returns what is written, given the state; `find_dead` the names of threads that should live;
    `summarise` the line for systemd. Nothing is written before `has_store` is set.
    """

    def __init__(
        self,
        store: Store,
        instance_id: str,
        describe: Callable[[str], Mapping[str, Any]],
        find_dead: Callable[[], list[str]],
        summarise: Callable[[Mapping[str, Any]], str],
        has_store: threading.Event,
        clock: Clock,
    ) -> None:
        self.is_stored = False
        self._store = store
        self._id = instance_id
        self._describe = describe
        self._find_dead = find_dead
        self._summarise = summarise
        self._has_store = has_store
        self._clock = clock
        self._beat_at = clock.monotonic()
        self._has_tidied = False
        self.is_ending = threading.Event()

    @property
    def is_beating(self) -> bool:
        """Whether the last beat is not long ago."""
        return self._clock.monotonic() - self._beat_at < _LONGEST_SECONDS

    def run(self) -> None:
        """Beat about every second until ended; write a last time that the daemon has stopped."""
        while True:
            document = self._describe("running")
            self.is_stored = self._save(document)
            self._beat_at = self._clock.monotonic()
            is_well = not self._find_dead()
            notify(STATUS=self._summarise(document), **({"WATCHDOG": 1} if is_well else {}))
            if self._clock.wait(self.is_ending, _EVERY_SECONDS if self.is_stored else _RETRY_SECONDS):
                break
        self._save(self._describe("stopped"))

    def end(self) -> None:
        """Have the thread end; returns at once."""
        self.is_ending.set()

    def _save(self, document: Mapping[str, Any]) -> bool:
        if not self._has_store.is_set():
            return False
        try:
            save_instance(self._store, self._id, _without_nothing(document))
            if not self._has_tidied:
                forget_instances(self._store, self._id, document)
                self._has_tidied = True
        except IpecsMwError as error:
            log.debug("heartbeat not stored", error=str(error))
            return False
        return True


def _without_nothing(value: Any) -> Any:
    """Return a document without its None fields: absent means absent."""
    if isinstance(value, Mapping):
        return {name: _without_nothing(item) for name, item in value.items() if item is not None}
    return value
