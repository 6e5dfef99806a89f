"""One host as the daemon runs it: its intake for as long as it is configured, its session as long as that fits."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ipecs_mw import logs
from ipecs_mw.journal.journal import Arrival
from ipecs_mw.model.configuration.settings import HostSettings, needs_reconnect
from ipecs_mw.protocol.events import may_tell_of_host
from ipecs_mw.service.hosts.context import HostContext
from ipecs_mw.service.hosts.host_session import HostSession
from ipecs_mw.service.intake.decoding import build_decode, build_reading, encode_reading
from ipecs_mw.service.intake.documents import Decode, read_arrival
from ipecs_mw.service.intake.pipeline import Pipeline, describe_intake, open_intake
from ipecs_mw.service.requests.executor import Executor
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.service.setup.loading import Definitions


class HostRunner:
    """Runs one host from `start` until `stop`, and `join` returns.

    `read_password` is asked before each login. `is_only` says that a request which names no host is meant for this
    one. Raises JournalError, or CertificateRefused for certificate files that cannot be used.
    """

    def __init__(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        shared: HostContext,
        *,
        is_only: bool,
    ) -> None:
        self.host = host
        self.is_only = is_only
        self._shared = shared
        self._definitions = definitions
        self._decode = build_decode(build_reading(host), definitions.codes)
        # a journal is opened once: one that was forwarded for want of its host is taken over as it is
        self._adopted = shared.former_hosts.take(host.name)
        self.forwarding = self._adopted or self._open_forwarding()
        self._intake = self.forwarding.intake
        self.call_state = CallState(
            lambda: self._host_session.maintenance.on_numbering()  # noqa: PLW0108 - exchanged with the session
        )
        try:
            self._host_session = self._build_host_session(
                host, read_password, definitions, self._decode, is_only=is_only
            )
        except BaseException:
            self.discard()
            raise

    def start(self) -> None:
        """Begin the first session; returns at once."""
        forwarder = self.forwarding.forwarder
        self._read_as(self.host, self._decode)
        forwarder.attend(
            self.call_state.note,
            lambda: self.executor.on_gap(),  # noqa: PLW0108 - exchanged with the session
        )
        self._intake.attend(self._note_fresh)
        self._shared.listeners.attend(self._intake, lambda arrival: read_arrival(arrival, forwarder.decode))
        self._host_session.start(())

    def discard(self) -> None:
        """Let go of a host that was never started."""
        if self._adopted is None:
            self._intake.journal.close()
        else:
            self._shared.former_hosts.give_back(self.host.name, self._adopted)

    def start_forwarding(self) -> None:
        """Forward from now on: MongoDB may be used."""
        self.forwarding.start()

    def prepare(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        *,
        is_only: bool,
    ) -> Callable[[], None]:
        """Return what goes on with other settings or definitions, with a new session where they ask for one.

        Whatever can refuse them is raised here, with nothing changed. What is returned does not wait: a new
        session begins by itself when the former one has logged out.
        """
        former = self.host
        has_new_codes = definitions.codes.rows != self._definitions.codes.rows
        is_read_otherwise = build_reading(former) != build_reading(host) or has_new_codes
        decode = build_decode(build_reading(host), definitions.codes)
        host_session = None
        if needs_reconnect(former, host) or self._host_session.is_stopped:
            host_session = self._build_host_session(host, read_password, definitions, decode, is_only=is_only)

        def commit() -> None:
            self.host, self.is_only, self._definitions = host, is_only, definitions
            if is_read_otherwise:
                self._read_as(host, decode)
            if host_session is None:
                self._host_session.change(
                    host, definitions, _names(host, is_only=is_only), decode if is_read_otherwise else None
                )
                return
            former_session, self._host_session = self._host_session, host_session
            former_session.stop()
            host_session.start(former_session.threads)

        return commit

    def stop(self) -> None:
        """Have the session end and the executor finish; returns at once."""
        self._host_session.stop()

    def join(self, until: float) -> None:
        """Wait, until the monotonic time `until` at the most, for the logout and the executor's end."""
        for thread in self._host_session.threads:
            thread.join(max(0.0, until - self._shared.clock.monotonic()))

    @property
    def executor(self) -> Executor:
        """Who carries out what is asked of this host."""
        return self._host_session.executor

    @property
    def names(self) -> list[str | None]:
        """The hosts of whose requests this one is meant."""
        return _names(self.host, is_only=self.is_only)

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that run until stopped."""
        return [
            thread for thread in (*self._host_session.threads, self.forwarding.thread) if thread is not None
        ]

    def find_dead(self) -> list[str]:
        """Return the names of the threads that ended although nobody has asked them to."""
        return self._host_session.find_dead() + self.forwarding.find_dead()

    def describe(self) -> dict[str, Any]:
        """Return what `instances` and `status` say of this host."""
        host_session = self._host_session
        status = host_session.session.status
        found = {
            "state": status.state.value,
            "since": status.since,
            "reason": None if status.reason is None else logs.explain(status.reason),
            "retry_at": status.retry_at,
            "system": status.system,
            "reconnects": status.reconnects,
            "lease": {"standing": host_session.lease.standing.value, "owner": host_session.lease.owner},
            "received": self._intake.received,
            **describe_intake(self._intake),
            "requests": dict(self._intake.counters.read_counts("requests")),
            "monitors": host_session.monitoring.describe(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _note_fresh(self, arrivals: Sequence[Arrival]) -> None:
        """Have the call state take in what cannot wait for the forwarder: only those few are decoded twice."""
        # nearly always there is nothing, which one look at all that came together tells
        if not may_tell_of_host(b"\0".join([arrival.body for arrival in arrivals])):
            return
        for arrival in arrivals:
            if arrival.source == "frame" and may_tell_of_host(arrival.body):
                self.call_state.note_fresh(
                    self.forwarding.forwarder.decode(arrival.body, arrival.received_at)
                )

    def _open_forwarding(self) -> Pipeline:
        name, shared = self.host.name, self._shared
        intake = open_intake(
            f"host-{name}", name, shared.state_dir, shared.clock, max_bytes=shared.journal_bytes
        )
        return Pipeline(intake, self._decode, shared.events, shared.clock)

    def _read_as(self, host: HostSettings, decode: Decode) -> None:
        """Read what is forwarded from now on as the settings say, and have the journal say it too."""
        self.forwarding.forwarder.decode = decode
        self._intake.keep_reading(encode_reading(build_reading(host)))

    def _build_host_session(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        decode: Decode,
        *,
        is_only: bool,
    ) -> HostSession:
        names = _names(host, is_only=is_only)
        return HostSession(
            host, read_password, definitions, names, decode, self._intake, self.call_state, self._shared
        )


def _names(host: HostSettings, *, is_only: bool) -> list[str | None]:
    return [host.name, None] if is_only else [host.name]
