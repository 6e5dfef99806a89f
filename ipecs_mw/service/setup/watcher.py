"""The watcher: has the daemon follow what changes in MongoDB, and refuse as a whole what it cannot use."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, StoreError, Unexpected
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.configuration.setup import Setup, read_setup
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_JUDGE_AGAIN_SECONDS = 10.0
_QUIET_SECONDS = 0.25
_LONGEST_BURST_SECONDS = 1.0


class Watcher:
    """Watches configuration, language strings, commands and codes; `run` is its thread.

    `apply` is called with documents that are not the `known` ones; what it raises refuses them, and the daemon
    goes on as before. What it returns is why a part could not follow, the rest being in use. `refused` says why,
    until documents are good again. They are tried again every 10 s, as what is amiss may be mended without them: a
    secret, a file of authorities, the disk, a port that another program has.
    """

    def __init__(
        self,
        store: Store,
        profile: str,
        known: Setup | None,
        apply: Callable[[Setup], IpecsMwError | None],
        intake: Intake,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self.refused: Mapping[str, Any] | None = None
        self._store = store
        self._profile = profile
        self._known = known
        self._judged: Setup | None = None
        self._judge_again_at = 0.0
        self._changed = threading.Event()
        self._apply = apply
        self._intake = intake
        self._clock = clock
        self._stop = stop

    def notice(self) -> None:
        """Have the documents looked at: they have changed, or may have."""
        self._changed.set()

    def run(self) -> None:
        """Watch until stopped: told of changes where MongoDB tells of them, else by looking every second."""
        while not self._stop.is_set():
            try:
                if self._is_due():
                    self.look()
            except StoreError as error:
                log.info("configuration.watch_interrupted", detail=logs.explain(error))
                self._look_again()
            except IpecsMwError as error:
                log.error("configuration.watch_interrupted", detail=logs.explain(error))
                self._look_again()

    def look(self) -> None:
        """Read the documents, and have them applied where they are new; raises StoreError or JournalError."""
        found = read_setup(self._store, self._profile)
        if found == self._known:
            self.refused, self._judged = None, None
            return
        if found == self._judged and self._clock.monotonic() < self._judge_again_at:
            return
        try:
            behind = self._apply(found)
        except StoreError:
            raise
        except IpecsMwError as error:
            self._refuse(found, error)
            return
        except Exception as error:  # a defect that documents bring out must not end the watching
            log.critical("thread.failed", thread="watch-setup", exc_info=True)
            self._refuse(found, Unexpected("error.unexpected", reason=type(error).__name__))
            return
        if behind is not None:
            self._known = None  # neither these documents nor the former ones are in use as they stand
            if self._note(found, behind) is not None:
                log.warning("configuration.behind", detail=logs.explain(behind))
            return
        if self.refused is not None:
            log.info("configuration.caught_up")
        self._known, self._judged, self.refused = found, None, None

    def _is_due(self) -> bool:
        """Wait a second at the most for a change, and for the end of a burst: many of one edit are one change."""
        if not self._store.has_change_streams:
            return not self._clock.wait(self._stop, _POLL_SECONDS)
        if not self._clock.wait(self._changed, _POLL_SECONDS):
            return self._is_to_judge_again()
        ends = self._clock.monotonic() + _LONGEST_BURST_SECONDS
        while self._changed.is_set() and self._clock.monotonic() < ends:
            self._changed.clear()
            self._clock.wait(self._changed, _QUIET_SECONDS)
        return True

    def _look_again(self) -> None:
        self._clock.wait(self._stop, _RETRY_SECONDS)
        self._changed.set()

    def _refuse(self, found: Setup, error: IpecsMwError) -> None:
        if isinstance(error, Unexpected):
            self._known = None  # how far it came nobody can tell
        facts = self._note(found, error)
        if facts is not None:
            self._intake.record("config.refused", "error", **facts, detail=logs.explain(error))

    def _note(self, found: Setup, error: IpecsMwError) -> Mapping[str, Any] | None:
        """Note what is amiss with documents, to be tried again; return its facts, None where it is known."""
        reason = logs.explain(error)
        is_known = found == self._judged and self.refused is not None and self.refused["reason"] == reason
        self._judged = found
        self._judge_again_at = self._clock.monotonic() + _JUDGE_AGAIN_SECONDS
        if is_known:
            return None
        facts: dict[str, Any] = {
            name: logs.say(error.facts[name])
            for name in ("document", "path", "allowed")
            if name in error.facts
        }
        revision = (found.config or {}).get("revision")
        self.refused = {**facts, "reason": reason, "revision": revision, "at": self._clock.now()}
        return facts

    def _is_to_judge_again(self) -> bool:
        return self._judged is not None and self._clock.monotonic() >= self._judge_again_at
