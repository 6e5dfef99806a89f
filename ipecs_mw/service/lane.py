"""A lane: one journal and what is known of its way to MongoDB. Each host has one, and the middleware itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.journal.journal import Arrival, Journal
from ipecs_mw.service.counters import Counters

log = logs.get_logger()


@dataclass(frozen=True)
class Forwarded:
    """How far a lane's events have come."""

    stored: int = 0
    last_event_at: datetime | None = None
    stalled_since: datetime | None = None
    problem: str | None = None


class Lane:
    """Takes what arrives into the journal; `host` is None for the middleware's own lane."""

    def __init__(self, host: str | None, journal: Journal, clock: Clock) -> None:
        self.host = host
        self.journal = journal
        self.clock = clock
        self.connection = 0
        self.received = 0
        self.forwarded = Forwarded()
        self.counters = Counters()

    def begin_connection(self) -> None:
        """Count a new connection: what follows belongs to it."""
        self.connection = self.journal.begin_connection()

    def take_frames(self, frames: Sequence[bytes]) -> None:
        """Make received frames durable. Raises JournalError."""
        now = self.clock.now()
        self.journal.append([Arrival(self.connection, now, "frame", frame) for frame in frames])
        self.received += len(frames)

    def record(self, event: str, level: str = "info", /, **facts: Any) -> None:
        """Log an event of the middleware and keep it in the event log: `session.up` becomes `session_up`.

        Raises JournalError.
        """
        where = {"host": self.host} if self.host else {}
        getattr(log, level)(event, **where, **facts)
        data: Mapping[str, Any] = {name: value for name, value in facts.items() if value is not None}
        body = msgspec.json.encode({"type": event.replace(".", "_"), "data": data}, enc_hook=str)
        self.journal.append([Arrival(self.connection, self.clock.now(), "system", body)])
        self.counters.add(event, str(facts.get("reason") or ""))

    def count_stored(self, documents: Sequence[Mapping[str, Any]], write_seconds: float) -> None:
        """Count a batch, the oldest first, that MongoDB has just confirmed after `write_seconds`."""
        self.counters.add_all("events", Counter(document["kind"] for document in documents))
        self.counters.observe("write", write_seconds)
        lag = self.clock.now() - documents[0]["received_at"]
        self.counters.observe("lag", lag.total_seconds(), len(documents))
