"""The events of a host in the order in which the host sent them, and finding those that were stored late.

A daemon's journal may be drained days after others have gone on: its events belong before what has been read. Each
journal numbers its entries and is drained in order, so what was stored late shows by a number above the last that
was taken of its journal, at a place before the last that was taken of the host.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import gt
from typing import Any, NamedTuple

from bson import MaxKey, MinKey
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from ipecs_mw.calls.steps.position import BEGINNING, begin_id, find_entry, find_order, split_order
from ipecs_mw.calls.steps.steps import KINDS, SYSTEM_VERBS
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

INDEX = "in_order"
"""The index of `events` by host, connection and number."""

_NO_CONNECTION = 0  # of what the middleware recorded before the first one
_SAYS_SOMETHING: Mapping[str, Any] = {
    "connection": {"$ne": _NO_CONNECTION},
    "$or": [
        {"kind": {"$in": list(KINDS)}},
        {"kind": "system", "type": {"$in": sorted(SYSTEM_VERBS)}},
    ],
}
_LEFT_OUT = {"raw": 0, "problems": 0}
_AFTER_DIGITS = ";"  # sorts behind the colon that follows the name of a journal
_RECORDS = "smdr"  # stands in the ids of call records where others have their journal
_LOOKED_AT = 1000

Event = dict[str, Any]


def list_hosts(store: Store) -> Sequence[str]:
    """Return the hosts that have events. Raises StoreError."""
    with store_errors():
        return sorted(host for host in store.database["events"].distinct("host") if host)


class Page(NamedTuple):
    """Events in the host's order, the place of each in it, and whether there are more behind them."""

    events: list[Event]
    orders: list[str]
    has_more: bool


def read_page(store: Store, host: str, after: str, limit: int) -> Page:
    """Return about `limit` events of a host behind a place in its order, or all there are.

    Only those that say something of calls and agents, without `raw`. Raises StoreError.
    """
    connection, seq = (MinKey(), MinKey()) if after == BEGINNING else _find_keys(after)
    most = limit + 2  # what stands at the place itself is found again: an event, and a gap before it
    with store_errors():
        found = list(_scan(store, host, connection, seq).limit(most))
        if len(found) == most:  # a page does not end between two of one number
            last = found[-1]
            same = {"host": host, "connection": last.get("connection"), "seq": last["seq"]}
            known = {event["_id"] for event in found}
            others = store.database["events"].find({"$and": [same, _SAYS_SOMETHING]}, _LEFT_OUT).hint(INDEX)
            found += [event for event in others if event["_id"] not in known]
    orders = list(map(find_order, found))
    if any(map(gt, orders, orders[1:])) or len(set(orders)) < len(orders):
        found.sort(key=lambda event: (find_order(event), event["_id"]))
        orders.sort()
    begin = bisect_right(orders, after)
    return Page(found[begin:], orders[begin:], len(found) >= most)


def find_first(store: Store, host: str) -> Event | None:
    """Return the first event of a host that says something. Raises StoreError."""
    return next(iter(read_page(store, host, BEGINNING, 1).events), None)


def find_last(store: Store, host: str) -> Event | None:
    """Return the last event of a host that says something. Raises StoreError."""
    keys = [("host", DESCENDING), ("connection", DESCENDING), ("seq", DESCENDING)]
    with store_errors():
        found: Event | None = store.database["events"].find_one(
            {"host": host, **_SAYS_SOMETHING}, _LEFT_OUT, sort=keys, hint=INDEX
        )
    return found


def find_late(store: Store, host: str, taken: dict[str, int], position: str) -> str | None:
    """Return the place of the first event that was stored late: before `position`, and yet not taken.

    `taken` is the last number that was taken of each journal; what comes next there and says nothing is counted as
    taken. Raises StoreError.
    """
    with store_errors():
        events = store.database["events"]
        orders = [
            find_order(event)
            for journal in _list_journals(events, host)
            for event in _find_new(events, host, journal, taken)
        ]
    return min((order for order in orders if order <= position), default=None)


def _find_keys(order: str) -> tuple[Any, int]:
    connection, seq = split_order(order)
    return connection or None, seq


def _scan(store: Store, host: str, connection: Any, seq: Any) -> Any:
    """Return a cursor over the index from a place on; no plan of the server's can be another one."""
    begin: Any = [("host", host), ("connection", connection), ("seq", seq)]
    end: Any = [("host", host), ("connection", MaxKey()), ("seq", MaxKey())]
    return store.database["events"].find(_SAYS_SOMETHING, _LEFT_OUT).hint(INDEX).min(begin).max(end)


def _list_journals(events: Collection[Event], host: str) -> Iterator[str]:
    """Yield the journals that a host's events came from; each takes one look into the index of ids."""
    last = f"{host}:"
    while found := events.find_one({"_id": {"$gt": last, "$lt": f"{host};"}}, {"_id": 1}, sort=[("_id", 1)]):
        journal = str(found["_id"]).split(":", 2)[1]
        if journal != _RECORDS:
            yield journal
        last = f"{host}:{journal}{_AFTER_DIGITS}"


def _says_something(event: Event) -> bool:
    """Tell what the server is asked for by `_SAYS_SOMETHING`."""
    has_place = event.get("connection") != _NO_CONNECTION
    return has_place and (
        event["kind"] in KINDS or (event["kind"] == "system" and event["type"] in SYSTEM_VERBS)
    )


def _find_new(events: Collection[Event], host: str, journal: str, taken: dict[str, int]) -> Iterator[Event]:
    """Yield what comes first in a journal of what was not taken: a call record, and what else says something."""
    last = taken.get(journal, 0)
    fields = {"kind": 1, "type": 1, "connection": 1, "seq": 1}
    records = {"host": host, "journal": journal, "seq": {"$gt": last}}
    record = next(events.find(records, fields).sort([("journal", 1), ("seq", 1)]).limit(1), None)
    if record is not None:
        yield record
    ids = {"$gte": begin_id(host, journal, last + 1), "$lt": f"{host}:{journal}{_AFTER_DIGITS}"}
    for event in events.find({"_id": ids}, fields).sort("_id", ASCENDING).limit(_LOOKED_AT):
        if _says_something(event):
            yield event
            return
        if record is None or event["seq"] < record["seq"]:
            taken[journal] = event["seq"]


def note_taken(taken: dict[str, int], events: Sequence[Event]) -> None:
    """Count events of one connection, in their order, as taken.

    A connection has one journal, so that the last event that names it tells of all. Events of versions that did
    not number connections may come from several journals.
    """
    for event in reversed(events):
        journal, seq = find_entry(event)
        if journal and seq > taken.get(journal, 0):
            taken[journal] = seq
        if journal and "connection" in event:
            return
