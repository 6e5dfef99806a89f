"""What figures are made of, read from MongoDB, and the figures themselves, written where they differ."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ipecs_mw.figures.answers.day_sums import Name, name_figure, sum_day
from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.counting.gaps import Gap, read_gap
from ipecs_mw.figures.counting.rules import Rules
from ipecs_mw.figures.time.intervals import begin_day, next_day
from ipecs_mw.figures.time.quarters import QUARTER, find_quarter
from ipecs_mw.model.days import list_days
from ipecs_mw.store.calls.writing import Written
from ipecs_mw.store.figures.marks import mark
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Document = dict[str, Any]

_CALL_FIELDS = dict.fromkeys(
    (
        "host", "direction", "is_open", "began_at", "ended_at", "answered_at", "outcome", "groups", "trunks",
        "segments", "counts.transfers", "quality.closed_by", "seconds", "records.cost_amount",
    ),
    1,
)  # fmt: skip
_STATE_FIELDS = dict.fromkeys(("station", "agent", "groups", "state", "reason", "from", "until"), 1)


class Changed(NamedTuple):
    """That the figures of somebody differ in a quarter hour from what they were."""

    name: Name
    quarter: datetime


def count_anew(
    store: Store,
    host: str,
    quarters: Collection[datetime],
    *,
    as_of: datetime,
    now: datetime,
    rules: Rules,
    trunks: int,
) -> list[Changed]:
    """Count some quarter hours of one day in UTC anew, write what differs, and return it.

    Raises WrittenElsewhere where another one counted meanwhile, who may know more; StoreError.
    """
    since, until = min(quarters), max(quarters) + QUARTER
    with store_errors():
        query = {"host": host, "from": {"$in": list(quarters)}}
        there = {each["_id"]: each for each in store.database["figures"].find(query)}
        facts = Facts(
            host,
            quarters,
            _find_lasting(store, "calls", host, "began_at", "ended_at", since, until, _CALL_FIELDS),
            _find_lasting(store, "agent_states", host, "from", "until", since, until, _STATE_FIELDS),
            _list_gaps(store, host, since),
            as_of,
            rules,
            trunks,
            {
                each["from"]: each["gap_seconds"]
                for each in there.values()
                if each["kind"] == "host" and "gap_seconds" in each
            },
        )
        counted: dict[str, Document | None] = dict.fromkeys(there)
        counted.update((each["_id"], each) for each in count(facts))
    told = Written(store, "figures", "from").write(counted, now, there)
    documents = [counted[each.id] or each.before or {} for each in told]
    return [Changed(name_figure(each), each["from"]) for each in documents]


def _find_lasting(
    store: Store,
    collection: str,
    host: str,
    begin: str,
    end: str,
    since: datetime,
    until: datetime,
    fields: Mapping[str, int],
) -> Iterator[Document]:
    """Yield the documents that have a part in a stretch of one day in UTC, and those that last."""
    days = list_days(since, until)
    ended = {"host": host, "days": {"$in": days}, end: {"$gte": since}, begin: {"$lt": until}}
    lasting = {"host": host, "days": None, begin: {"$lt": until}}
    for query in (ended, lasting):
        yield from store.database[collection].find(query, fields).hint("by_day")


def _list_gaps(store: Store, host: str, since: datetime) -> list[Gap]:
    """Return the gaps in the events of a host that ended after an instant."""
    query = {"type": "gap", "host": host, "received_at": {"$gte": since}}
    found = store.database["events"].find(query, {"type": 1, "data": 1})
    return [span for each in found if (span := read_gap(each)) is not None]


def sum_day_anew(
    store: Store, host: str, day: date, zone: ZoneInfo, now: datetime, only: Collection[Name] | None = None
) -> None:
    """Sum the quarter hours of a day of a zone, and write what differs.

    `only` those of some groups or agents; None: all. Raises WrittenElsewhere where another one summed meanwhile;
    StoreError.
    """
    since, until = begin_day(day, zone), begin_day(next_day(day), zone)
    if since == until:
        return  # a day that the zone left out
    names = None if only is None else {*only, ("host", "")}
    with store_errors():
        there = {
            each["_id"]: each
            for each in store.database["figure_days"].find({"host": host, "day": f"{day}"})
            if names is None or name_figure(each) in names
        }
        query = {"host": host, "from": {"$gte": since, "$lt": until}}
        quarters = store.database["figures"].find(query).hint("by_quarter")
        found = [each for each in quarters if names is None or name_figure(each) in names]
    derived: dict[str, Document | None] = dict.fromkeys(there)
    derived.update((each["_id"], each) for each in sum_day(found, host, day, since, until, zone.key))
    Written(store, "figure_days", "from").write(derived, now, there)


def mark_counted(store: Store, host: str, is_wanted: Callable[[str], bool], *, has_host: bool) -> None:
    """Have all quarter hours be counted anew in which wanted groups have figures, and whose calls are there.

    With `has_host` all in which the host has some. Raises StoreError.
    """
    first = find_first(store, host)
    if first is None:
        return
    since = {"$gte": find_quarter(first)}  # what was counted of calls that are gone cannot be counted again
    with store_errors():
        figures = store.database["figures"]
        groups = [
            each for each in figures.distinct("group", {"host": host, "kind": "group"}) if is_wanted(each)
        ]
        queries: list[Document] = []
        if groups:
            queries.append({"host": host, "kind": "group", "group": {"$in": groups}, "from": since})
        if has_host:
            queries.append({"host": host, "kind": "host", "from": since})
        quarters = {each for query in queries for each in figures.distinct("from", query)}
    mark(store, host, quarters)


def find_first_figure(store: Store, host: str) -> datetime | None:
    """Return the first quarter hour of a host that has figures. Raises StoreError."""
    with store_errors():
        found = store.database["figures"].find_one(
            {"host": host}, {"from": 1}, sort=[("host", 1), ("from", 1)]
        )
    return None if found is None else found["from"]


def find_first(store: Store, host: str) -> datetime | None:
    """Return when the first call or state of a host began. Raises StoreError."""
    with store_errors():
        found = [
            store.database[collection].find_one({"host": host}, {begin: 1}, sort=[("host", 1), ("first", 1)])
            for collection, begin in (("calls", "began_at"), ("agent_states", "from"))
        ]
    return min((each.get("began_at") or each["from"] for each in found if each is not None), default=None)
