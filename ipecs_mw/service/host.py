"""One host as the daemon runs it: its lane for as long as it is configured, its session as long as that fits."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.settings import HostSettings, needs_reconnect
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.service.client import HostClient
from ipecs_mw.service.credentials import Decrypt
from ipecs_mw.service.desk import RequestDesk
from ipecs_mw.service.documents import read_arrival
from ipecs_mw.service.executor import Executor
from ipecs_mw.service.forwarding import ForwardingLane, describe_lane, open_lane
from ipecs_mw.service.leases import LeaseKeeper, build_lease
from ipecs_mw.service.listeners import Listeners
from ipecs_mw.service.monitoring import Monitoring
from ipecs_mw.service.picture import Picture
from ipecs_mw.service.records import RecordReader
from ipecs_mw.service.session import SessionSupervisor
from ipecs_mw.service.threads import start_thread
from ipecs_mw.service.watchdog import Watchdog
from ipecs_mw.store.connection import Store
from ipecs_mw.store.event_log import EventLog
from ipecs_mw.transport.tls import build_context

_CHANGE_SECONDS = 5.0  # for the old session to log out before the new one begins


@dataclass(frozen=True)
class Surroundings:
    """What all hosts of a daemon share. `has_store` is set once MongoDB may be used."""

    store: Store
    events: EventLog
    has_store: threading.Event
    leases: LeaseKeeper
    listeners: Listeners
    state_dir: Path
    clock: Clock
    journal_bytes: int
    decrypt: Decrypt


@dataclass(frozen=True)
class Definitions:
    """What MongoDB says of the host's interface."""

    commands: Mapping[str, Command]
    codes: Codes


class HostRunner:
    """Runs one host from its construction until `stop`, and `join` returns.

    `read_password` is asked before each login. `is_only` says that a request which names no host is meant for this
    one. Raises JournalError, or CertificateRefused for certificate files that cannot be used.
    """

    def __init__(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        around: Surroundings,
        *,
        is_only: bool,
    ) -> None:
        build_context(host)  # before anything is begun
        self.host = host
        self.is_only = is_only
        self._around = around
        self._definitions = definitions
        self._read_password = read_password
        lane = open_lane(
            f"host-{host.name}", host.name, around.state_dir, around.clock, max_bytes=around.journal_bytes
        )
        self._lane = lane
        self.picture = Picture(lambda: self.executor.on_numbering())  # noqa: PLW0108 - exchanged with the session
        self.forwarding = ForwardingLane(
            lane,
            self._build_decode(),
            around.events,
            around.clock,
            self.picture.note,
            lambda: self.executor.on_gap(),  # noqa: PLW0108 - as above
        )
        around.listeners.attend(lane, lambda arrival: read_arrival(arrival, self.forwarding.forwarder.decode))
        self._begin()

    def start_forwarding(self) -> None:
        """Forward from now on: MongoDB may be used."""
        self.forwarding.start()

    def change(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        *,
        is_only: bool,
    ) -> None:
        """Go on with other settings or definitions, with a new session where they ask for one or none is left."""
        former, self.host, self.is_only = self.host, host, is_only
        self._read_password = read_password
        has_new_codes = definitions.codes.rows != self._definitions.codes.rows
        self._definitions = definitions
        is_read_otherwise = (former.timezone, former.smdr) != (host.timezone, host.smdr) or has_new_codes
        if is_read_otherwise:
            self.forwarding.forwarder.decode = self._build_decode()
        if needs_reconnect(former, host) or self._stop.is_set():
            self.stop()
            self.join(_CHANGE_SECONDS)
            self._around.leases.remove(self._lease)
            self._begin()
            return
        self._client.define(definitions.commands, definitions.codes)
        self.executor.change(host, self.names, self._build_records() if is_read_otherwise else None)

    def stop(self) -> None:
        """Have the session end and the executor finish; returns at once."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait until the session is logged out and the executor is done, `seconds` at the most each."""
        for thread in self._threads:
            thread.join(seconds)

    def leave(self) -> None:
        """Give the account's lease back."""
        self._around.leases.remove(self._lease)

    @property
    def names(self) -> list[str | None]:
        """The hosts of whose requests this one is meant."""
        return [self.host.name, None] if self.is_only else [self.host.name]

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that run until stopped."""
        return [thread for thread in (*self._threads, self.forwarding.thread) if thread is not None]

    def describe(self) -> dict[str, Any]:
        """Return what `instances` and `status` say of this host."""
        status = self.session.status
        found = {
            "state": status.state.value,
            "since": status.since,
            "reason": None if status.reason is None else logs.explain(status.reason),
            "retry_at": status.retry_at,
            "system": status.system,
            "reconnects": status.reconnects,
            "lease": {"standing": self._lease.standing.value, "owner": self._lease.owner},
            "received": self._lane.received,
            **describe_lane(self._lane),
            "requests": dict(self._lane.counters.read_counts("requests")),
            "monitors": self._monitoring.describe(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _begin(self) -> None:
        """Start the session, and the executor beside it."""
        host, around = self.host, self._around
        self._stop = threading.Event()
        self._lease = build_lease(host)
        around.leases.add(self._lease)
        context = build_context(host)
        memory = around.state_dir / f"host-{host.name}.token"
        self._client = HostClient(
            host,
            self._read_password,
            context,
            self._definitions.commands,
            self._definitions.codes,
            memory,
            around.clock,
            self._lease,
        )
        self.session = SessionSupervisor(
            host, self._client, context, self._lane, around.clock, self._stop, self._lease, self._on_up
        )
        self._monitoring = Monitoring(host, self._client, self.session, self._lane, self.picture)
        desk = RequestDesk(
            host,
            self.names,
            self._lease.name,
            self._client,
            around.store,
            around.decrypt,
            self._lane.counters,
            around.clock,
            self.session.note,
        )
        self.executor = Executor(
            host,
            self.session,
            self._monitoring,
            self._build_records(),
            Watchdog(host, self._client, self.session, self.picture, around.clock),
            desk,
            around.store,
            around.has_store,
            around.clock,
            self._stop,
        )
        if host.tls.verify == "off":
            self._lane.record("session.unverified", "warning")
        self._threads = [
            start_thread(f"session-{host.name}", self.session.run),
            start_thread(f"executor-{host.name}", self.executor.run),
        ]

    def _on_up(self) -> None:
        self.executor.on_up()

    def _build_decode(self) -> Any:
        zone, captions = ZoneInfo(self.host.timezone), self.host.smdr.number_captions or ()
        return Decoder(self._definitions.codes.rows, zone, captions).decode

    def _build_records(self) -> RecordReader:
        around = self._around
        return RecordReader(
            self.host, self._client, self._build_decode(), self._lane, around.store, around.clock
        )
