"""The executor of one host: commands and call records, which need MongoDB beside the host."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalError, SessionError, StoreError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.requests.worker import RequestWorker
from ipecs_mw.service.session.call_records import RecordReader
from ipecs_mw.service.session.lost_calls import LostCalls
from ipecs_mw.service.session.supervisor import SessionSupervisor
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_TICK_SECONDS = 0.5
_UNWOKEN_SECONDS = 5.0  # the change stream wakes; this is for what it may have missed
_AWAY_SECONDS = 2.0  # a MongoDB that did not answer is left alone for so long
_AFTER_DEFECT_SECONDS = 5.0
_READ_AGAIN_SECONDS = 10.0  # a host that leaves numbers out all the time has its call records read so often


class Executor:
    """Reads call records and looks for lost calls each time the session is up, and carries out commands.

    It finds out what became of those whose reply was lost, also while the session is down. `run` is its thread.
    The store is left alone until `has_store` is set.
    """

    def __init__(
        self,
        host: HostSettings,
        session: SessionSupervisor,
        records: RecordReader,
        lost_calls: LostCalls,
        worker: RequestWorker,
        store: Store,
        has_store: threading.Event,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._host = host
        self._worker = worker
        self._session = session
        self._records = records
        self._lost_calls = lost_calls
        self._store = store
        self._has_store = has_store
        self._clock = clock
        self._stop = stop
        self._wake = threading.Event()
        self._due: deque[str] = deque()
        self._must_give_up = False
        self._has_gap = False
        self._read_again_at = 0.0
        self._look_at = 0.0
        self._store_again_at = 0.0

    def on_up(self) -> None:
        """Have the call records read, and what a dead daemon had claimed given up: the session is up."""
        self._tell("session_up")

    def on_gap(self) -> None:
        """Have the call records read: events are missing."""
        self._tell("gap")

    def on_request(self) -> None:
        """Have the queue looked at now rather than at the next tick; a stop too."""
        self._wake.set()

    def change(self, host: HostSettings, names: Sequence[str | None], records: RecordReader | None) -> None:
        """Go on with settings that need no new session, and with another reader of records where there is one."""
        self._host = host
        self._worker.change(host, names)
        if records is not None:
            self._records = records
            self._tell("records")
        self._wake.set()

    def _tell(self, what: str) -> None:
        self._due.append(what)
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop.is_set():
            self._clock.wait(self._wake, _TICK_SECONDS)
            if self._wake.is_set():  # also where that came after the wait had ended
                self._wake.clear()
                self._look_at = 0.0
            try:
                self._step()
            except JournalError as error:
                log.debug("executor waits", host=self._host.name, error=str(error))
                self._clock.wait(self._stop, _TICK_SECONDS)
            except Exception:  # a defect must not leave the host's requests alone
                log.critical("thread.failed", thread=f"executor-{self._host.name}", exc_info=True)
                self._clock.wait(self._stop, _AFTER_DEFECT_SECONDS)

    def _step(self) -> None:
        self._begin_what_is_due()
        while self._is_up() and not self._due and self._use_store(self._look):
            pass
        while self._is_up() and not self._wake.is_set() and self._use_store(self._read_records):
            pass
        self._use_store(self._lost_calls.step)
        self._use_store(self._resolve)

    def _use_store(self, work: Callable[[], bool]) -> bool:
        """Do work that needs MongoDB, unless that is away; tell what the work told, else False."""
        if not self._has_store.is_set() or self._clock.monotonic() < self._store_again_at:
            return False
        try:
            return work()
        except StoreError as error:
            log.debug("executor waits for MongoDB", host=self._host.name, error=str(error))
            self._store_again_at = self._clock.monotonic() + _AWAY_SECONDS
            return False

    def _look(self) -> bool:
        """Look at the queue where that is due: woken by a change stream, now and then also without."""
        if self._clock.monotonic() < self._look_at:
            return False
        if self._worker.serve():
            return True
        pause = _UNWOKEN_SECONDS if self._store.has_change_streams else _TICK_SECONDS
        self._look_at = self._clock.monotonic() + pause
        return False

    def _resolve(self) -> bool:
        self._worker.resolve()
        return False

    def _give_up(self) -> bool:
        self._worker.give_up()
        self._must_give_up = False
        return False

    def _begin_what_is_due(self) -> None:
        due = {self._due.popleft() for _ in range(len(self._due))}
        self._must_give_up |= "session_up" in due
        self._has_gap |= "gap" in due
        now = self._clock.monotonic()
        if due & {"session_up", "records"} or (self._has_gap and now >= self._read_again_at):
            self._records.begin()
            self._has_gap, self._read_again_at = False, now + _READ_AGAIN_SECONDS
        if "session_up" in due:
            self._lost_calls.begin()
        if self._must_give_up:
            # the account is ours, and this thread is not carrying anything out: a dead daemon was
            self._use_store(self._give_up)

    def _is_up(self) -> bool:
        return self._session.is_up and not self._stop.is_set()

    def _read_records(self) -> bool:
        """Read call records, a page at the most: requests come first. Tell whether there is more to read."""
        drop = self._session.note()
        try:
            return self._records.step()
        except SessionError as error:
            drop(error)
            return False
