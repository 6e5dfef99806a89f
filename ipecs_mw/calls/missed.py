"""Missed calls: one open item a number, which closes itself when the number is spoken to.

A pure function of call records. Items never expire; what people add is handed in and told again.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2s
from typing import Any

from msgspec import Struct

MISSED = frozenset({"abandoned", "no_answer", "busy", "refused", "failed", "voicemail"})
"""The outcomes of incoming calls that somebody has to call back; voice mail was not answered by a person."""

_SPOKEN = frozenset({"answered", "lost_on_hold"})
_SEPARATORS = str.maketrans("", "", " -./()")
_SHORTEST = 6  # digits; what is shorter is an extension or a service, and no country's
_LOCAL_DIGITS = 7  # so many behind the country's code make a number with it

Record = Mapping[str, Any]


class NumberRules(Struct, frozen=True):
    """How numbers are told at a site, so that the same number compares as the same.

    `country` without a sign; `trunk_prefix` is dialled for a line outside; a national number begins with
    `national_prefix`, an international one with `international_prefix`.
    """

    country: str = ""
    trunk_prefix: str = ""
    national_prefix: str = "0"
    international_prefix: str = "00"

    def normalise(self, number: str) -> str:
        """Return a number as `+`, country and rest where that can be told, else as it stands; twice is once."""
        plain = number.translate(_SEPARATORS)
        if not plain.removeprefix("+").isdecimal() or plain.startswith("+") or len(plain) < _SHORTEST:
            return plain
        if self.international_prefix and plain.startswith(self.international_prefix):
            return "+" + plain.removeprefix(self.international_prefix)
        if not self.country:
            return plain
        if self.national_prefix and plain.startswith(self.national_prefix):
            return f"+{self.country}{plain.removeprefix(self.national_prefix)}"
        if plain.startswith(self.country) and len(plain) >= len(self.country) + _LOCAL_DIGITS:
            return "+" + plain
        return f"+{self.country}{plain}"

    def list_dialed(self, number: str) -> list[str]:
        """Return what a number that was dialled may be: hosts tell it with the prefix of the line or without."""
        plain = number.translate(_SEPARATORS)
        without = plain.removeprefix(self.trunk_prefix) if self.trunk_prefix else plain
        return list(dict.fromkeys((self.normalise(plain), self.normalise(without))))


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
    rules: NumberRules | None = None,
    *,
    short_seconds: Mapping[str, float] | None = None,
    default_short_seconds: float = 5.0,
    closings: Mapping[str, Closing] | None = None,
) -> list[Item]:
    """Return the missed calls of documents of `calls`, open and closed, in the order in which they began.

    `short_seconds` are the limits of single groups below which a call was no call. `closings` are those of people,
    by item. The order of the records does not matter: what counts is when calls were missed or answered.
    """
    rules = rules or NumberRules()
    limits = short_seconds or {}
    facts = sorted(
        (fact for record in records if (fact := _read_fact(record, rules, limits, default_short_seconds))),
        key=lambda fact: (fact.at, fact.kind, fact.record["_id"]),
    )
    items: list[Item] = []
    running: dict[tuple[str, str], Item] = {}
    for fact in facts:
        for number in fact.numbers:
            key = (fact.record["host"], number)
            item = _close_by_person(running.get(key), fact.at, closings or {})
            if item is not None and item.closed_at is not None:
                del running[key]
                item = None
            if fact.kind == "missed":
                if item is None:
                    item = running[key] = _open(fact, number)
                    items.append(item)
                _count(item, fact)
            elif item is not None:
                _settle(item, fact)
                if item.closed_at is not None:
                    del running[key]
    for item in running.values():
        _close_by_person(item, None, closings or {})
    return items


class _Fact(Struct, frozen=True):
    """What a call says of missed ones: it was `missed`, `called_again`, a `callback`, or an `attempt` at one."""

    kind: str
    at: datetime
    numbers: tuple[str, ...]
    record: Record


def _read_fact(
    record: Record, rules: NumberRules, limits: Mapping[str, float], default_seconds: float
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
        return _Fact(kind, at, (rules.normalise(str(number)),), record)
    number = (record.get("dialed") or {}).get("number")
    if direction != "outbound" or not number:
        return None
    return _Fact("callback" if is_spoken else "attempt", at, tuple(rules.list_dialed(str(number))), record)


def _is_short(record: Record, limits: Mapping[str, float], default_seconds: float) -> bool:
    """Tell whether a caller gave up so soon that it was no call."""
    limit = limits.get(_find_group(record), default_seconds)
    return record.get("outcome") == "abandoned" and record.get("seconds", {}).get("total", limit) < limit


def _find_group(record: Record) -> str:
    return str(next(reversed(record.get("groups") or ()), ""))


def _open(fact: _Fact, number: str) -> Item:
    record = fact.record
    name = blake2s(f"{number}:{record['_id']}".encode(), digest_size=8).hexdigest()
    host = str(record["host"])
    return Item(f"{host}:{name}", host, number, record["began_at"], record["began_at"], [])


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


def _close_by_person(
    item: Item | None, before: datetime | None, closings: Mapping[str, Closing]
) -> Item | None:
    """Close an item that a person closed before an instant."""
    closing = None if item is None else closings.get(item.id)
    if item is not None and closing is not None and (before is None or closing.at <= before):
        item.closed_at, item.closed_by = closing.at, closing.by
    return item


def list_open(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items that are open."""
    return (item for item in items if item.closed_at is None)
