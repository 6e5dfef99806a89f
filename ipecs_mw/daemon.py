"""The composition root: the only module that builds everything. Start order, threads, way out, exit codes."""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ipecs_mw import __version__, logs
from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.calls.steps.options import find_reading_options
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart, IpecsMwError, JournalError
from ipecs_mw.model.numbering.masking import build_masks
from ipecs_mw.model.texts import Texts
from ipecs_mw.service.health.health import HealthPort, Vitals
from ipecs_mw.service.health.heartbeat import Heartbeat
from ipecs_mw.service.health.watch import Watch
from ipecs_mw.service.hosts.context import HostContext
from ipecs_mw.service.hosts.fleet import Fleet
from ipecs_mw.service.intake.documents import read_arrival
from ipecs_mw.service.intake.former_hosts import FormerHosts
from ipecs_mw.service.intake.listeners import Listener, Listeners
from ipecs_mw.service.intake.own_records import journal_errors_logged, keep_undecoded
from ipecs_mw.service.intake.pipeline import Pipeline, describe_intake, open_intake
from ipecs_mw.service.process.garbage import search_seldom
from ipecs_mw.service.process.identity import load_identity
from ipecs_mw.service.process.notify import notify
from ipecs_mw.service.process.state_dir import lock_state_dir
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.service.process.threads import LastingThreads, start_thread
from ipecs_mw.service.process.turns import WatchedClock
from ipecs_mw.service.readers.call_reader import CallReader
from ipecs_mw.service.readers.figure_maker import FigureMaker
from ipecs_mw.service.readers.group_watch import GroupWatch
from ipecs_mw.service.readers.name_filler import fill_names
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.reports.tasks import build_tasks
from ipecs_mw.service.session.credentials import find_key_file
from ipecs_mw.service.session.leases import LeaseKeeper
from ipecs_mw.service.setup.change_feed import ChangeFeed
from ipecs_mw.service.setup.loading import Loaded, build_loaded, count_change, keep_setup, record_changes
from ipecs_mw.service.setup.schema import SchemaKeeper
from ipecs_mw.service.setup.start import Beginning, await_store, begin, find_spoken, set_up_logs, speak
from ipecs_mw.service.setup.watcher import Watcher
from ipecs_mw.service.webhooks.sender import Sender
from ipecs_mw.store.configuration.encryption import Vault
from ipecs_mw.store.configuration.setup import Setup
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.schema.retention import read_retention

log = logs.get_logger()

# what the way out has come to by when, counted from the request: whoever is early leaves time to those behind
_LOGGED_OUT_SECONDS = 4.0
_DRAINED_SECONDS = 6.0
_LISTENED_SECONDS = 6.5
_SAID_SECONDS = 7.2
_CLOSED_SECONDS = 8.2
_LAST_LINES_SECONDS = 0.5


