"""What a reader had in mind at single moments, to go on from after a restart and to go back to for late events."""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson.binary import Binary
from msgspec import Struct

from ipecs_mw.calls.documents import snapshot
from ipecs_mw.calls.steps.position import split_order
from ipecs_mw.errors import StoreRefused
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_MOST_BYTES = 15 * 1024 * 1024  # of the 16 MiB that a document may have
_MOST_BYTES_IN_MIND = 256 * 1024 * 1024  # what is larger was not kept by a reader
_NEWEST_FIRST = [("connection", -1), ("seq", -1)]
_KEPT: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(minutes=10), timedelta(seconds=1)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(days=60), timedelta(days=1)),
    (timedelta.max, timedelta(days=7)),
)
"""Of moments up to so old, one of each so long a time is kept."""


class Moment(Struct, frozen=True):
    """What a reader had in mind of a host behind the event at `order`, received `at`.

    `taken` are the last numbers that it had taken of each journal. `data` is what `snapshot.keep` made, blank
    where it cannot be read. `read_as` names the options by which it was read.
    """

    host: str
    order: str
    at: datetime
    taken: Mapping[str, int]
    data: bytes
    read_as: str


def save_moment(store: Store, moment: Moment) -> bool:
    """Keep a moment; False where it is too large. What was written before it is as durable. Raises StoreError."""
    data = zlib.compress(moment.data, 1)
    if len(data) > _MOST_BYTES or len(moment.data) > _MOST_BYTES_IN_MIND:
        return False
    connection, seq = split_order(moment.order)
    document = {
        "_id": f"{moment.host}:{moment.order}",
        "host": moment.host,
        "order": moment.order,
        "connection": connection,
        "seq": seq,
        "at": moment.at,
        "taken": [{"journal": journal, "seq": last} for journal, last in moment.taken.items()],
        "format": snapshot.FORMAT,
        "layout": snapshot.describe_layout(),
        "read_as": moment.read_as,
        "data": Binary(data),
    }
    with store_errors():
        store.database["reader_states"].replace_one({"_id": document["_id"]}, document, upsert=True)
    return True


def find_moment(
    store: Store,
    host: str,
    *,
    before: str | None = None,
    until: datetime | None = None,
    read_as: str | None = None,
) -> Moment | None:
    """Return the newest moment of a host that can be gone on from; None where there is none.

    Of those before a place in its order, not received after `until`, or read by certain options, where these are
    given. Raises StoreRefused where a newer version has read on; StoreError.
    """
    wanted = _read_as(read_as)
    if before is not None:
        wanted["order"] = {"$lt": before}
    if until is not None:
        wanted["at"] = {"$lte": until}
    return _find(store, host, wanted, _NEWEST_FIRST)


def find_oldest_moment(store: Store, host: str, since: str, *, read_as: str | None = None) -> Moment | None:
    """Return the oldest moment of a host that can be gone on from, at a place in its order or behind it.

    Of those read by certain options, where these are given. Raises as `find_moment`.
    """
    wanted = {"order": {"$gte": since}, **_read_as(read_as)}
    return _find(store, host, wanted, [(name, -way) for name, way in _NEWEST_FIRST])


def _read_as(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"read_as": name}


def _find(store: Store, host: str, wanted: dict[str, Any], order: list[tuple[str, int]]) -> Moment | None:
    with store_errors():
        there = store.database["reader_states"]
        newer = there.find_one({"host": host, "format": {"$gt": snapshot.FORMAT}}, {"format": 1})
        if newer is not None:
            raise StoreRefused("error.reader_newer", format=newer["format"], known=snapshot.FORMAT)
        wanted = {"host": host, "layout": snapshot.describe_layout(), **wanted}
        found = there.find_one(wanted, sort=order)
    if found is None:
        return None
    taken = {str(each["journal"]): int(each["seq"]) for each in found["taken"]}
    data, read_as = _decompress(bytes(found["data"])), str(found.get("read_as", ""))
    return Moment(host, found["order"], found["at"], taken, data, read_as)


def _decompress(data: bytes) -> bytes:
    """Return what was compressed; nothing where it was damaged, or made to fill the memory of who reads it."""
    try:
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, _MOST_BYTES_IN_MIND)
    except zlib.error:
        return b""
    return unpacked if unpacker.eof else b""


def drop_moments(store: Store, host: str, *, since: str = "") -> None:
    """Forget the moments of a host from a place in its order on. Raises StoreError."""
    with store_errors():
        store.database["reader_states"].delete_many({"host": host, "order": {"$gte": since}})


def thin_moments(store: Store, host: str, now: datetime) -> None:
    """Keep the fewer moments of a host the older they are. Raises StoreError."""
    with store_errors():
        there = store.database["reader_states"]
        found = list(there.find({"host": host}, {"at": 1}).sort(_NEWEST_FIRST))
        kept, extra = set(), []
        for each in found:
            place = _find_place(now - each["at"], each["at"])
            if place in kept:
                extra.append(each["_id"])
            kept.add(place)
        if extra:
            there.delete_many({"_id": {"$in": extra}})


def _find_place(age: timedelta, at: datetime) -> tuple[timedelta, int]:
    """Return what a moment of this age shares with those of which one is kept."""
    each = next(each for longest, each in _KEPT if age <= longest)
    return each, int(at.timestamp() // each.total_seconds())
