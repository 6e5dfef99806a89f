"""A lease in MongoDB: who may do a thing that only one may do; judged by the server's clock."""

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors


def acquire_lease(store: Store, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease `name` for `seconds`; tell whether `owner` holds it now.

    A lease that has run out, its owner dead, goes to whoever asks first. Raises StoreError.
    """
    # a lease that is not there has no expires_at, which counts as earlier than every instant
    is_ours = {"$or": [{"$lte": ["$expires_at", "$$NOW"]}, {"$eq": ["$owner", {"$literal": owner}]}]}
    fresh = {"owner": {"$literal": owner}, "expires_at": {"$add": ["$$NOW", int(seconds * 1000)]}}
    changes = {field: {"$cond": [is_ours, value, f"${field}"]} for field, value in fresh.items()}
    with store_errors():
        try:
            lease = store.database["leases"].find_one_and_update(
                {"_id": name}, [{"$set": changes}], upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            return False
    return lease is not None and lease.get("owner") == owner


def release_lease(store: Store, name: str, owner: str) -> None:
    """Give the lease back; nothing happens where `owner` does not hold it."""
    with store_errors():
        store.database["leases"].delete_one({"_id": name, "owner": owner})


def find_holder(store: Store, name: str) -> str | None:
    """Return who holds the lease `name` now; None where nobody does. Raises StoreError."""
    query = {"_id": name, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
    with store_errors():
        lease = store.database["leases"].find_one(query, {"owner": 1})
    return None if lease is None else str(lease["owner"])
