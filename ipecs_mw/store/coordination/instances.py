"""Who runs: the collection `instances`, one document a daemon, renewed by its heartbeat."""

from collections.abc import Mapping
from typing import Any

from pymongo import timeout

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_SAVE_SECONDS = 1.5  # a heartbeat that comes late is worth nothing, and a stop does not wait for it
ALIVE_SECONDS = 15.0
"""A daemon whose heartbeat is older than this is taken for dead."""
_REMEMBERED_SECONDS = 7 * 86400.0
_AGE = {"$divide": [{"$subtract": ["$$NOW", "$heartbeat_at"]}, 1000]}


def save_instance(store: Store, instance_id: str, document: Mapping[str, Any]) -> None:
    """Replace what is known of a daemon; `heartbeat_at` is set by the server's clock."""
    with store_errors(), timeout(_SAVE_SECONDS):
        store.database["instances"].update_one(
            {"_id": instance_id},
            [
                {"$replaceWith": {"$literal": {**document, "_id": instance_id}}},
                {"$set": {"heartbeat_at": "$$NOW"}},
            ],
            upsert=True,
        )


def load_instances(store: Store, profile: str | None = None) -> list[dict[str, Any]]:
    """Return what is known of all daemons, or of one profile's, the latest heartbeat first.

    Those of which nothing was heard for seven days are left out, but for the latest of all.
    `age_seconds` is the age of the heartbeat by the server's clock, `is_alive` what follows from it.
    """
    pipeline: list[dict[str, Any]] = [
        {"$match": {} if profile is None else {"profile": profile}},
        {"$sort": {"heartbeat_at": -1}},
        {"$limit": 100},
        {"$set": {"age_seconds": _AGE}},
        {
            "$set": {
                "is_alive": {
                    "$and": [{"$lt": ["$age_seconds", ALIVE_SECONDS]}, {"$ne": ["$state", "stopped"]}]
                }
            }
        },
    ]
    with store_errors():
        found = list(store.database["instances"].aggregate(pipeline))
    return [*found[:1], *(each for each in found[1:] if each["age_seconds"] < _REMEMBERED_SECONDS)]


def forget_instances(store: Store, instance_id: str, place: Mapping[str, Any]) -> None:
    """Remove the daemons that nobody asks for any more: those of long ago, and what this one was before.

    What this one was has its `hostname` and `state_dir`, which are in `place`; one that lives is another, on a
    cloned machine. Raises StoreError.
    """
    is_old = {"$expr": {"$gt": [_AGE, _REMEMBERED_SECONDS]}}
    is_gone = {"$or": [{"state": "stopped"}, {"$expr": {"$gt": [_AGE, ALIVE_SECONDS]}}]}
    is_former = {
        "_id": {"$ne": instance_id},
        "hostname": {"$eq": place.get("hostname")},
        "state_dir": {"$eq": place.get("state_dir")},
        **is_gone,
    }
    with store_errors(), timeout(_SAVE_SECONDS):
        store.database["instances"].delete_many({"$or": [is_old, is_former]})
