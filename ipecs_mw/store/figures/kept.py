"""Kept figures that answer a question: which documents are read, and what they add up to.

Quarter hours answer any question; days of the phone system's zone are kept as sums, which are read where they do.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ipecs_mw.figures.answers.day_sums import name_agent
from ipecs_mw.figures.answers.rows import Part, join
from ipecs_mw.figures.counting.sums import prune
from ipecs_mw.figures.time.intervals import begin_day, find_day, next_day
from ipecs_mw.store.figures.asking import Asked
from ipecs_mw.store.figures.place import Place
from ipecs_mw.store.server.failures import store_errors

Document = dict[str, Any]

_OF_DAYS = frozenset({"1d", "1w", "1M", "all", "weekday"})
_OTHER = {"group": "agent", "agent": "group"}
_NARROWS: Mapping[str, Mapping[str, str]] = {
    "group": {"group": "group"},
    "agent": {"agent": "agent", "stations": "station", "groups": "group"},
}
"""Kind of figures → their fields by which a question narrows them down, and its own name for each."""

_OF_ALL = ("from", "is_complete", "revision", "states", "not_ready", "open")
_FIELDS: Mapping[str, Collection[str]] = {
    "group": (
        *_OF_ALL, "group", "offered", "answered", "abandoned", "overflowed", "left", "unknown", "transfers",
        "waits", "wait_seconds", "longest_wait_seconds", "abandon_waits", "abandon_wait_seconds", "handled",
        "talk_seconds", "hold_seconds", "wrap_up_seconds",
    ),
    "agent": (*_OF_ALL, "agent", "stations", "offered", "answered", "no_answer"),
    "host": (*_OF_ALL, "inbound", "outbound", "internal", "tandem", "unknown", "trunks"),
}  # fmt: skip
"""Kind of figures → the fields that an answer is made of: to read all takes twice as long."""


_ENOUGH = 100
"""With so many parts and more what is made of them is made at once: the processor has them at hand then."""


class Interval(NamedTuple):
    """What the groups, the agents or all of a host add up to in the interval of a row, by their names."""

    at: int
    host: str
    parts: Mapping[str, Part]


def sum_kept(asked: Asked, kind: str) -> Iterator[Sequence[Interval]]:
    """Yield what documents of a kind add up to: some intervals after the others, of one host after the other.

    Raises NoSuchName for more than anybody can read, StoreError.
    """
    found: dict[tuple[int, str], dict[str, Part]] = {}
    place, parts, count = None, {}, 0
    for host, at, document in _read(asked, kind):
        if (at, host) != place:
            if asked.profile is None and sum(map(len, found.values())) >= _ENOUGH:
                yield _finish(found)
                found = {}
            place = at, host
            parts = found.setdefault(place, {})
        name, part = _take(kind, document)
        if name in parts:
            join(parts[name], part)
        else:
            parts[name] = part
            count += 1
            asked.check_rows(count)
    yield _finish(found)


def _take(kind: str, document: Document) -> tuple[str, Part]:
    """Return whose figures a document has, and the rest of it, which adds up."""
    stations = document.pop("stations", ())
    part = Part(document, frozenset(stations), is_complete=document.pop("is_complete"))
    if kind == "group":
        return document.pop("group"), part
    return name_agent(document.pop("agent", None), stations) if kind == "agent" else "", part


def _finish(found: Mapping[tuple[int, str], Mapping[str, Part]]) -> Sequence[Interval]:
    for parts in found.values():
        for part in parts.values():
            if part.is_joined:
                part.sums = prune(part.sums)
    return [Interval(at, host, parts) for (at, host), parts in found.items()]


def _read(asked: Asked, kind: str) -> Iterator[tuple[str, int, Document]]:
    """Yield the documents of a kind that answer the question, each with its host and the number of its row."""
    question = asked.question
    named = {name: getattr(question, narrows) for name, narrows in _NARROWS.get(kind, {}).items()}
    query: Document = {"kind": kind}
    query |= {name: {"$eq": value} for name, value in named.items() if value is not None}
    is_one = kind in query  # of a single group or agent; no document has both
    if is_one:
        query[_OTHER[kind]] = None
    fields = dict.fromkeys(_FIELDS[kind], 1) | {"_id": 0}
    database = asked.store.database
    plain = database.codec_options.with_options(tz_aware=False)  # thousands of instants take their time
    with store_errors():
        for host, place in asked.places.items():
            for name, since, until in _plan(asked, place, kind):
                span = {"host": host, **query, "from": {"$gte": since, "$lt": until}}
                found = database[name].with_options(plain).find(span, fields, batch_size=1000)
                last, at = None, None
                for document in found.hint("by_name" if is_one else "by_kind"):  # both by time
                    if (begin := document.pop("from")) != last:
                        last, at = begin, _find_row(asked, begin.replace(tzinfo=UTC))
                    if at is not None:
                        yield host, at, document


def _find_row(asked: Asked, at: datetime) -> int | None:
    return asked.find_row(at) if asked.is_wanted is None or asked.is_wanted(at) else None


def _plan(asked: Asked, place: Place, kind: str) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield which collection is read from when until when."""
    since, until, question = asked.since, asked.until, asked.question
    has_days = question.interval in _OF_DAYS and place.zone == asked.zone.key
    is_of_parts = kind == "agent" and not {question.group, question.station} <= {None}
    if has_days and asked.is_wanted is None and not is_of_parts:  # an agent may be there for a part of a day
        first = _begin_next_day(since, asked.zone)
        summed = begin_day(date.fromisoformat(place.summed), asked.zone)
        last = min(begin_day(find_day(until, asked.zone), asked.zone), summed)
        if first < last:
            yield from (("figures", since, first), ("figure_days", first, last))
            since = last
    if since < until:
        yield "figures", since, until


def _begin_next_day(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day that is not before an instant."""
    day = find_day(at, zone)
    begin = begin_day(day, zone)
    return begin if begin == at else begin_day(next_day(day), zone)
