"""What MongoDB knows of a host's call records: which are stored, and how far they were read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import DESCENDING
from pymongo.read_concern import ReadConcern

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

POSITION_TYPE = "smdr_read"
"""The system event that says how far the records of a host were read."""


def find_stored(store: Store, ids: Sequence[str]) -> set[str]:
    """Return those of the event ids that a majority holds. Raises StoreError."""
    events = store.database["events"].with_options(read_concern=ReadConcern("majority"))
    with store_errors():
        return {found["_id"] for found in events.find({"_id": {"$in": list(ids)}}, {"_id": 1})}


def find_position(store: Store, host: str) -> Mapping[str, Any] | None:
    """Return the data of the host's newest event of `POSITION_TYPE`, None without one. Raises StoreError."""
    wanted = {"type": POSITION_TYPE, "kind": "system", "host": {"$eq": host}}
    with store_errors():
        newest = [("received_at", DESCENDING), ("_id", DESCENDING)]
        found = store.database["events"].find_one(wanted, sort=newest)
    return None if found is None else found.get("data") or {}
