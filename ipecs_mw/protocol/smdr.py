"""Call records (SMDR): questions in the vendor's filter language, the records of a reply, and what names a record.

Interface notes, "SMDR". A filter is a JSON object: equalities by field, and `$and`, `$or`, `$>=`, `$regex` …
around further ones; in `$regex` `*` is any run, `?` any one character, and a backslash escapes.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.errors import ReplyUnreadable
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.values import read_int

Filter = dict[str, Any]
Record = dict[str, Any]

MOST_RECORDS = 500
"""How many records one request asks for."""

NUMBER_FIELDS = ("DialedNumber1", "DialedNumber2")
_NAMED_FIELDS = frozenset(
    {
        "Index", "callRefID", "StationNumber", "CoNumber", "Duration", "StartTime", "Direction", "Cost",
        "AccountCode", "DisconnectCause",
    }
)  # fmt: skip
_IDENTITY = (
    "station_number", "start_time", "duration_seconds", "co_number", "direction", "number1", "number2",
)  # fmt: skip
_HASH_DIGITS = 32


def build_filter(
    zone: ZoneInfo,
    *,
    station: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    numbers: Sequence[str] = (),
    number_fields: Sequence[str] = NUMBER_FIELDS,
) -> Filter:
    """Return the filter for records whose call began in `since` ≤ start < `until` (aware), in the host's `zone`.

    `station` and `numbers` may hold `*` and `?`; any of the `numbers` is looked for in the two `number_fields`.
    """
    parts: list[Filter] = []
    if station is not None:
        parts.append({"$regex": {"StationNumber": station}})
    if numbers:
        parts.append({"$or": [{"$regex": {field: number}} for number in numbers for field in number_fields]})
    if since is not None:
        parts.append({"$>=": {"StartTime": to_host_time(since, zone)}})
    if until is not None:
        parts.append({"$<": {"StartTime": to_host_time(until, zone)}})
    return join_filters(parts)


def build_range(after: int | None, last: int | None = None) -> Filter:
    """Return the filter for `after` < index ≤ `last`; None leaves that end open."""
    parts: list[Filter] = []
    if after is not None:
        parts.append({"$>": {"Index": after}})
    if last is not None:
        parts.append({"$<=": {"Index": last}})
    return join_filters(parts)


def join_filters(parts: Iterable[Filter]) -> Filter:
    """Return the filter that lets through what each part does; without parts everything."""
    told = [part for part in parts if part]
    return {"$and": told} if len(told) > 1 else told[0] if told else {}


def to_host_time(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the host compares it: its local time, to the second."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def read_records(reply: Any) -> list[Record]:
    """Return the records of a reply to `smdr.get`; raise ReplyUnreadable where it holds no list of objects."""
    content = _content(reply)
    items = content.get("items", [] if content.get("count") in (0, "0") else None)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ReplyUnreadable("error.smdr_reply", excerpt=repr(reply)[:100])
    return items


def read_count(reply: Any) -> int:
    """Return the count of a reply to `smdr.get` with `countOnly`; raise ReplyUnreadable where there is none."""
    try:
        count = read_int(_content(reply).get("count"))
    except (ValueError, TypeError):
        count = None
    if count is None:
        raise ReplyUnreadable("error.smdr_reply", excerpt=repr(reply)[:100])
    return count


def read_index(record: Mapping[str, Any]) -> int | None:
    """Return a record's number at the host, None where it has none."""
    try:
        return read_int(record.get("Index"))
    except (ValueError, TypeError):
        return None


def next_range(page: Sequence[Record], after: int | None, last: int | None) -> tuple[int, int | None] | None:
    """Return the range `(after, last)` to ask for next, None where `page` was the end of everything.

    A full page may have more behind it. Where its records are not in the order of their index, nobody knows which
    ones are missing: the same range is asked for again, half as long. Raises ReplyUnreadable where a full page
    holds records without an index, or others than were asked for: such a host has no end.
    """
    if len(page) < MOST_RECORDS:
        return None if last is None else (last, None)
    indexes = [index for record in page if (index := read_index(record)) is not None]
    if len(indexes) < len(page):
        raise ReplyUnreadable("error.smdr_unnumbered", count=len(page) - len(indexes))
    begin, end = -math.inf if after is None else after, math.inf if last is None else last
    outside = [index for index in indexes if not begin < index <= end]
    if outside:
        raise ReplyUnreadable("error.smdr_filter", count=len(outside), index=outside[0])
    if all(one < other for one, other in pairwise(indexes)):
        return indexes[-1], last
    first, highest = -1 if after is None else after, max(indexes)
    return (highest, None) if highest - first <= MOST_RECORDS else (first, (first + highest) // 2)


def find_runs(indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs of neighbouring numbers, first and last of each: 1, 2, 5 → (1, 2), (5, 5)."""
    runs: list[tuple[int, int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs


def find_number_fields(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the two number fields, which the administrator chose: those that are no other field."""
    return tuple(name for name in record if name not in _NAMED_FIELDS)[:2] or NUMBER_FIELDS


def wrap_record(record: Record) -> bytes:
    """Return a record that was read as the frame that pushes it."""
    return json.dumps({"event": "smdr", "data": record}).encode()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def build_record_id(host: str | None, event: Event) -> str | None:
    """Return the id of a call record, the same however often and by whichever way it came.

    It is made of what the record says, not of its index, which a pushed one may lack. Where the call reference or
    the start is missing, calls could be alike: then every field of the record counts. None where it has no id.
    """
    known = [event.call_ref, *(event.data.get(name) for name in _IDENTITY)]
    raw = event.raw
    identity = known if event.call_ref is not None and event.data.get("start_time") else _content(raw)
    digest = hashlib.sha256()
    try:
        for part in _ENCODER.iterencode(
            identity
        ):  # in parts: a record of the greatest length holds up nobody
            digest.update(part.encode())
    except (ValueError, TypeError, RecursionError):  # nested too deep
        return None
    return f"{host or '-'}:smdr:{digest.hexdigest()[:_HASH_DIGITS]}"


def _content(reply: Any) -> Mapping[str, Any]:
    """Return what a reply or frame is about, also where it stands under `data`."""
    if not isinstance(reply, dict):
        return {}
    return reply["data"] if isinstance(reply.get("data"), dict) else reply
