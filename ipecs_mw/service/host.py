"""One host as the daemon runs it: its lane for as long as it is configured, its session as long as that fits."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ipecs_mw import logs
from ipecs_mw.journal.journal import Arrival
from ipecs_mw.model.settings import HostSettings, needs_reconnect
from ipecs_mw.protocol.events import may_tell_of_host
from ipecs_mw.service.documents import Decode, read_arrival
from ipecs_mw.service.executor import Executor
from ipecs_mw.service.forwarding import ForwardingLane, describe_lane, open_lane
from ipecs_mw.service.picture import Picture
from ipecs_mw.service.reading import build_decode, build_reading, encode_reading
from ipecs_mw.service.shift import Shift
from ipecs_mw.service.surroundings import Definitions, Surroundings


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
        around: Surroundings,
        *,
        is_only: bool,
    ) -> None:
        self.host = host
        self.is_only = is_only
        self._around = around
        self._definitions = definitions
        self._decode = build_decode(build_reading(host), definitions.codes)
        # a journal is opened once: one that was forwarded for want of its host is taken over as it is
        self._adopted = around.orphans.take(host.name)
        self.forwarding = self._adopted or self._open_forwarding()
        self._lane = self.forwarding.lane
        self.picture = Picture(lambda: self._shift.attendant.on_numbering())  # noqa: PLW0108 - exchanged with the session
        try:
            self._shift = self._build_shift(host, read_password, definitions, self._decode, is_only=is_only)
        except BaseException:
            self.discard()
            raise

    def start(self) -> None:
        """Begin the first session; returns at once."""
        forwarder = self.forwarding.forwarder
        self._read_as(self.host, self._decode)
        forwarder.attend(
            self.picture.note,
            lambda: self.executor.on_gap(),  # noqa: PLW0108 - exchanged with the session
        )
        self._lane.attend(self._note_fresh)
        self._around.listeners.attend(self._lane, lambda arrival: read_arrival(arrival, forwarder.decode))
        self._shift.start(())

    def discard(self) -> None:
        """Let go of a host that was never started."""
        if self._adopted is None:
            self._lane.journal.close()
        else:
            self._around.orphans.give_back(self.host.name, self._adopted)

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
        is_read_otherwise = (former.timezone, former.smdr) != (host.timezone, host.smdr) or has_new_codes
        decode = build_decode(build_reading(host), definitions.codes)
        shift = None
        if needs_reconnect(former, host) or self._shift.is_stopped:
            shift = self._build_shift(host, read_password, definitions, decode, is_only=is_only)

        def commit() -> None:
            self.host, self.is_only, self._definitions = host, is_only, definitions
            if is_read_otherwise:
                self._read_as(host, decode)
            if shift is None:
                self._shift.change(
                    host, definitions, _names(host, is_only=is_only), decode if is_read_otherwise else None
                )
                return
            former_shift, self._shift = self._shift, shift
            former_shift.stop()
            shift.start(former_shift.threads)

        return commit

    def stop(self) -> None:
        """Have the session end and the executor finish; returns at once."""
        self._shift.stop()

    def join(self, until: float) -> None:
        """Wait, until the monotonic time `until` at the most, for the logout and the executor's end."""
        for thread in self._shift.threads:
            thread.join(max(0.0, until - self._around.clock.monotonic()))

    @property
    def executor(self) -> Executor:
        """Who carries out what is asked of this host."""
        return self._shift.executor

    @property
    def names(self) -> list[str | None]:
        """The hosts of whose requests this one is meant."""
        return _names(self.host, is_only=self.is_only)

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that run until stopped."""
        return [thread for thread in (*self._shift.threads, self.forwarding.thread) if thread is not None]

    def find_dead(self) -> list[str]:
        """Return the names of the threads that ended although nobody has asked them to."""
        return self._shift.find_dead() + self.forwarding.find_dead()

    def describe(self) -> dict[str, Any]:
        """Return what `instances` and `status` say of this host."""
        shift = self._shift
        status = shift.session.status
        found = {
            "state": status.state.value,
            "since": status.since,
            "reason": None if status.reason is None else logs.explain(status.reason),
            "retry_at": status.retry_at,
            "system": status.system,
            "reconnects": status.reconnects,
            "lease": {"standing": shift.lease.standing.value, "owner": shift.lease.owner},
            "received": self._lane.received,
            **describe_lane(self._lane),
            "requests": dict(self._lane.counters.read_counts("requests")),
            "monitors": shift.monitoring.describe(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _note_fresh(self, arrivals: Sequence[Arrival]) -> None:
        """Have the picture take in what cannot wait for the forwarder: only those few are decoded twice."""
        for arrival in arrivals:
            if arrival.source == "frame" and may_tell_of_host(arrival.body):
                self.picture.note_fresh(self.forwarding.forwarder.decode(arrival.body, arrival.received_at))

    def _open_forwarding(self) -> ForwardingLane:
        name, around = self.host.name, self._around
        lane = open_lane(f"host-{name}", name, around.state_dir, around.clock, max_bytes=around.journal_bytes)
        return ForwardingLane(lane, self._decode, around.events, around.clock)

    def _read_as(self, host: HostSettings, decode: Decode) -> None:
        """Read what is forwarded from now on as the settings say, and have the journal say it too."""
        self.forwarding.forwarder.decode = decode
        self._lane.keep_reading(encode_reading(build_reading(host)))

    def _build_shift(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        definitions: Definitions,
        decode: Decode,
        *,
        is_only: bool,
    ) -> Shift:
        names = _names(host, is_only=is_only)
        return Shift(host, read_password, definitions, names, decode, self._lane, self.picture, self._around)


def _names(host: HostSettings, *, is_only: bool) -> list[str | None]:
    return [host.name, None] if is_only else [host.name]
