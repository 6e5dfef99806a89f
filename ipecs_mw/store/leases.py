"""Leases in MongoDB: who may do a thing that only one may do; judged by the server's clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReturnDocument, timeout
from pymongo.errors import DuplicateKeyError

from ipecs_mw.store.connection import OPERATION_SECONDS, Store
from ipecs_mw.store.failures import store_errors

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Lease:
    """What asking for a lease gave: whether it is ours now, who has it, and what its last holder noted in it."""

    is_ours: bool
    owner: str | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


def acquire_lease(store: Store, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease `name` for `seconds`; tell whether `owner` holds it now.

    A lease that has run out, its owner dead, goes to whoever asks first.
    """
    return hold_lease(store, name, owner, seconds).is_ours


def hold_lease(
    store: Store,
    name: str,
    owner: str,
    seconds: float,
    note: Mapping[str, Any] = _NOTHING,
    *,
    within_seconds: float = OPERATION_SECONDS,
) -> Lease:
    """Take or renew the lease as `acquire_lease`, and leave `note` in it for whoever holds it next.

    The note that is returned is the one that was in it before; an empty one leaves that in place. Raises
    StoreError, after `within_seconds` at the latest.
    """
    # a lease that is not there has no expires_at, which counts as earlier than every instant
    is_ours = {"$or": [{"$lte": ["$expires_at", "$$NOW"]}, {"$eq": ["$owner", {"$literal": owner}]}]}
    fresh = {
        "owner": {"$literal": owner},
        "expires_at": {"$add": ["$$NOW", int(seconds * 1000)]},
        "note": {"$literal": dict(note)} if note else "$note",
        "former_note": "$note",
    }
    changes = {field: {"$cond": [is_ours, value, f"${field}"]} for field, value in fresh.items()}
    with store_errors(), timeout(within_seconds):
        try:
            lease = store.database["leases"].find_one_and_update(
                {"_id": name}, [{"$set": changes}], upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            return Lease(is_ours=False)
    found = lease or {}
    return Lease(found.get("owner") == owner, found.get("owner"), found.get("former_note") or {})


def release_lease(store: Store, name: str, owner: str) -> None:
    """Give the lease back; nothing happens where `owner` does not hold it."""
    with store_errors():
        store.database["leases"].delete_one({"_id": name, "owner": owner})
