"""The forwarder of one lane: journal → decode → MongoDB, each entry exactly once and in order.

An entry's id is made of its journal's id and its number (a call record's of what it says), so writing it again
is recognised by MongoDB. The journal is acknowledged only after MongoDB has confirmed; retries never give up.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, JournalDamaged, JournalError, StoreRefused
from ipecs_mw.journal.journal import Arrival, Entry
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.events import build_undecodable
from ipecs_mw.protocol.smdr import build_record_id
from ipecs_mw.service.continuity import Continuity
from ipecs_mw.service.lane import Forwarded, Lane
from ipecs_mw.store.event_log import EventLog, Refused, build_document

log = logs.get_logger()

_BATCH_ENTRIES = 1000
_IDLE_SECONDS = 0.5
_SHORTEST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0

Decode = Callable[[bytes, datetime], Event]


@dataclass(frozen=True, slots=True)
class _Item:
    """A document to be stored and the entry that it was made of; a gap is what is missing before that."""

    document: dict[str, Any]
    entry: Entry
    is_gap: bool


class Forwarder:
    """Forwards one lane until `stop` is set and the journal is empty; `run` is its thread.

    `decode` may be exchanged at any time. `note` is called with each event of the host, once and in order;
    `on_gap` when a serial number has told that events are missing.
    """

    def __init__(
        self,
        lane: Lane,
        decode: Decode,
        events: EventLog,
        clock: Clock,
        stop: threading.Event,
        note: Callable[[Event], None] = lambda _event: None,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        self._lane = lane
        self.decode = decode
        self._note = note
        self._on_gap = on_gap
        self._continuity = Continuity()
        self._batch: list[_Item] = []
        self._events = events
        self._clock = clock
        self._stop = stop
        self._failures = 0
        self._journal = lane.journal
        self._after = 0
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret

    def run(self) -> None:
        """Forward until stopped and drained; while MongoDB is away, leave the rest in the journal."""
        while True:
            try:
                stored = self.step()
            except IpecsMwError as error:
                self._fail(error)
                if self._clock.wait(self._stop, self._wait_seconds()):
                    return
                continue
            if not stored:
                if self._stop.is_set():
                    return
                self._clock.wait(self._lane.journal.has_entries, _IDLE_SECONDS)

    def step(self) -> int:
        """Forward one batch and return how many entries it had; raises StoreError or JournalError."""
        if not self._batch:  # else what was read before is tried again, as it was
            self._batch = [item for entry in self._read() for item in self._build(entry)]
        batch = self._batch
        if not batch:
            return 0
        documents = [item.document for item in batch]
        began = self._clock.monotonic()
        try:
            self._events.append(documents)
        except Refused as refused:
            self._events.append(
                [
                    self._build_undecodable(batch[at].entry, why, documents[at]["_id"])
                    for at, why in refused.reasons.items()
                ]
            )
        self._lane.count_stored(documents, self._clock.monotonic() - began)
        self._after = batch[-1].entry.seq
        self._acknowledge()
        self._batch = []
        self._succeed(batch)
        self._lane.watch()
        return len(batch)

    def _read(self) -> Sequence[Entry]:
        if self._journal is not self._lane.journal:
            self._journal, self._after = self._lane.journal, 0
        try:
            return self._journal.read(self._after, _BATCH_ENTRIES)
        except JournalDamaged as error:
            self._lane.renew(self._journal, error)
            return ()

    def _acknowledge(self) -> None:
        try:
            self._journal.acknowledge(self._after)
        except JournalDamaged as error:  # MongoDB has these; what comes after them is in the file set aside
            self._lane.renew(self._journal, error)

    def _build(self, entry: Entry) -> Iterator[_Item]:
        """Yield what is stored of an entry: its event, and before it the gap that its serial number tells."""
        arrival = entry.arrival
        if arrival.source != "frame":
            yield self._item(entry, _read_system(arrival), self._id(entry))
            return
        event = self.decode(arrival.body, arrival.received_at)
        self._note(event)
        if event.kind == "smdr":
            # a call record comes by push and by reading, and perhaps more than once: its own content names it
            yield self._item(entry, event, build_record_id(self._lane.host, event) or self._id(entry))
            return
        self._continuity.begin(arrival.connection)
        is_repeat = self._continuity.is_repeat(arrival.body)
        missing = None if is_repeat else self._continuity.find_missing(event.serial)
        if missing is not None:
            yield self._item(
                entry, _build_gap(arrival.received_at, *missing), self._id(entry) + ":gap", is_gap=True
            )
        yield self._item(entry, event, self._id(entry), is_repeat=is_repeat)

    def _item(
        self, entry: Entry, event: Event, event_id: str, *, is_repeat: bool = False, is_gap: bool = False
    ) -> _Item:
        document = build_document(event_id, self._lane.host, entry.seq, event, is_repeat=is_repeat)
        return _Item(document, entry, is_gap)

    def _build_undecodable(self, entry: Entry, reason: str, event_id: str) -> dict[str, Any]:
        event = build_undecodable(entry.arrival.body, entry.arrival.received_at, reason)
        return build_document(event_id, self._lane.host, entry.seq, event)

    def _id(self, entry: Entry) -> str:
        return f"{self._lane.host or '-'}:{self._journal.id}:{entry.seq:012d}"

    def _succeed(self, batch: Sequence[_Item]) -> None:
        if self._failures:
            log.info("forwarding.resumed", **self._where(), waiting=self._lane.describe_journal()["entries"])
        self._failures = 0
        stored = self._lane.forwarded.stored + len(batch)
        self._lane.forwarded = Forwarded(stored=stored, last_event_at=batch[-1].document["received_at"])
        gaps = [item.document["data"] for item in batch if item.is_gap]
        for gap in gaps:
            log.warning("gap", **self._where(), **gap)
            self._lane.counters.add("gap", gap["reason"])
        if gaps:
            self._on_gap()

    def _fail(self, error: IpecsMwError) -> None:
        """Note what holds the events up: loud the first time, quiet while it repeats."""
        self._failures += 1
        problem = logs.explain(error)
        if self._lane.forwarded.problem != problem:
            level = log.error if isinstance(error, StoreRefused | JournalError) else log.warning
            level("forwarding.stalled", **self._where(), detail=problem)
        since = self._lane.forwarded.stalled_since or self._clock.now()
        self._lane.forwarded = replace(self._lane.forwarded, stalled_since=since, problem=problem)

    def _wait_seconds(self) -> float:
        backoff: float = min(_SHORTEST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10), _LONGEST_WAIT_SECONDS)
        return backoff * self._chance.uniform(0.5, 1.0)

    def _where(self) -> Mapping[str, str]:
        return {"host": self._lane.host} if self._lane.host else {}


def _build_gap(at: datetime, first: int, last: int) -> Event:
    """Return the gap of call events that were never sent; when they happened is not known, only before what."""
    data = {"since": at.isoformat(), "until": at.isoformat(), "reason": "serial_jump"}
    return Event("system", "gap", at, at=at, data={**data, "first_serial": first, "last_serial": last})


def _read_system(arrival: Arrival) -> Event:
    at = arrival.received_at
    try:
        content = json.loads(arrival.body)
        return Event("system", content["type"], at, at=at, data=content["data"])
    except (ValueError, LookupError, TypeError) as error:  # a journal whose bytes changed on the disk
        return build_undecodable(arrival.body, at, f"not an event of ours: {error}"[:200])
