"""The composition root: the only module that builds everything. Start order, threads, signals, exit codes."""

import os
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from ipecs_mw import __version__, logs
from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    CannotStart,
    CertificateRefused,
    IpecsMwError,
    JournalError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.event import Event
from ipecs_mw.model.settings import Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.protocol.events import build_undecodable
from ipecs_mw.service.credentials import read_secret
from ipecs_mw.service.health import HealthServer, Vitals
from ipecs_mw.service.host import ForwardingLane, HostRunner, describe_lane, open_lane, start_thread
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.notify import notify
from ipecs_mw.service.state_dir import lock_state_dir
from ipecs_mw.store.connection import Store, connect
from ipecs_mw.store.definitions import load_codes, load_commands
from ipecs_mw.store.event_log import EventLog
from ipecs_mw.store.instances import save_instance
from ipecs_mw.store.migrations import migrate
from ipecs_mw.store.requests import watch_requests
from ipecs_mw.store.settings import load_settings
from ipecs_mw.store.texts import load_texts

log = logs.get_logger()

_HEARTBEAT_SECONDS = 1.0
_LONGEST_BEAT_SECONDS = 20.0  # after which the heartbeat is taken for stuck
_STOP_SECONDS = 3.0  # for the hosts to log out, then again for the journals to drain: 10 s in all
_GOODBYE_SECONDS = 1.5
_SAME_SIGNAL_SECONDS = 0.1  # who ends a whole process group, as `timeout` does, signals each process twice
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Loaded:
    """What MongoDB says before the first connection."""

    settings: Settings
    revision: int
    texts: Texts
    commands: Mapping[str, Command]
    codes: Codes


