"""Quarter hours that are to be counted anew.

A mark is made before what it is for is written, so that it is there whenever the writer dies, and again after it,
for who has counted meanwhile. Each mark has a token: who has counted takes away only marks that are as they were.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import DeleteOne, UpdateOne

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_COLLECTION = "figure_marks"


class Mark(NamedTuple):
    """A quarter hour of a host that was marked."""

    quarter: datetime
    id: str
    token: ObjectId


def mark(store: Store, host: str, quarters: Iterable[datetime]) -> None:
    """Have quarter hours of a host be counted anew. Raises StoreError."""
    writes = [
        UpdateOne(
            {"_id": f"{host}:{quarter:%Y-%m-%dT%H:%MZ}"},
            {"$set": {"host": host, "quarter": quarter, "token": ObjectId()}},
            upsert=True,
        )
        for quarter in quarters
    ]
    if writes:
        with store_errors():
            store.database[_COLLECTION].bulk_write(writes, ordered=False)


def list_marks(store: Store, host: str, until: datetime, limit: int) -> list[Mark]:
    """Return marks of a host before an instant, the newest quarter hours first. Raises StoreError."""
    with store_errors():
        query = {"host": host, "quarter": {"$lt": until}}
        found = store.database[_COLLECTION].find(query).sort("quarter", -1).limit(limit)
        return [Mark(each["quarter"], each["_id"], each["token"]) for each in found]


def has_marks(store: Store) -> bool:
    """Tell whether anything of any host is marked. Raises StoreError."""
    with store_errors():
        return store.database["figure_marks"].find_one({}, {"_id": 1}) is not None


def count_marks(store: Store, host: str) -> int:
    """Return how many quarter hours are still to be counted anew. Raises StoreError."""
    with store_errors():
        return store.database[_COLLECTION].count_documents({"host": host})


def take_away(store: Store, marks: Sequence[Mark]) -> None:
    """Take away marks of what was counted; one that was marked again meanwhile stays. Raises StoreError."""
    writes: list[Any] = [DeleteOne({"_id": each.id, "token": each.token}) for each in marks]
    if writes:
        with store_errors():
            store.database[_COLLECTION].bulk_write(writes, ordered=False)
