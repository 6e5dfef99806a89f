"""A lane with its forwarder's thread: from its opening until what it holds is in MongoDB."""

import threading
from pathlib import Path
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.journal.journal import DEFAULT_MAX_BYTES, open_journal
from ipecs_mw.service.documents import Decode
from ipecs_mw.service.forwarder import Forwarder
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.threads import start_thread
from ipecs_mw.store.event_log import EventLog


def open_lane(
    name: str, host: str | None, state_dir: Path, clock: Clock, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> Lane:
    """Return the lane of a host (None: the middleware's own), its journal `NAME.journal` opened.

    A damaged journal is set aside with an alarm. Raises JournalError.
    """
    journal, aside = open_journal(state_dir / f"{name}.journal", clock, max_bytes=max_bytes)
    lane = Lane(host, journal, clock)
    if aside is not None:
        lane.tell_set_aside(aside)
    return lane


class ForwardingLane:
    """A lane with its forwarder's thread, which waits until `start`: MongoDB may be away or not migrated."""

    def __init__(self, lane: Lane, decode: Decode, events: EventLog, clock: Clock) -> None:
        self.lane = lane
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self.forwarder = Forwarder(lane, decode, events, clock, self._stop)
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Forward from now on; nothing happens where it does already."""
        with self._starting:
            if self.thread is not None:
                return
            self.thread = start_thread(f"forward-{self.lane.host or 'middleware'}", self.forwarder.run)

    def find_dead(self) -> list[str]:
        """Return the name of its thread where that has ended although nobody asked it to."""
        thread = self.thread
        return [] if thread is None or thread.is_alive() or self._stop.is_set() else [thread.name]

    def drain(self, seconds: float) -> int:
        """Forward what is left, for `seconds` at the most; return how much stays in the journal for next time."""
        self._stop.set()
        self.lane.journal.has_entries.set()
        if self.thread is not None:
            self.thread.join(seconds)
        return int(self.lane.describe_journal()["entries"])


def describe_lane(lane: Lane) -> dict[str, Any]:
    """Return how far a lane's events have come."""
    forwarded = lane.forwarded
    return {
        "stored": forwarded.stored,
        "events": dict(lane.counters.read_counts("events")),
        "gaps": sum(lane.counters.read_counts("gap").values()),
        "last_event_at": forwarded.last_event_at,
        "stalled_since": forwarded.stalled_since,
        "problem": forwarded.problem,
        "journal": lane.describe_journal(),
    }
