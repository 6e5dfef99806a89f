"""A lane with its forwarder's thread: from its opening until what it holds is in MongoDB."""

import threading
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalError
from ipecs_mw.journal.file import find_files, read_owner
from ipecs_mw.journal.journal import DEFAULT_MAX_BYTES, open_journal
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.model.event import Event
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


def find_orphans(state_dir: Path, names: Container[str]) -> Iterator[tuple[Path, int]]:
    """Yield the journals with entries of hosts that are not among `names`, and how many entries each holds.

    How to read them is not known any more, so they are for a person to decide about.
    """
    for file in find_files(state_dir):
        if file.suffix == ".journal" and (owner := read_owner(file)) and owner not in names:
            with suppress(JournalError), open_salvage(file) as found:
                if count := found.count_entries():
                    yield file, count


class ForwardingLane:
    """A lane with its forwarder's thread, which waits until `start`: MongoDB may be away or not migrated."""

    def __init__(
        self,
        lane: Lane,
        decode: Decode,
        events: EventLog,
        clock: Clock,
        note: Callable[[Event], None] = lambda _event: None,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        self.lane = lane
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self.forwarder = Forwarder(lane, decode, events, clock, self._stop, note, on_gap)
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Forward from now on; nothing happens where it does already."""
        with self._starting:
            if self.thread is not None:
                return
            self.thread = start_thread(f"forward-{self.lane.host or 'middleware'}", self.forwarder.run)

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
