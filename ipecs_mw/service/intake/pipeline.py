"""An intake with its forwarder's thread: from its opening until what it holds is in MongoDB."""

import threading
from pathlib import Path
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.journal.journal import DEFAULT_MAX_BYTES, open_journal
from ipecs_mw.service.intake.documents import Decode
from ipecs_mw.service.intake.forwarder import Forwarder
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.store.events.event_log import EventLog


def open_intake(
    name: str, host: str | None, state_dir: Path, clock: Clock, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> Intake:
    """Return the intake of a host (None: the middleware's own), its journal `NAME.journal` opened.

    A damaged journal is set aside with an alarm. Raises JournalError.
    """
    journal, aside = open_journal(state_dir / f"{name}.journal", clock, max_bytes=max_bytes)
    intake = Intake(host, journal, clock)
    if aside is not None:
        intake.tell_set_aside(aside)
    return intake


class Pipeline:
    """An intake with its forwarder's thread, which waits until `start`: MongoDB may be away or not migrated."""

    def __init__(self, intake: Intake, decode: Decode, events: EventLog, clock: Clock) -> None:
        self.intake = intake
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self.forwarder = Forwarder(intake, decode, events, clock, self._stop)
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Forward from now on; nothing happens where it does already."""
        with self._starting:
            if self.thread is not None:
                return
            self.thread = start_thread(f"forward-{self.intake.host or 'middleware'}", self.forwarder.run)

    def find_dead(self) -> list[str]:
        """Return the name of its thread where that has ended although nobody asked it to."""
        thread = self.thread
        return [] if thread is None or thread.is_alive() or self._stop.is_set() else [thread.name]

    def drain(self, seconds: float) -> int:
        """Forward what is left, for `seconds` at the most; return how much stays in the journal for next time."""
        self._stop.set()
        self.intake.journal.has_entries.set()
        if self.thread is not None:
            self.thread.join(seconds)
        return int(self.intake.describe_journal()["entries"])


def describe_intake(intake: Intake) -> dict[str, Any]:
    """Return how far an intake's events have come."""
    forwarded = intake.forwarded
    return {
        "stored": forwarded.stored,
        "events": dict(intake.counters.read_counts("events")),
        "gaps": sum(intake.counters.read_counts("gap").values()),
        "last_event_at": forwarded.last_event_at,
        "stalled_since": forwarded.stalled_since,
        "problem": forwarded.problem,
        "journal": intake.describe_journal(),
    }
