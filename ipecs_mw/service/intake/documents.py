"""What is stored of a journal's entries: each its document, and before it the gap that it tells."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ipecs_mw import logs
from ipecs_mw.journal.file import EPOCH, INSTANT_DIGITS, MILLISECOND
from ipecs_mw.journal.journal import Arrival, Entry
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.events import build_undecodable, may_be_deep
from ipecs_mw.protocol.smdr import build_record_id
from ipecs_mw.service.intake.continuity import Continuity
from ipecs_mw.service.intake.gaps import Moment, bound_gap
from ipecs_mw.store.events.event_log import EventLog, Refused, build_document

log = logs.get_logger()

_MOST_RAW_BYTES = 8 * 1024 * 1024
"""What is kept of an entry that does not fit a document of MongoDB, which has 16 MiB for everything."""

_MOST_PLAIN_BYTES = 1024 * 1024
"""Documents of so many bytes are encoded in one go: of more, that would hold the interpreter for too long."""

Decode = Callable[[bytes, datetime], Event]


class Item(Struct, frozen=True, gc=False):
    """A document to be stored and the entry that it was made of; a gap is what is missing before that."""

    document: dict[str, Any]
    entry: Entry
    is_gap: bool


class Documents:
    """Builds the documents of one host's entries, in order; `journal_id` is the journal that they come from.

    `position` is where an earlier run stopped. `note` is called with each event of the host.
    """

    def __init__(self, host: str | None, journal_id: str, position: str | None = None) -> None:
        self.journal_id = journal_id
        self.note: Callable[[Event], None] = lambda _event: None
        self._host = host
        self._continuity = Continuity(position)
        self._at: datetime | None = None  # of what was built last, and the last other instant before
        self._before: datetime | None = None

    @property
    def position(self) -> str | None:
        """Where to go on after the last entry that was built, so that a jump behind it shows; or None."""
        return self._continuity.position

    def build(self, entry: Entry, decode: Decode) -> Sequence[Item]:
        """Return what is stored of an entry: its event, and before it the gap that its serial number tells.

        Never raises: an entry that a defect of ours stumbles over is kept as its bytes.
        """
        try:
            return self._build(entry, decode)
        except Exception as error:  # one entry must not hold up those behind it
            log.critical("thread.failed", thread=f"forward-{self._host}", exc_info=True)
            arrival = entry.arrival
            event = build_undecodable(arrival.body, arrival.received_at, f"a defect: {type(error).__name__}")
            return [self._item(entry, event, self._id(entry))]

    def _build(self, entry: Entry, decode: Decode) -> Sequence[Item]:
        arrival = entry.arrival
        until = arrival.received_at
        if until is not self._at and until != self._at:
            self._before, self._at = self._at, until
        event_id = self._id(entry)
        if arrival.source != "frame":
            return [self._item(entry, _read_system(arrival), event_id)]
        event = decode(arrival.body, until)
        self.note(event)
        if event.kind == "smdr":
            # a call record comes by push and by reading, and perhaps more than once: its own content names it
            item = self._item(entry, event, build_record_id(self._host, event) or event_id)
            item.document["journal"] = self.journal_id  # in other events the id tells it
            return [item]
        self._continuity.begin(arrival.connection)
        if self._continuity.is_repeat(arrival.body):
            return [self._item(entry, event, event_id, is_repeat=True)]
        item = self._item(entry, event, event_id)
        since = self._continuity.counted_at
        missing = self._continuity.find_missing(event.serial, until)
        if missing is None:
            return [item]
        since = self._before if since == until else since  # what is received together has one instant
        gap = _build_gap(since, until, *missing)
        return [self._item(entry, gap, event_id + ":gap", is_gap=True), item]

    def _item(
        self, entry: Entry, event: Event, event_id: str, *, is_repeat: bool = False, is_gap: bool = False
    ) -> Item:
        connection = entry.arrival.connection
        document = build_document(
            event_id, self._host, entry.seq, event, connection=connection, is_repeat=is_repeat
        )
        return Item(document, entry, is_gap)

    def _id(self, entry: Entry) -> str:
        return build_entry_id(self._host, self.journal_id, entry)


def build_entry_id(host: str | None, journal_id: str, entry: Entry) -> str:
    """Return the id of an entry's event: the same each time, and sorted by journal and number.

    The instant stands in it because a journal that was put back, such as with a machine's snapshot, gives numbers
    once more that MongoDB has: its new entries are others, and must not count as stored. It is short, in
    milliseconds and hexadecimal as in the journal's id, because each index of `events` holds the id.
    """
    number = str(entry.seq).zfill(12)  # half the work of a format
    return f"{host or '-'}:{journal_id}:{number}:{_spell_instant(entry.arrival.received_at)}"


@lru_cache(maxsize=64)  # what came together has one instant
def _spell_instant(at: datetime) -> str:
    return f"{(at - EPOCH) // MILLISECOND:0{INSTANT_DIGITS}x}"


def read_arrival(arrival: Arrival, decode: Decode) -> Event:
    """Return the event of a frame, or the middleware's own as it recorded it."""
    if arrival.source == "frame":
        return decode(arrival.body, arrival.received_at)
    return _read_system(arrival)


def store_items(events: EventLog, host: str | None, items: Sequence[Item]) -> None:
    """Store each item once; what MongoDB refuses for its content is stored as its bytes. Raises StoreError."""
    bodies = [item.entry.arrival.body for item in items]
    is_plain = sum(map(len, bodies)) <= _MOST_PLAIN_BYTES and not any(map(may_be_deep, bodies))
    try:
        events.append([item.document for item in items], is_plain=is_plain)
    except Refused as refused:
        events.append([_build_undecodable(items[at], host, why) for at, why in refused.reasons.items()])


def _build_undecodable(item: Item, host: str | None, reason: str) -> dict[str, Any]:
    """Return the form of an entry that MongoDB always takes; of very long ones it has the beginning."""
    arrival = item.entry.arrival
    event = build_undecodable(arrival.body, arrival.received_at, reason)
    raw = event.raw
    if isinstance(raw, bytes) and len(raw) > _MOST_RAW_BYTES:
        note = f"{len(arrival.body)} bytes, of which raw has the first {_MOST_RAW_BYTES}"
        event = replace(event, raw=raw[:_MOST_RAW_BYTES], problems=(*event.problems, note))
    return build_document(item.document["_id"], host, item.entry.seq, event, connection=arrival.connection)


def _build_gap(since: datetime | None, until: datetime, first: int, last: int) -> Event:
    """Return the gap of call events that were never sent, between two that were."""
    began_at, ended_at = bound_gap(None if since is None else Moment(since), Moment(until))
    begin = {} if began_at is None else {"since": began_at.isoformat()}
    numbers = {"first_serial": first, "last_serial": last}
    data = {**begin, "until": ended_at.isoformat(), "reason": "serial_jump", **numbers}
    return Event("system", "gap", until, at=until, data=data)


def _read_system(arrival: Arrival) -> Event:
    at = arrival.received_at
    try:
        content = json.loads(arrival.body)
        return Event("system", content["type"], at, at=at, data=content["data"])
    except (ValueError, LookupError, TypeError) as error:  # a journal whose bytes changed on the disk
        return build_undecodable(arrival.body, at, f"not an event of ours: {error}"[:200])
