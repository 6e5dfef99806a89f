"""A shift at one host: session, attendant and executor, from one change that asks for a new session to the next.

The next shift begins when the former one has logged out. That takes long where the host does not answer, and holds
up nothing but this host.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from ipecs_mw import logs
from ipecs_mw.errors import JournalError
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.service.attendant import Attendant
from ipecs_mw.service.client import HostClient
from ipecs_mw.service.desk import RequestDesk
from ipecs_mw.service.documents import Decode
from ipecs_mw.service.executor import Executor
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.leases import build_lease
from ipecs_mw.service.lost_calls import LostCalls
from ipecs_mw.service.monitoring import Monitoring
from ipecs_mw.service.picture import Picture
from ipecs_mw.service.records import RecordReader
from ipecs_mw.service.session import SessionSupervisor
from ipecs_mw.service.surroundings import Definitions, Surroundings
from ipecs_mw.service.threads import start_thread
from ipecs_mw.service.uncovered import Moment
from ipecs_mw.service.watchdog import Watchdog
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()


class Shift:
    """One shift, from `start` until `stop`; `threads` are those that were started.

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
        lane: Lane,
        picture: Picture,
        around: Surroundings,
    ) -> None:
        self.threads: list[threading.Thread] = []
        self.lease = build_lease(host)
        self._host = host
        self._lane = lane
        self._around = around
        self._picture = picture
        self._stop = threading.Event()
        context = build_context(host)
        self._client = HostClient(
            host,
            read_password,
            context,
            definitions.commands,
            definitions.codes,
            around.state_dir / f"host-{host.name}.token",
            around.clock,
            self.lease,
        )
        self.session = SessionSupervisor(
            host, self._client, context, lane, around.clock, self._stop, self.lease, self._on_up
        )
        self.monitoring = Monitoring(host, self._client, self.session, lane, picture)
        watchdog = Watchdog(host, self._client, self.session, picture, around.clock)
        self.attendant = Attendant(host, self.session, self.monitoring, watchdog, around.clock, self._stop)
        desk = RequestDesk(
            host,
            names,
            around.profile,
            self.lease.name,
            self._client,
            around.store,
            around.decrypt,
            lane.counters,
            around.clock,
            self.session.note,
        )
        self.executor = Executor(
            host,
            self.session,
            self._build_records(host, decode),
            LostCalls(host.name, lane, around.store, around.clock, self.attendant.ask_states),
            desk,
            around.store,
            around.has_store,
            around.clock,
            self._stop,
        )

    def start(self, former: Sequence[threading.Thread]) -> None:
        """Begin once the threads of the former shift have ended; returns at once."""
        name = self._host.name
        self._around.leases.reserve(self.lease)
        if former:
            self.session.follow("config.changed")
        try:
            self.threads.append(start_thread(f"session-{name}", partial(self._run, former)))
            self.threads.append(start_thread(f"attendant-{name}", self.attendant.run))
            self.threads.append(start_thread(f"executor-{name}", self.executor.run))
        except BaseException:  # such as no thread more to be had
            self.stop()
            if not self.threads:
                self._around.leases.remove(self.lease)
            raise

    def change(
        self, host: HostSettings, definitions: Definitions, names: Sequence[str | None], decode: Decode | None
    ) -> None:
        """Go on with settings that need no new session; `decode` where frames are read otherwise from now on."""
        self._client.define(definitions.commands, definitions.codes)
        self.attendant.change(host)
        self.executor.change(host, names, self._build_records(host, decode) if decode else None)

    def stop(self) -> None:
        """Have the session end, the attendant and the executor finish; returns at once."""
        self._stop.set()
        self.lease.wakes.set()
        self.attendant.wake()
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
            thread.join()  # also where stopped meanwhile: the next shift waits for this one alone
        leases = self._around.leases
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
            self._lane.record("session.unverified", "warning")
        except JournalError as refused:
            log.error("journal.refused", host=self._host.name, detail=logs.explain(refused))

    def _on_up(self) -> None:
        # called by the session's own thread: the status is still that of this session, and nothing is read yet
        self._picture.begin_session()
        since = self.session.status.since or self._around.clock.now()
        self.attendant.on_up(Moment(since, self._around.clock.monotonic()))
        self.executor.on_up()

    def _build_records(self, host: HostSettings, decode: Decode) -> RecordReader:
        return RecordReader(host, self._client, decode, self._lane, self._around.store, self._around.clock)
