"""Who reads the event log, how far it is, and the live state, which only one may write."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import DeleteMany, DeleteOne, ReplaceOne, ReturnDocument
from pymongo.errors import BulkWriteError

from ipecs_mw.calls.documents import snapshot
from ipecs_mw.errors import StoreRefused, WrittenElsewhere
from ipecs_mw.store.coordination.leases import acquire_lease, release_lease
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

NAME = "calls"
GONE_SECONDS = 30.0
"""A reader that has not told of itself for so long is gone."""

_LEASE = "reader:calls"
_DUPLICATE_KEY = 11000


def hold(store: Store, owner: str, seconds: float) -> bool:
    """Take or renew the right to read for all daemons of the database; tell whether `owner` has it.

    Raises StoreError.
    """
    return acquire_lease(store, _LEASE, owner, seconds)


def let_go(store: Store, owner: str) -> None:
    """Give that right back, and say that nobody reads now. Raises StoreError."""
    with store_errors():
        store.database["readers"].update_one({"_id": NAME, "owner": owner}, {"$unset": {"told_at": ""}})
    release_lease(store, _LEASE, owner)


def check_format(store: Store) -> None:
    """Refuse to write what a newer version has read.

    Raises StoreRefused then: its documents would be made what they were; StoreError.
    """
    with store_errors():
        known = store.database["readers"].find_one({"_id": NAME}, {"format": 1}) or {}
    if known.get("format", 0) > snapshot.FORMAT:
        raise StoreRefused("error.reader_newer", format=known["format"], known=snapshot.FORMAT)


def take_over(store: Store, owner: str, now: datetime) -> int:
    """Note who reads from now on; return the number of this holder, above all before it.

    Raises as `check_format`.
    """
    check_format(store)
    with store_errors():
        there = store.database["readers"]
        changes: dict[str, Any] = {
            "$inc": {"holder": 1},
            "$set": {"owner": owner, "format": snapshot.FORMAT, "told_at": now},
        }
        found: Any = there.find_one_and_update(
            {"_id": NAME}, changes, upsert=True, return_document=ReturnDocument.AFTER
        )
    return int(found["holder"])


def tell(store: Store, holder: int, hosts: Sequence[Mapping[str, Any]], now: datetime) -> int | None:
    """Tell how far the reader is; return how often it was asked to begin again, None where another one reads now.

    Raises StoreError.
    """
    with store_errors():
        found = store.database["readers"].find_one_and_update(
            {"_id": NAME, "holder": holder},
            {"$set": {"hosts": list(hosts), "told_at": now}},
            return_document=ReturnDocument.AFTER,
        )
    return None if found is None else int(found.get("restarts", 0))


def write_live(
    store: Store,
    holder: int,
    host: str,
    documents: Iterable[tuple[str, Mapping[str, Any] | None]],
    *,
    is_whole: bool = False,
) -> None:
    """Write what is true now of a host, by id; None for what is no more.

    Where it `is_whole`, nothing else is true of the host. Raises WrittenElsewhere where a later holder has
    written; StoreError.
    """
    writes: list[Any] = []
    mine = {"$not": {"$gt": holder}}
    ids = []
    for each, document in documents:
        ids.append(each)
        same = {"_id": each, "holder": mine}
        new = {**(document or {}), "holder": holder}
        writes.append(DeleteOne(same) if document is None else ReplaceOne(same, new, upsert=True))
    if is_whole:
        writes.append(DeleteMany({"host": host, "_id": {"$nin": ids}, "holder": mine}))
    if not writes:
        return
    with store_errors():
        try:
            store.database["live"].bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", ())
            if failures and all(each.get("code") == _DUPLICATE_KEY for each in failures):
                raise WrittenElsewhere("error.written_elsewhere", collection="live") from error
            raise
