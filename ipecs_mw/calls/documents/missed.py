"""Missed calls: one open item a number, which closes itself when the number is spoken to.

A pure function of call records. Items never expire; what people add is handed in and told again.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2s
from typing import Any

from msgspec import Struct

from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.numbers import PLAIN, read_all

MISSED = frozenset({"abandoned", "no_answer", "busy", "refused", "failed", "voicemail"})
"""The outcomes of incoming calls that somebody has to call back; voice mail was not answered by a person."""

NOT_MISSED = "not_missed"
"""What closes an item to which people added something, where its calls turn out not to have been missed."""

_SPOKEN = frozenset({"answered", "lost_on_hold"})
Record = Mapping[str, Any]


class Closing(Struct, frozen=True):
    """That a person closed an item: who, and when."""

    by: str
    at: datetime


class Item(Struct):
    """A missed call. `count` calls were missed, `attempts` callbacks had no answer."""

    id: str
    host: str
    number: str
    first_at: datetime
    last_at: datetime
    calls: list[str]
    name: str = ""
    group: str = ""
    attempts: int = 0
    attempted_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""

    @property
    def count(self) -> int:
        """How many calls were missed."""
        return len(self.calls)

    def to_document(self) -> dict[str, Any]:
        """Return the document of `missed`, without what people keep: owner and note."""
        document = {
            "_id": self.id,
            "host": self.host,
            "number": self.number,
            "name": self.name,
            "group": self.group,
            "state": "open" if self.closed_at is None else "closed",
            "count": self.count,
            "attempts": self.attempts,
            "attempted_at": self.attempted_at,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "calls": list(self.calls),
            "closed_at": self.closed_at,
            "closed_by": self.closed_by,
        }
        return {key: each for key, each in document.items() if each not in (None, "", [])}


def find_missed(
    records: Iterable[Record],
    plan: NumberSettings = PLAIN,
    *,
    short_seconds: Mapping[str, float] | None = None,
    default_short_seconds: float = 5.0,
    closings: Mapping[str, Closing] | None = None,
    since: datetime | None = None,
) -> list[Item]:
    """Return the missed calls of documents of `calls`, open and closed, in the order in which they became so.

    Two numbers are one where the plan gives them a reading in common.
    `short_seconds` are the limits of single groups below which a call was no call. `closings` are those of people,
    by item. The order of the records does not matter: what counts is when calls were missed or answered; what was
    before `since` does not count.
    """
    limits = short_seconds or {}
    facts = sorted(
        (
            fact
            for record in records
            if (fact := _read_fact(record, plan, limits, default_short_seconds))
            and (since is None or fact.at >= since)
        ),
        key=lambda fact: (fact.at, fact.kind, fact.record["_id"]),
    )
    items: list[Item] = []
    running = _Running(closings or {})
    for fact in facts:
        found = running.find(fact)
        if fact.kind == "missed":
            if not found:
                items.append(_open(fact))
                running.add(items[-1], fact.readings)
            _count(found[0] if found else items[-1], fact)
        for item in found if fact.kind != "missed" else ():
            _settle(item, fact)
    running.close_by_person()
    return items


class _Running:
    """The items that are open, by all readings of their numbers."""

    def __init__(self, closings: Mapping[str, Closing]) -> None:
        self._closings = closings
        self._items: dict[tuple[str, str], Item] = {}

    def add(self, item: Item, readings: Iterable[str]) -> None:
        """Add an item."""
        self._items.update({(item.host, reading): item for reading in readings})

    def find(self, fact: "_Fact") -> list[Item]:
        """Return the items that are open when a call was missed or answered, the oldest first."""
        keys = [(str(fact.record["host"]), reading) for reading in fact.readings]
        found = {item.id: item for key in keys if (item := self._items.get(key)) is not None}
        for item in found.values():
            self._close(item, fact.at)
        opened = [item for item in found.values() if item.closed_at is None]
        return sorted(opened, key=lambda item: (item.first_at, item.id))

    def close_by_person(self) -> None:
        """Close what people closed after all calls."""
        for item in self._items.values():
            self._close(item, None)

    def _close(self, item: Item, before: datetime | None) -> None:
        closing = self._closings.get(item.id)
        if closing is None or item.closed_at is not None or (before is not None and closing.at > before):
            return
        item.closed_at, item.closed_by = closing.at, closing.by


class _Fact(Struct, frozen=True):
    """What a call says of missed ones: it was `missed`, `called_again`, a `callback`, or an `attempt` at one."""

    kind: str
    at: datetime
    readings: frozenset[str]
    record: Record


def _read_fact(
    record: Record, plan: NumberSettings, limits: Mapping[str, float], default_seconds: float
) -> _Fact | None:
    if record.get("is_open"):
        return None
    direction, outcome = record.get("direction"), record.get("outcome")
    is_spoken = outcome in _SPOKEN
    at = (
        record.get("answered_at" if is_spoken else "ended_at") or record.get("ended_at") or record["began_at"]
    )
    if direction == "inbound":
        number = (record.get("caller") or {}).get("number")
        kind = "called_again" if is_spoken else "missed"
        if not number or not (is_spoken or outcome in MISSED) or _is_short(record, limits, default_seconds):
            return None
        return _Fact(kind, at, read_all(str(number), plan), record)
    number = (record.get("dialed") or {}).get("number")
    if direction != "outbound" or not number:
        return None
    return _Fact("callback" if is_spoken else "attempt", at, read_all(str(number), plan), record)


def counts(
    record: Record,
    plan: NumberSettings = PLAIN,
    *,
    short_seconds: Mapping[str, float] | None = None,
    default_short_seconds: float = 5.0,
) -> str:
    """Return what a call says of missed ones: `missed` `called_again` `callback` `attempt`; blank for nothing."""
    fact = _read_fact(record, plan, short_seconds or {}, default_short_seconds)
    return "" if fact is None else fact.kind


def list_readings(record: Record, plan: NumberSettings) -> list[str]:
    """Return what the numbers outside can mean that a call was from or to, and each as it is written.

    Numbers are compared by these, also by who does not know the plan.
    """
    numbers = [(record.get(side) or {}).get("number") for side in ("caller", "dialed")]
    told = [str(number) for number in numbers if number]
    return sorted({reading for number in told for reading in (*read_all(number, plan), *read_all(number))})


def _is_short(record: Record, limits: Mapping[str, float], default_seconds: float) -> bool:
    """Tell whether a caller gave up so soon that it was no call."""
    limit = limits.get(_find_group(record), default_seconds)
    return record.get("outcome") == "abandoned" and record.get("seconds", {}).get("total", limit) < limit


def _find_group(record: Record) -> str:
    return str(next(reversed(record.get("groups") or ()), ""))


def _open(fact: _Fact) -> Item:
    record = fact.record
    number = min(fact.readings, key=lambda reading: (not reading.startswith("+"), len(reading), reading))
    host = str(record["host"])
    return Item(
        name_item(host, number, record["_id"]), host, number, record["began_at"], record["began_at"], []
    )


def name_item(host: str, number: str, call_id: str) -> str:
    """Return the id of an item of a number that a call has opened."""
    name = blake2s(f"{number}:{call_id}".encode(), digest_size=8).hexdigest()
    return f"{host}:{name}"


def _count(item: Item, fact: _Fact) -> None:
    record = fact.record
    item.calls.append(record["_id"])
    item.last_at = max(item.last_at, record["began_at"])
    item.first_at = min(item.first_at, record["began_at"])
    item.name = str((record.get("caller") or {}).get("name") or item.name)
    item.group = _find_group(record) or item.group


def _settle(item: Item, fact: _Fact) -> None:
    """Close an item whose number was spoken to; an attempt without an answer only counts."""
    if fact.kind == "attempt":
        item.attempts += 1
        item.attempted_at = fact.at
    else:
        item.closed_at, item.closed_by = fact.at, fact.kind


def list_open(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items that are open."""
    return (item for item in items if item.closed_at is None)