def run(
    bootstrap_option: str | None,
    profile: str,
    state_dir: Path,
    texts: Texts,
    clock: Clock,
    listeners: Sequence[Listener] = (),
) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once.

    `listeners` are called with each event, as `service/intake/listeners.py` says. Raises CannotStart for what a
    person must mend first. While MongoDB is away it starts with what it last found there, else it waits.
    """
    watched = WatchedClock(clock)
    stop, over = Stop(watched), threading.Event()
    stop.attend_signals(logs.reopen)
    logs.configure(texts)
    stop.enforce(over)
    try:
        _run(bootstrap_option, profile, state_dir, watched, stop, listeners)
    finally:
        stop.ask()
        logs.flush(_LAST_LINES_SECONDS)
        over.set()


def _run(
    bootstrap_option: str | None,
    profile: str,
    state_dir: Path,
    clock: WatchedClock,
    stop: Stop,
    listeners: Sequence[Listener],
) -> None:
    watch = Watch(clock, stop.event)
    threads = LastingThreads(clock)
    threads.start("watch", watch.run, stop.event)
    bootstrap = load_bootstrap(find_bootstrap(bootstrap_option))
    log.info("start.bootstrap", file=str(bootstrap.path), version=__version__)
    held = lock_state_dir(state_dir)
    beginning = begin(bootstrap, profile, state_dir, clock, stop)
    if beginning is None:
        return
    store = beginning.store
    search_seldom()
    try:
        try:
            daemon = Daemon(beginning, profile, state_dir, clock, stop, watch, threads, listeners)
        except JournalError as error:
            raise CannotStart(error.key, **error.facts) from error
        daemon.run()
    finally:
        # closing tells the server goodbye, and a server that hangs must not hold us
        stop.ask()
        start_thread("close-store", store.close).join(stop.seconds_left(_CLOSED_SECONDS))
        os.close(held)


class Daemon:
    """All hosts of one profile, from `run` until `stop` is set."""

    def __init__(
        self,
        beginning: Beginning,
        profile: str,
        state_dir: Path,
        clock: Clock,
        stop: Stop,
        watch: Watch,
        threads: LastingThreads,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._store = beginning.store
        self._loaded = beginning.loaded
        self._setup = beginning.setup
        self._applied = None if beginning.is_recalled else beginning.setup
        self._spoken = find_spoken(beginning.loaded, beginning.setup)
        self._readers: Sequence[threading.Thread] = ()
        self._is_recalled = beginning.is_recalled
        self._recalled_at = clock.now() if beginning.is_recalled else None
        self._profile = profile
        self._state_dir = state_dir
        self._clock = clock
        self._stopping = stop
        self._stop = stop.event
        self._started_at = clock.now()
        self._id = load_identity(state_dir)
        self._has_store = threading.Event()
        self._events = EventLog(self._store, build_masks(self._loaded.settings))
        self._watch_inside = watch
        self._threads = threads
        self._listeners = Listeners(listeners)
        self._intake = open_intake("middleware", None, state_dir, clock)
        self._own = Pipeline(self._intake, keep_undecoded, self._events, clock)
        self._listeners.attend(self._intake, lambda arrival: read_arrival(arrival, keep_undecoded))
        holder = f"{socket.gethostname()}:{state_dir.absolute()}"
        self._keeper = LeaseKeeper(self._store, self._id, clock, self._stop, holder)
        journal_bytes = self._loaded.settings.journal.max_mebibytes * 1024 * 1024
        self._orphans = FormerHosts(state_dir, self._events, clock, journal_bytes)
        shared = HostContext(
            self._store,
            self._events,
            self._has_store,
            self._keeper,
            self._listeners,
            state_dir,
            clock,
            journal_bytes,
            Vault(self._store, find_key_file(state_dir)).decrypt,
            self._orphans,
            profile,
        )
        self._fleet = Fleet(profile, shared, self._stop)
        known = None if self._is_recalled else self._setup
        self._watcher = Watcher(self._store, profile, known, self._apply, self._intake, clock, self._stop)
        self._schema = SchemaKeeper(
            self._store, profile, lambda: read_retention(self._loaded.settings), clock, self._stop
        )
        self._options = find_reading_options(self._loaded.settings)
        self._has_drained = threading.Event()
        self._reader = CallReader(
            self._store, self._id, lambda: self._options, clock, self._has_drained, self._events.news
        )
        self._figures = FigureMaker(self._store, self._id, lambda: self._loaded.settings, clock, self._stop)
        self._groups = GroupWatch(self._store, lambda: self._loaded.settings, clock, self._stop)
        context = Context(
            self._store, profile, self._id, self._speak, shared.decrypt, self._intake, clock, stop.event
        )
        self._sender = Sender(context)
        self._tasks = {**build_tasks(context), "webhooks": self._sender.run}
        self._changes = ChangeFeed(
            self._store,
            self._watcher.notice,
            self._fleet.on_request,
            self._fleet.on_any_request,
            clock,
            self._stop,
        )
        self._heartbeat = Heartbeat(
            self._store, self._id, self._describe, self._find_dead, self._summarise, self._has_store, clock
        )
        self._health = HealthPort(self._build_vitals(), clock)

    def run(self) -> None:
        """Start every host, keep the heartbeat going, and stop in order: read no more, log out, flush.

        Raises CannotStart, with whatever had begun stopped again.
        """
        try:
            self._start()
        except IpecsMwError as error:
            self._stopping.ask(CannotStart.exit_code)
            self._fleet.end(self._stopping.at(_LOGGED_OUT_SECONDS))
            raise CannotStart(error.key, **error.facts) from error
        heartbeat = self._threads.start("heartbeat", self._heartbeat.run, self._heartbeat.is_ending)
        notify(READY=1)
        while not self._clock.wait(self._stop, None):
            pass
        log.info("daemon.stopping")
        notify(STOPPING=1)
        waiting = self._finish()
        self._heartbeat.end()
        heartbeat.join(self._stopping.seconds_left(_SAID_SECONDS))
        log.info("daemon.stopped", waiting=waiting)

    def _start(self) -> None:
        settings = self._loaded.settings
        self._health.change(settings.health)
        self._fleet.check(self._loaded)
        with journal_errors_logged():
            self._intake.record(
                "daemon.started",
                version=__version__,
                revision=self._loaded.revision,
                hosts=len(settings.hosts),
            )
        self._orphans.adopt(
            {host.name for host in settings.hosts}, self._loaded.definitions.codes, self._intake
        )
        if not self._is_recalled:
            self._use_store()
        self._threads.start("leases", self._keeper.run, self._stop)
        self._fleet.apply(self._loaded)
        # only now: what has changed meanwhile comes after what was loaded
        if self._is_recalled:
            self._threads.start("await-mongodb", self._await_mongodb, self._stop)
        else:
            self._watch()

    def _use_store(self) -> None:
        """Use MongoDB from now on: it is there, and its schema is ours."""
        self._has_store.set()
        self._threads.start("keep-schema", self._schema.run, self._stop)
        self._own.start()
        self._fleet.start_forwarding()
        self._readers = (
            self._threads.start("read-calls", self._reader.run, self._has_drained),
            self._threads.start("count-figures", self._figures.run, self._stop),
            self._threads.start("watch-groups", self._groups.run, self._stop),
            self._threads.start("fill-names", self._fill_names, self._stop),
            *(self._threads.start(name, run, self._stop) for name, run in self._tasks.items()),
        )

    def _fill_names(self) -> None:
        fill_names(self._store, lambda: self._reader.describe() is not None, self._clock, self._stop)

    def _watch(self) -> None:
        """Follow what changes in MongoDB from now on."""
        self._threads.start("watch-setup", self._watcher.run, self._stop)
        self._threads.start("changes", self._changes.run, self._stop)
        self._threads.start("requests", self._fleet.sweeper.run, self._stop)

    def _await_mongodb(self) -> None:
        """Wait for MongoDB after a start without it; then go on as if it had been there."""
        if await_store(self._store, self._clock, self._stop):
            self._use_store()
            self._watch()

    def _apply(self, setup: Setup) -> IpecsMwError | None:
        """Go on with other documents; raises what refuses them, nothing being changed then.

        Returns why a part could not follow: what concerns this process alone holds up no host.
        """
        if setup != self._applied:
            self._change(setup)
        problems = []
        for follow in (self._set_up_logs, lambda: self._health.change(self._loaded.settings.health)):
            try:
                follow()
            except CannotStart as error:
                problems.append(error)
        return problems[0] if problems else None

    def _change(self, setup: Setup) -> None:
        loaded = build_loaded(setup, self._profile)
        self._fleet.check(loaded)
        self._applied = None  # a defect in the middle of it leaves nothing sure
        self._fleet.apply(loaded, partial(self._agree, loaded))
        setup = count_change(self._store, self._profile, setup, self._setup, self._clock.now())
        record_changes(self._intake, self._setup, setup)
        self._setup = self._applied = setup
        self._is_recalled = False
        keep_setup(setup, self._profile, self._state_dir)

    def _set_up_logs(self) -> None:
        """Speak as the documents say where that has changed."""
        wanted = find_spoken(self._loaded, self._setup)
        if wanted != self._spoken:
            set_up_logs(self._loaded)
            speak(self._loaded, self._profile)
            self._spoken = wanted

    def _agree(self, loaded: Loaded) -> None:
        """Go on with the new documents: nothing refuses them any more."""
        former = self._loaded.settings
        self._loaded = loaded
        self._events.masks = build_masks(loaded.settings)
        self._options = find_reading_options(loaded.settings)
        if read_retention(former) != read_retention(loaded.settings):
            start_thread("keep-documents", self._schema.set_retention)

    def _finish(self) -> int:
        """Wait for the logouts, then flush; return how many entries stay in the journals for next time."""
        stopping = self._stopping
        self._fleet.end(stopping.at(_LOGGED_OUT_SECONDS))
        with journal_errors_logged():
            self._intake.record("daemon.ended")
        waiting = self._fleet.drain(stopping.at(_DRAINED_SECONDS))
        waiting += self._own.drain(stopping.seconds_left(_DRAINED_SECONDS))
        self._has_drained.set()
        self._events.news.is_there.set()
        self._listeners.close(partial(stopping.seconds_left, _LISTENED_SECONDS))
        for thread in self._readers:
            thread.join(stopping.seconds_left(_LISTENED_SECONDS))
        return waiting

    def _speak(self) -> Spoken:
        return Spoken(self._loaded.settings, self._loaded.texts)

    def _describe(self, state: str) -> dict[str, Any]:
        return {
            "profile": self._profile,
            "state": state,
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
            "state_dir": str(self._state_dir.absolute()),
            "version": __version__,
            "started_at": self._started_at,
            "revision": self._loaded.revision,
            "is_recalled": self._is_recalled or None,
            "recalled_at": self._recalled_at,
            "refused": self._watcher.refused,
            "amiss": self._watch_inside.find_amiss() or None,
            "hosts": {name: runner.describe() for name, runner in self._fleet.hosts.items()},
            "former_hosts": {
                name: told
                for name, forwarding in self._fleet.former.items()
                if (told := describe_intake(forwarding.intake))["journal"]["entries"]
            },
            "middleware": describe_intake(self._intake),
            "reader": self._reader.describe(),
            "figures": self._figures.describe(),
            "webhooks": self._sender.describe(),
        }

    def _build_vitals(self) -> Vitals:
        return Vitals(
            lambda: self._describe("stopping" if self._stop.is_set() else "running"),
            self._find_dead,
            lambda: self._heartbeat.is_stored,
            lambda: {
                "": self._intake.counters,
                **{name: runner.forwarding.intake.counters for name, runner in self._fleet.hosts.items()},
            },
            lambda: [] if self._stop.is_set() else self._watch_inside.find_hung(),
            self._groups.describe,
        )

    def _find_dead(self) -> list[str]:
        """Return the names of threads that ended or hang although nobody has asked them to stop."""
        if self._stop.is_set():
            return []
        dead = [name for runner in self._fleet.hosts.values() for name in runner.find_dead()]
        dead += self._own.find_dead() + self._threads.find_dead()
        return dead if self._heartbeat.is_beating else [*dead, "heartbeat"]

    def _summarise(self, document: Mapping[str, Any]) -> str:
        hosts = document["hosts"].values()
        up = sum(host["state"] == "up" for host in hosts)
        waiting = sum(host["journal"]["entries"] for host in hosts)
        return self._loaded.texts.render("notify.status", up=up, hosts=len(hosts), waiting=waiting)
