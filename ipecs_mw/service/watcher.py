"""The watcher: has the daemon follow what changes in MongoDB, and refuse as a whole what it cannot use."""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, Recovery, StoreError
from ipecs_mw.service.lane import Lane
from ipecs_mw.store.connection import Store
from ipecs_mw.store.setup import Setup, read_setup, watch_setup

log = logs.get_logger()

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_JUDGE_AGAIN_SECONDS = 10.0


class Watcher:
    """Watches configuration, language strings, commands and codes; `run` is its thread.

    `apply` is called with documents that are not the `known` ones; what it raises refuses them, and the daemon
    goes on as before. `refused` says why, until documents are good again. What a secret that could not be read
    refused is tried again every 10 s, as the secret may be mended without the documents.
    """

    def __init__(
        self,
        store: Store,
        profile: str,
        known: Setup | None,
        apply: Callable[[Setup], None],
        lane: Lane,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self.refused: Mapping[str, Any] | None = None
        self._store = store
        self._profile = profile
        self._known = known
        self._judged: Setup | None = None
        self._judge_again_at = math.inf
        self._apply = apply
        self._lane = lane
        self._clock = clock
        self._stop = stop

    def run(self) -> None:
        """Watch until stopped: by change stream where there is one, else by looking every second."""
        while not self._stop.is_set():
            try:
                if self._store.has_change_streams:
                    self._follow()
                else:
                    self.look()
                    self._clock.wait(self._stop, _POLL_SECONDS)
            except StoreError as error:
                # nothing is resumed: whatever was missed, all of it is read again
                log.info("configuration.watch_interrupted", detail=logs.explain(error))
                self._clock.wait(self._stop, _RETRY_SECONDS)
            except IpecsMwError as error:
                log.error("configuration.watch_interrupted", detail=logs.explain(error))
                self._clock.wait(self._stop, _RETRY_SECONDS)

    def look(self) -> None:
        """Read the documents, and have them applied where they are new; raises StoreError or JournalError."""
        found = read_setup(self._store, self._profile)
        if found == self._known:
            self.refused, self._judged, self._judge_again_at = None, None, math.inf
            return
        if found == self._judged and not self._is_to_judge_again():
            return
        try:
            self._apply(found)
        except StoreError:
            raise
        except IpecsMwError as error:
            self._refuse(found, error)
            return
        self._known, self._judged, self.refused, self._judge_again_at = found, None, None, math.inf

    def _follow(self) -> None:
        """Look after each burst of changes: many of one edit are one change."""
        is_due = False
        for has_changed in watch_setup(self._store):
            if self._stop.is_set():
                return
            if has_changed:
                is_due = True
            elif is_due or self._is_to_judge_again():
                self.look()
                is_due = False

    def _refuse(self, found: Setup, error: IpecsMwError) -> None:
        reason = logs.explain(error)
        is_known = found == self._judged and self.refused is not None and self.refused["reason"] == reason
        self._judged = found
        can_be_mended = error.recovery is Recovery.LOOK_AGAIN
        self._judge_again_at = self._clock.monotonic() + _JUDGE_AGAIN_SECONDS if can_be_mended else math.inf
        if is_known:
            return
        facts: dict[str, Any] = {
            name: str(error.facts[name]) for name in ("document", "path", "allowed") if name in error.facts
        }
        self.refused = {**facts, "reason": reason, "at": self._clock.now()}
        self._lane.record("config.refused", "error", **facts, detail=reason)

    def _is_to_judge_again(self) -> bool:
        return self._clock.monotonic() >= self._judge_again_at
