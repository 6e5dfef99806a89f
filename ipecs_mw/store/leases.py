"""Leases in MongoDB: who may do a thing that only one may do; judged by the server's clock."""

from typing import Any

from pymongo.errors import DuplicateKeyError

from ipecs_mw.store.connection import Store
from ipecs_mw.store.failures import store_errors


def acquire_lease(store: Store, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease `name` for `seconds`; tell whether `owner` holds it now.

    A lease that has run out, its owner dead, goes to whoever asks first.
    """
    is_free = {"$or": [{"$lte": ["$expires_at", "$$NOW"]}, {"$eq": ["$owner", owner]}]}
    until: dict[str, Any] = {"$add": ["$$NOW", int(seconds * 1000)]}
    with store_errors():
        try:
            store.database["leases"].update_one(
                {"_id": name, "$expr": is_free},
                [{"$set": {"owner": {"$literal": owner}, "expires_at": until}}],
                upsert=True,
            )
        except DuplicateKeyError:
            return False
    return True


def release_lease(store: Store, name: str, owner: str) -> None:
    """Give the lease back; nothing happens where `owner` does not hold it."""
    with store_errors():
        store.database["leases"].delete_one({"_id": name, "owner": owner})
