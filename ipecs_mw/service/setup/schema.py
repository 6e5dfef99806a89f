"""Having the database as the schema says while the daemon runs: somebody may drop or restore a collection."""

import threading
from collections.abc import Callable
from functools import partial

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.service.setup.retention import keep_as_configured
from ipecs_mw.store.schema.comparison import Outcome, describe_differences, put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import Retention, find_differences
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_LOOK_SECONDS = 60.0


class SchemaKeeper:
    """Looks at what is really there when it begins and once a minute, and puts it right; `run` is its thread.

    At first everything; later only what is missing, for a daemon of another version may say otherwise of the rest.
    What cannot be put right is told once. `read` says how long documents are to be kept.
    """

    def __init__(
        self,
        store: Store,
        profile: str,
        read: Callable[[], Retention],
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._profile = profile
        self._read = read
        self._clock = clock
        self._stop = stop
        self._keeping = threading.Lock()
        self._is_begun = False
        self._told = ""

    def set_retention(self) -> None:
        """Have documents kept as configured, whenever that has changed; building an index may take long."""
        with self._keeping:
            keep_as_configured(self._store, self._profile, self._read, self._clock, self._stop)

    def run(self) -> None:
        """Have documents kept as configured, then look until stopped."""
        self.set_retention()
        while not self._stop.is_set():
            try:
                self.look()
            except IpecsMwError as error:
                if not self._stop.is_set():
                    self._tell("schema.not_compared", detail=logs.explain(error))
            self._clock.wait(self._stop, _LOOK_SECONDS)

    def look(self) -> None:
        """Look once. Raises StoreError; CannotStart where the schema is of a newer version by now."""
        migrate(self._store, self._clock, stop=self._stop)
        find = partial(find_differences, profile=self._profile, retention=self._read())
        outcome = put_right(self._store, self._clock, find, stop=self._stop, only_missing=self._is_begun)
        self._report(outcome)
        self._is_begun = True

    def _report(self, outcome: Outcome) -> None:
        if outcome.mended:
            # a new version brings validators of its own; nobody has done anything to the others
            level = log.info if {mended.part for mended in outcome.mended} == {"validator"} else log.warning
            level("schema.mended", parts=describe_differences(outcome.mended))
        if outcome.left:
            self._tell("schema.left", parts=describe_differences(outcome.left), detail=outcome.reason)
        else:
            self._told = ""

    def _tell(self, event: str, **facts: str) -> None:
        """Log what is amiss, once while it repeats; the reason for the same parts may be worded anew each time."""
        told = event + facts.get("parts", facts["detail"])
        if told != self._told:
            log.warning(event, **facts)
        self._told = told
