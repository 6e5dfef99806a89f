"""The collection `webhook_tasks`: what people and programs ask the sender of webhooks for: a test, a replay.

Who asks needs no right to read secrets or to write deliveries.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from ipecs_mw.clock import Clock
from ipecs_mw.store.applications.webhooks import load_webhook
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

COLLECTION = "webhook_tasks"
_LOOK_SECONDS = 0.2
_LONGEST = timedelta(seconds=60)
_NEVER = threading.Event()

Document = dict[str, Any]


def ask_for_test(store: Store, webhook: str, *, by: str, now: datetime) -> str:
    """Have the sender send a test at once; return the id by which `await_task` gets what became of it.

    Raises NoSuchName, StoreError.
    """
    return _ask(store, webhook, {"what": "test", "created_at": now, "created_by": by})


def replay(
    store: Store,
    webhook: str,
    *,
    by: str,
    now: datetime,
    ids: Sequence[str] = (),
    since: datetime | None = None,
    everything: bool = False,
) -> str:
    """Have the sender send deliveries again; return the id by which `await_task` gets how many.

    Without `ids` those that were set aside, `since` an instant where one is given; with `everything` also those
    that were delivered. Raises NoSuchName, StoreError.
    """
    wanted: Document = {"ids": list(ids), "everything": everything}
    if since is not None:
        wanted["since"] = since
    return _ask(store, webhook, {"what": "replay", "created_at": now, "created_by": by, **wanted})


def await_task(store: Store, task: str, seconds: float, clock: Clock) -> Mapping[str, Any] | None:
    """Return what became of a task: `{"count": …}` or `{"status": …, "error": …}`; None where nothing has yet.

    Raises StoreError.
    """
    give_up_at = clock.monotonic() + seconds
    while True:
        with store_errors():
            found = store.database[COLLECTION].find_one({"_id": ObjectId(task)}, {"result": 1})
        if found is not None and "result" in found:
            result: Mapping[str, Any] = found["result"]
            return result
        if clock.monotonic() >= give_up_at:
            return None
        clock.wait(_NEVER, _LOOK_SECONDS)


def take_task(store: Store, now: datetime) -> Document | None:
    """Take the oldest task that nobody has begun, or whose sender is gone; None where there is none.

    Raises StoreError.
    """
    is_left = {"state": "begun", "begun_at": {"$lt": now - _LONGEST}}
    with store_errors():
        return store.database[COLLECTION].find_one_and_update(
            {"$or": [{"state": "waiting"}, is_left]},
            {"$set": {"state": "begun", "begun_at": now}},
            sort=[("created_at", 1)],
            return_document=ReturnDocument.AFTER,
        )


def end_task(store: Store, task: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Note what became of a task. Raises StoreError."""
    with store_errors():
        store.database[COLLECTION].update_one(
            {"_id": task["_id"]}, {"$set": {"state": "done", "result": dict(result)}}
        )


def _ask(store: Store, webhook: str, wanted: Document) -> str:
    load_webhook(store, webhook)
    with store_errors():
        made = store.database[COLLECTION].insert_one({"webhook": webhook, "state": "waiting", **wanted})
    return str(made.inserted_id)
