"""One session at a host with all that goes with it, from one change that asks for a new session to the next.

The next one begins when the former has logged out. That takes long where the host does not answer, and holds up
nothing but this host.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from ipecs_mw import logs
from ipecs_mw.errors import JournalError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.hosts.context import HostContext
from ipecs_mw.service.intake.documents import Decode
from ipecs_mw.service.intake.gaps import Moment
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.service.requests.executor import Executor
from ipecs_mw.service.requests.worker import RequestWorker
from ipecs_mw.service.session.call_records import RecordReader
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.leases import build_lease
from ipecs_mw.service.session.lost_calls import LostCalls
from ipecs_mw.service.session.maintenance import SessionMaintenance
from ipecs_mw.service.session.monitoring import Monitoring
from ipecs_mw.service.session.supervisor import SessionSupervisor
from ipecs_mw.service.session.watchdog import Watchdog
from ipecs_mw.service.setup.loading import Definitions
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()


class HostSession:
    """Session, maintenance and executor of a host, from `start` to `stop`; `threads` are those that were started.

    `read_password` is asked before each login; `names` are the hosts of whose requests this one is meant. Raises
    CertificateRefused for certificate files that cannot be used.
    """

    def __init__(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        names: Sequence[str | None],
        decode: Decode,
        intake: Intake,
        call_state: CallState,
        shared: HostContext,
    ) -> None:
        self.threads: list[threading.Thread] = []
        self.lease = build_lease(host)
        self._host = host
        self._intake = intake
        self._shared = shared
        self._call_state = call_state
        self._stop = threading.Event()
        context = build_context(host)
        self._client = HostClient(
            host,
            read_password,
            context,
            definitions.commands,
            definitions.codes,
            shared.state_dir / f"host-{host.name}.token",
            shared.clock,
            self.lease,
        )
        self.session = SessionSupervisor(
            host, self._client, context, intake, shared.clock, self._stop, self.lease, self._on_up
        )
        self.monitoring = Monitoring(host, self._client, self.session, intake, call_state)
        watchdog = Watchdog(host, self._client, self.session, call_state, shared.clock)
        self.maintenance = SessionMaintenance(
            host, self.session, self.monitoring, watchdog, shared.clock, self._stop
        )
        worker = RequestWorker(
            host,
            names,
            shared.profile,
            self.lease.name,
            self._client,
            shared.store,
            shared.decrypt,
            intake.counters,
            shared.clock,
            self.session.note,
        )
        self.executor = Executor(
            host,
            self.session,
            self._build_records(host, decode),
            LostCalls(host.name, intake, shared.store, shared.clock, self.maintenance.ask_states),
            worker,
            shared.store,
            shared.has_store,
            shared.clock,
            self._stop,
        )

    def start(self, former: Sequence[threading.Thread]) -> None:
        """Begin once the threads of the former one have ended; returns at once."""
        name = self._host.name
        self._shared.leases.reserve(self.lease)
        if former:
            self.session.follow("config.changed")
        try:
            self.threads.append(start_thread(f"session-{name}", partial(self._run, former)))
            self.threads.append(start_thread(f"maintenance-{name}", self.maintenance.run))
            self.threads.append(start_thread(f"executor-{name}", self.executor.run))
        except BaseException:  # such as no thread more to be had
            self.stop()
            if not self.threads:
                self._shared.leases.remove(self.lease)
            raise

    def change(
        self, host: HostSettings, definitions: Definitions, names: Sequence[str | None], decode: Decode | None
    ) -> None:
        """Go on with settings that need no new session; `decode` where frames are read otherwise from now on."""
        self._client.define(definitions.commands, definitions.codes)
        self.maintenance.change(host)
        self.executor.change(host, names, self._build_records(host, decode) if decode else None)

    def stop(self) -> None:
        """Have the session end, the maintenance and the executor finish; returns at once."""
        self._stop.set()
        self.lease.wakes.set()
        self.maintenance.wake()
        self.executor.on_request()

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def find_dead(self) -> list[str]:
        """Return the names of the threads that ended although nobody has asked them to."""
        ended = [thread.name for thread in self.threads if not thread.is_alive()]
        return (
            [] if self.is_stopped else ended
        )  # asked in this order: one that is stopped meanwhile is no loss

    def _run(self, former: Sequence[threading.Thread]) -> None:
        for thread in former:
            thread.join()  # also where stopped meanwhile: the next session waits for this one alone
        leases = self._shared.leases
        try:
            if not self._stop.is_set():
                self._warn()
                leases.add(self.lease, self._stop)
            self.session.run()
        finally:
            leases.remove(self.lease)

    def _warn(self) -> None:
        if self._host.tls.verify != "off":
            return
        try:
            self._intake.record("session.unverified", "warning")
        except JournalError as refused:
            log.error("journal.refused", host=self._host.name, detail=logs.explain(refused))

    def _on_up(self) -> None:
        # called by the session's own thread: the status is still that of this session, and nothing is read yet
        self._call_state.begin_session()
        since = self.session.status.since or self._shared.clock.now()
        self.maintenance.on_up(Moment(since, self._shared.clock.monotonic()))
        self.executor.on_up()

    def _build_records(self, host: HostSettings, decode: Decode) -> RecordReader:
        return RecordReader(host, self._client, decode, self._intake, self._shared.store, self._shared.clock)
