"""One host as the daemon runs it: its lane, session, executor and forwarder, each with its thread."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.service.client import HostClient
from ipecs_mw.service.executor import Executor
from ipecs_mw.service.forwarder import Decode, Forwarder
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.records import RecordReader
from ipecs_mw.service.session import SessionSupervisor
from ipecs_mw.store.connection import Store
from ipecs_mw.store.event_log import EventLog
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()


def open_lane(name: str, host: str | None, state_dir: Path, clock: Clock) -> Lane:
    """Return the lane of a host (None: the middleware's own), its journal `NAME.journal` opened.

    A damaged journal is set aside with an alarm. Raises JournalError.
    """
    journal, aside = open_journal(state_dir / f"{name}.journal", clock)
    lane = Lane(host, journal, clock)
    if aside is not None:
        lane.record("journal.set_aside", "error", file=str(aside))
    return lane


class ForwardingLane:
    """A lane with its forwarder's thread."""

    def __init__(self, lane: Lane, decode: Decode, events: EventLog, clock: Clock) -> None:
        self.lane = lane
        self._stop = threading.Event()
        self._forwarder = Forwarder(lane, decode, events, clock, self._stop)
        self._thread = start_thread(f"forward-{lane.host or 'middleware'}", self._forwarder.run)

    def drain(self, seconds: float) -> int:
        """Forward what is left, for `seconds` at the most; return how much stays in the journal for next time."""
        self._stop.set()
        self.lane.journal.has_entries.set()
        self._thread.join(seconds)
        return self.lane.journal.entry_count


class HostRunner:
    """Runs one host from its construction until `stop` is set and `join` returns.

    `is_only` says that a request which names no host is meant for this one.
    """

    def __init__(
        self,
        host: HostSettings,
        password: str,
        commands: Mapping[str, Command],
        codes: Codes,
        store: Store,
        state_dir: Path,
        clock: Clock,
        stop: threading.Event,
        *,
        is_only: bool,
    ) -> None:
        context = build_context(host)
        self.host = host
        self._stop = stop
        lane = open_lane(f"host-{host.name}", host.name, state_dir, clock)
        decoder = Decoder(codes.rows, ZoneInfo(host.timezone), host.smdr.number_captions or ())
        self.forwarding = ForwardingLane(lane, decoder.decode, EventLog(store), clock)
        memory = state_dir / f"host-{host.name}.token"
        client = HostClient(host, password, context, commands, codes, memory, clock)
        self.session = SessionSupervisor(host, client, context, lane, clock, stop, self._on_up)
        self.names: list[str | None] = [host.name, None] if is_only else [host.name]
        records = RecordReader(host, client, decoder.decode, lane, store, clock)
        self.executor = Executor(
            host, self.names, client, commands, codes, self.session, lane, store, clock, stop, records
        )
        if host.tls.verify == "off":
            lane.record("session.unverified", "warning")
        self._threads = [
            start_thread(f"session-{host.name}", self.session.run),
            start_thread(f"executor-{host.name}", self.executor.run),
        ]

    def _on_up(self) -> None:
        self.executor.on_up()

    def join(self, seconds: float) -> None:
        """Wait until the session is logged out and the executor is done, `seconds` at the most each."""
        for thread in self._threads:
            thread.join(seconds)

    def describe(self) -> dict[str, Any]:
        """Return what `instances` and `status` say of this host."""
        status = self.session.status
        lane = self.forwarding.lane
        found = {
            "state": status.state.value,
            "since": status.since,
            "reason": None if status.reason is None else logs.explain(status.reason),
            "retry_at": status.retry_at,
            "system": status.system,
            "reconnects": status.reconnects,
            "received": lane.received,
            **describe_lane(lane),
            "monitors": {name: _count(verdicts) for name, verdicts in self.executor.verdicts.items()},
        }
        return {name: value for name, value in found.items() if value is not None}


def describe_lane(lane: Lane) -> dict[str, Any]:
    """Return how far a lane's events have come."""
    forwarded = lane.forwarded
    return {
        "stored": forwarded.stored,
        "last_event_at": forwarded.last_event_at,
        "stalled_since": forwarded.stalled_since,
        "problem": forwarded.problem,
        "journal": {
            "entries": lane.journal.entry_count,
            "oldest_at": lane.journal.oldest_at,
            "used_share": round(lane.journal.used_share, 4),
        },
    }


def start_thread(name: str, run: Any) -> threading.Thread:
    """Start a thread whose unexpected end is logged, never silent."""

    def watch() -> None:
        try:
            run()
        except IpecsMwError as error:
            log.critical("thread.ended", thread=name, detail=logs.explain(error))
        except Exception:  # a defect must not end one host's thread without a word
            log.critical("thread.ended", thread=name, detail="", exc_info=True)

    thread = threading.Thread(target=watch, name=name, daemon=True)
    thread.start()
    return thread


def _count(verdicts: Mapping[str, str]) -> dict[str, Any]:
    refused = {number: verdict for number, verdict in verdicts.items() if verdict != "OK"}
    return {"accepted": len(verdicts) - len(refused), "refused": refused}