def run(bootstrap_option: str | None, profile: str, state_dir: Path, texts: Texts, clock: Clock) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises CannotStart for what a person must mend first. While MongoDB is away it waits, however long.
    """
    stop = threading.Event()
    _install_signals(stop, clock)
    logs.configure(texts)
    bootstrap = load_bootstrap(find_bootstrap(bootstrap_option))
    log.info("start.bootstrap", file=str(bootstrap.path), version=__version__)
    held = lock_state_dir(state_dir)
    store = _wait_for_mongodb(lambda: connect(bootstrap, clock), clock, stop)
    if store is None:
        return
    try:
        log.info("start.mongodb", server=store.server_version, database=store.database.name)
        loaded = load(store, profile, clock)
        Daemon(store, loaded, profile, state_dir, clock, stop).run()
    finally:
        # closing tells the server goodbye, and a server that hangs must not hold us
        start_thread("close-store", store.close).join(_GOODBYE_SECONDS)
        os.close(held)


def load(store: Store, profile: str, clock: Clock) -> Loaded:
    """Load what the daemon needs, in the start order, with one line a step.

    Raises CannotStart (InvalidDocument with document and field) for the first that fails.
    """
    applied = migrate(store, clock)
    log.info("start.schema", applied=len(applied))
    settings, revision = load_settings(store, profile)
    log.info("start.configuration", profile=profile, revision=revision, hosts=len(settings.hosts))
    texts, problems = load_texts(store, settings.locale)
    for locale, key, difference in problems:
        log.warning("languages.text_refused", locale=locale, key=key, difference=difference)
    log.info("start.languages", locale=settings.locale, refused=len(problems))
    commands, codes = load_commands(store), load_codes(store)
    log.info("start.definitions", commands=len(commands), tables=len(codes.tables))
    logging = settings.logging
    logs.configure(texts, level=logging.level, form=logging.format, file=logging.file)
    log.info("start.logging", threshold=logging.level, format=logging.format, file=logging.file or "-")
    return Loaded(settings, revision, texts, commands, codes)


class Daemon:
    """All hosts of one profile, from `run` until `stop` is set."""

    def __init__(
        self,
        store: Store,
        loaded: Loaded,
        profile: str,
        state_dir: Path,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._loaded = loaded
        self._profile = profile
        self._state_dir = state_dir
        self._clock = clock
        self._stop = stop
        self._events = EventLog(store)
        self._started_at = clock.now()
        self._id = f"{socket.gethostname()}:{state_dir.absolute()}"
        self._hosts: list[HostRunner] = []
        self._is_stored = False
        self._beat_at = clock.monotonic()

    def run(self) -> None:
        """Start every host, keep the heartbeat going, and stop in order: read no more, log out, flush.

        Raises CannotStart, with whatever had begun stopped again.
        """
        try:
            own, own_forwarding = self._start()
        except (JournalError, CertificateRefused) as error:
            self._stop.set()
            for host in self._hosts:
                host.join(_STOP_SECONDS)
            raise CannotStart(error.key, **error.facts) from error
        beating = threading.Event()
        heartbeat = start_thread("heartbeat", lambda: self._beat(own_forwarding, beating))
        notify(READY=1)
        while not self._clock.wait(self._stop, None):
            pass
        log.info("daemon.stopping")
        notify(STOPPING=1)
        waiting = self._finish(own_forwarding, own)
        beating.set()
        heartbeat.join(1.0)
        log.info("daemon.stopped", waiting=waiting)

    def _start(self) -> tuple[Lane, ForwardingLane]:
        """Start the middleware's own lane and every host's."""
        settings = self._loaded.settings
        passwords = [
            read_secret(host.password, f"config/{self._profile} hosts[{index}].password", host.name)
            for index, host in enumerate(settings.hosts)
        ]
        self._keep_events_for(settings.events.retention_days)
        health = self._open_health() if settings.health.port is not None else None
        own = open_lane("middleware", None, self._state_dir, self._clock)
        own_forwarding = self._own = ForwardingLane(own, _keep_undecoded, self._events, self._clock)
        own.record(
            "daemon.started", version=__version__, revision=self._loaded.revision, hosts=len(settings.hosts)
        )
        for host, password in zip(settings.hosts, passwords, strict=True):
            log.info(
                "start.host", host=host.name, uri=f"https://{host.address}:{host.port}/ipxapi", user=host.user
            )
            self._hosts.append(
                HostRunner(
                    host,
                    password,
                    self._loaded.commands,
                    self._loaded.codes,
                    self._store,
                    self._state_dir,
                    self._clock,
                    self._stop,
                    is_only=len(settings.hosts) == 1,
                )
            )
        if health is not None:
            start_thread("health", health.serve_forever)
        if self._store.has_change_streams:
            start_thread("watch-requests", self._watch_requests)
        return own, own_forwarding

    def _finish(self, own_forwarding: ForwardingLane, own: Lane) -> int:
        """Wait for the logouts, then flush; return how many entries stay in the journals for next time."""
        until = self._clock.monotonic() + _STOP_SECONDS
        for host in self._hosts:
            host.join(max(0.0, until - self._clock.monotonic()))
        own.record("daemon.ended")
        until = self._clock.monotonic() + _STOP_SECONDS
        waiting = sum(
            forwarding.drain(max(0.0, until - self._clock.monotonic()))
            for forwarding in (*(host.forwarding for host in self._hosts), own_forwarding)
        )
        self._save(self._describe("stopped", own_forwarding))
        return waiting

    def _watch_requests(self) -> None:
        """Wake the executor that a new request is for; without change streams each looks by itself."""
        while not self._stop.is_set():
            try:
                for host in watch_requests(self._store):
                    if self._stop.is_set():
                        return
                    for runner in self._hosts:
                        if host in runner.names:
                            runner.executor.on_request()
            except StoreError as error:
                log.debug("watching requests was interrupted", error=str(error))
                self._clock.wait(self._stop, _FIRST_RETRY_SECONDS)

    def _keep_events_for(self, days: int | None) -> None:
        try:
            self._events.keep_for(days)
        except StoreRefused as error:
            log.warning("events.retention_refused", days=days, detail=logs.explain(error))

    def _beat(self, own: ForwardingLane, beating: threading.Event) -> None:
        is_ending = False
        while not is_ending:
            document = self._describe("running", own)
            self._is_stored = self._save(document)
            self._beat_at = self._clock.monotonic()
            self._tell_systemd(document)
            is_ending = self._clock.wait(beating, _HEARTBEAT_SECONDS if self._is_stored else 0.5)

    def _save(self, document: Mapping[str, Any]) -> bool:
        try:
            save_instance(self._store, self._id, _without_nothing(document))
        except IpecsMwError as error:
            log.debug("heartbeat not stored", error=str(error))
            return False
        return True

    def _describe(self, state: str, own: ForwardingLane) -> dict[str, Any]:
        return {
            "profile": self._profile,
            "state": state,
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
            "state_dir": str(self._state_dir.absolute()),
            "version": __version__,
            "started_at": self._started_at,
            "revision": self._loaded.revision,
            "hosts": {host.host.name: host.describe() for host in self._hosts},
            "middleware": describe_lane(own.lane),
        }

    def _open_health(self) -> HealthServer:
        settings = self._loaded.settings.health
        vitals = Vitals(
            lambda: self._describe("stopping" if self._stop.is_set() else "running", self._own),
            self._find_dead,
            lambda: self._is_stored,
            lambda: {
                "": self._own.lane.counters,
                **{h.host.name: h.forwarding.lane.counters for h in self._hosts},
            },
        )
        server = HealthServer(settings, vitals, self._clock)
        log.info("start.health", address=settings.address, port=server.port)
        return server

    def _find_dead(self) -> list[str]:
        """Return the names of threads that ended or hang although nobody has asked them to stop."""
        if self._stop.is_set():
            return []
        threads = [self._own.thread, *(thread for host in self._hosts for thread in host.threads)]
        is_beating = self._clock.monotonic() - self._beat_at < _LONGEST_BEAT_SECONDS
        return [thread.name for thread in threads if not thread.is_alive()] + ["heartbeat"] * (not is_beating)

    def _tell_systemd(self, document: Mapping[str, Any]) -> None:
        hosts = document["hosts"].values()
        up = sum(host["state"] == "up" for host in hosts)
        waiting = sum(host["journal"]["entries"] for host in hosts)
        status = self._loaded.texts.render("notify.status", up=up, hosts=len(hosts), waiting=waiting)
        notify(STATUS=status, **({} if self._find_dead() else {"WATCHDOG": 1}))


def _wait_for_mongodb(open_store: Any, clock: Clock, stop: threading.Event) -> Store | None:
    """Return the open store; wait while MongoDB is away, loud once. None where stopped meanwhile."""
    wait_seconds = _FIRST_RETRY_SECONDS
    last = None
    while not stop.is_set():
        try:
            store: Store = open_store()
        except StoreUnavailable as error:
            if error.key != last:
                log.error("start.mongodb_away", detail=logs.explain(error))
            last = error.key
            clock.wait(stop, wait_seconds)
            wait_seconds = min(wait_seconds * 2, _LONGEST_RETRY_SECONDS)
        else:
            return store
    return None


def _install_signals(stop: threading.Event, clock: Clock) -> None:
    first_at: list[float] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        now = clock.monotonic()
        if first_at and now - first_at[0] > _SAME_SIGNAL_SECONDS:
            os._exit(128 + number)
        if not first_at:
            first_at.append(now)
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, on_signal)


def _keep_undecoded(body: bytes, received_at: datetime) -> Event:
    """Return a frame as it is: the middleware's own lane gets none."""
    return build_undecodable(body, received_at, "frame without a host")


def _without_nothing(value: Any) -> Any:
    """Return a document without its None fields: absent means absent."""
    if isinstance(value, Mapping):
        return {name: _without_nothing(item) for name, item in value.items() if item is not None}
    return value
