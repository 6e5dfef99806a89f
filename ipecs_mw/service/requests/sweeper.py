"""The sweeper of a daemon: ends the requests that wait in vain, and says why; whoever they are for."""

import threading
from collections.abc import Callable, Collection, Mapping

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, StoreError, StoreRefused
from ipecs_mw.model.definitions import Command
from ipecs_mw.service.requests.endings import describe_error, find_secret_names
from ipecs_mw.store.coordination.requests import Secrets, expire_requests
from ipecs_mw.store.coordination.unserved import (
    Addressees,
    Row,
    find_unserved,
    has_unserved,
    read_addressees,
    refuse_request,
)
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 0.2  # however many requests come, they are looked at so seldom
_AFTER_DEFECT_SECONDS = 5.0


class RequestSweeper:
    """Sweeps every two seconds, and at once when told of a request that no host of this daemon takes.

    `read_hosts` returns the names of those, all of `profile`. `run` is its thread.
    """

    def __init__(
        self,
        profile: str,
        read_hosts: Callable[[], Collection[str]],
        store: Store,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self.commands: Mapping[str, Command] = {}
        self._profile = profile
        self._read_hosts = read_hosts
        self._store = store
        self._clock = clock
        self._stop = stop
        self._wake = threading.Event()
        self._problem: str | None = None

    def notice(self) -> None:
        """Have the queue swept now rather than at the next look; a stop too."""
        self._wake.set()

    def run(self) -> None:
        """Sweep until stopped."""
        while not self._stop.is_set():
            self._clock.wait(self._wake, _LOOK_SECONDS)
            self._wake.clear()
            try:
                self.sweep()
            except StoreError as error:
                log.debug("sweeper waits for MongoDB", error=str(error))
            except Exception:  # a defect must not leave the queue alone
                log.critical("thread.failed", thread="requests", exc_info=True)
                self._clock.wait(self._stop, _AFTER_DEFECT_SECONDS)
            self._clock.wait(self._stop, _PAUSE_SECONDS)

    def sweep(self) -> None:
        """End what has expired, and refuse what nobody will take. Raises StoreError."""
        if not has_unserved(self._store):
            return
        names = find_secret_names(self.commands)
        known = read_addressees(self._store)
        ours = known.get(self._profile, frozenset()) | frozenset(self._read_hosts())
        known = {**known, self._profile: ours}
        for row, fault in find_unserved(self._store, known):
            self._refuse(row, fault, known, names)
        expire_requests(self._store, names)

    def _refuse(self, row: Row, fault: CommandRefused, known: Addressees, names: Secrets) -> None:
        try:
            if not refuse_request(self._store, row, known, names, describe_error(fault)):
                return
        except StoreRefused as error:  # that one alone: the others are not held up by it
            problem = logs.explain(error)
            if problem != self._problem:
                log.warning("request.left", detail=problem)
            self._problem = problem
            return
        log.warning(
            "request.failed",
            host=str(row.get("host", "-")),
            command=str(row.get("command", "-")),
            state="failed",
            detail=logs.explain(fault),
        )
