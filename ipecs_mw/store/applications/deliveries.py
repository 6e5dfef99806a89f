"""The collection `deliveries`: each message that a webhook is told, from before it is sent until it is of no use.

A delivery has the same id however often it is made or sent. Only one sender writes here; it notes what became of a
try only while nobody else has noted one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal

from bson.errors import BSONError
from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from ipecs_mw.errors import NoSuchName
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import blames_document, store_errors, translate

COLLECTION = "deliveries"
STATES: Final = ("waiting", "delivered", "set_aside", "skipped")
State = Literal["waiting", "delivered", "set_aside", "skipped"]

_DUPLICATE = 11000
_MOST_NOTED_TRIES = 12
_NOT_ENCODABLE = (BSONError, OverflowError, UnicodeError, RecursionError)
_REASON = "BSON"  # of what cannot be written as such
_NAMES = ("step", "call", "captured", "reason")

Document = dict[str, Any]


class Delivery(Struct, frozen=True):
    """A message for a webhook. `order` is that of the changes; those of one `call` go one after the other."""

    id: str
    webhook: str
    order: str
    name: str
    host: str
    at: datetime
    data: Mapping[str, Any]
    next_at: datetime
    step: str = ""
    call: str = ""
    state: State = "waiting"
    tries: int = 0
    first_at: datetime | None = None
    captured: Mapping[str, Any] = {}
    reason: str = ""


class Tried(Struct, frozen=True):
    """One try: when, the status (None: no answer), how long it took, how the answer began, what was wrong."""

    at: datetime
    duration_seconds: float
    status: int | None = None
    answer: str = ""
    error: str = ""


class Noted(Struct, frozen=True):
    """What becomes of a delivery after a try, or without one; `delete_at` is when it is of no more use."""

    delivery: Delivery
    state: State
    tried: Tried | None = None
    next_at: datetime | None = None
    captured: Mapping[str, Any] = {}
    reason: str = ""
    at: datetime | None = None
    delete_at: datetime | None = None


def name_delivery(webhook: str, place: str, document: str, message: str, step: str) -> str:
    """Return the id of a delivery, the `webhook-id`: who reads the same change again gives it the same one."""
    content = f"{webhook}\0{place}\0{document}\0{message}\0{step}"
    return "msg_" + blake2b(content.encode(), digest_size=18).hexdigest()


def keep_deliveries(store: Store, deliveries: Sequence[Delivery]) -> None:
    """Keep deliveries durably; those that are there already stay as they are. Raises StoreError.

    One that MongoDB cannot take is kept without its content, set aside.
    """
    refused = _insert(store, [_write(each) for each in deliveries])
    _insert(store, [each | {"data": {}, "state": "set_aside", "reason": reason} for each, reason in refused])


def _insert(store: Store, documents: Sequence[Document]) -> list[tuple[Document, str]]:
    """Insert documents that are not there yet; return those that MongoDB will never take, and why."""
    if not documents:
        return []
    try:
        store.database[COLLECTION].insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failed = [each for each in error.details["writeErrors"] if each["code"] != _DUPLICATE]
        blamed = [each for each in failed if blames_document(each["code"])]
        if len(blamed) != len(failed) or error.details["writeConcernErrors"]:
            raise translate(error) from error
        return [(documents[each["index"]], _REASON) for each in blamed]
    except (OperationFailure, *_NOT_ENCODABLE) as error:
        if isinstance(error, OperationFailure) and not blames_document(error.code):
            raise translate(error) from error
        if len(documents) == 1:
            return [(documents[0], _REASON)]
        return [each for document in documents for each in _insert(store, [document])]
    except PyMongoError as error:
        raise translate(error) from error
    return []


def find_due(
    store: Store, webhook: str, now: datetime, *, limit: int, but: Sequence[str] = ()
) -> list[Delivery]:
    """Return the deliveries that may be sent now, in their order.

    None that waits for an earlier one of its call, unless that stands before it in what is returned. Those in
    `but`, which are being sent, are left aside. Raises StoreError.
    """
    query: Document = {
        "webhook": webhook,
        "state": "waiting",
        "next_at": {"$lte": now},
        "_id": {"$nin": list(but)},
    }
    with store_errors():
        due = [_read(each) for each in store.database[COLLECTION].find(query).sort("order").limit(limit)]
        firsts = _find_firsts(store, webhook, {each.call for each in due if each.call})
    allowed, found = dict(firsts), []
    for each in due:
        if each.call:
            queue = allowed.get(each.call) or []
            if not queue or queue[0] != each.id:
                allowed[each.call] = []
                continue
            allowed[each.call] = queue[1:]
        found.append(each)
    return found


def _find_firsts(store: Store, webhook: str, calls: set[str]) -> dict[str, list[str]]:
    """Return call → the ids of its deliveries that wait, in their order."""
    found: dict[str, list[str]] = {}
    query = {"webhook": webhook, "call": {"$in": sorted(calls)}, "state": "waiting"}
    if calls:
        for each in store.database[COLLECTION].find(query, {"call": 1}).sort("order"):
            found.setdefault(each["call"], []).append(each["_id"])
    return found


def find_captured(store: Store, webhook: str, call: str, before: str) -> dict[str, Any]:
    """Return what earlier deliveries of a call kept for later ones; the latest counts. Raises StoreError."""
    query = {"webhook": webhook, "call": call, "order": {"$lt": before}, "captured": {"$exists": True}}
    found: dict[str, Any] = {}
    with store_errors():
        for each in store.database[COLLECTION].find(query, {"captured": 1}).sort("order"):
            found |= each["captured"]
    return {name: value for name, value in found.items() if value != ""}


def note_all(store: Store, noted: Sequence[Noted]) -> None:
    """Note what became of deliveries, each unless another try of it was noted meanwhile. Raises StoreError."""
    writes = [
        UpdateOne(
            {"_id": each.delivery.id, "state": "waiting", "tries": each.delivery.tries}, _build_update(each)
        )
        for each in noted
    ]
    if writes:
        with store_errors():
            store.database[COLLECTION].bulk_write(writes, ordered=False)


def _build_update(noted: Noted) -> Document:
    changes: Document = {"state": noted.state}
    update: Document = {"$set": changes}
    if noted.next_at is not None:
        changes["next_at"] = noted.next_at
    if noted.captured:
        changes["captured"] = dict(noted.captured)
    if noted.reason:
        changes["reason"] = noted.reason
    if noted.state != "waiting":
        changes |= {"ended_at": noted.at, "delete_at": noted.delete_at}
    if (tried := noted.tried) is not None:
        if noted.delivery.tries == 0:
            changes["first_at"] = tried.at
        entry = {name: value for name, value in _to_dict(tried).items() if value not in (None, "")}
        update["$push"] = {"attempts": {"$each": [entry], "$slice": -_MOST_NOTED_TRIES}}
        update["$inc"] = {"tries": 1}
    return update


def try_at_once(store: Store, webhook: str, now: datetime) -> None:
    """Have all that is put off be tried now: the receiver is there again. Raises StoreError."""
    query = {"webhook": webhook, "state": "waiting", "next_at": {"$gt": now}}
    with store_errors():
        store.database[COLLECTION].update_many(query, {"$set": {"next_at": now}})


def set_old_aside(
    store: Store, webhook: str, before: datetime, reason: str, at: datetime, delete_at: datetime
) -> int:
    """Set aside what waits since before an instant, unless it was replayed since; return how many."""
    is_old = [{"replayed_at": {"$lt": before}}, {"replayed_at": {"$exists": False}, "at": {"$lt": before}}]
    query = {"webhook": webhook, "state": "waiting", "at": {"$lt": before}, "$or": is_old}
    changes = {"state": "set_aside", "reason": reason, "ended_at": at, "delete_at": delete_at}
    with store_errors():
        return store.database[COLLECTION].update_many(query, {"$set": changes}).modified_count


def send_again(
    store: Store,
    webhook: str,
    now: datetime,
    *,
    ids: Sequence[str] = (),
    since: datetime | None = None,
    everything: bool = False,
) -> int:
    """Have deliveries be sent again, with their id and content; return how many.

    Without `ids` those that were set aside, with `everything` also those that were delivered. Raises StoreError.
    """
    query: Document = {"webhook": webhook, "state": {"$ne": "waiting"}}
    if ids:
        query["_id"] = {"$in": list(ids)}
    elif not everything:
        query["state"] = "set_aside"
    else:
        query["state"] = {"$in": ["set_aside", "delivered"]}
    if since is not None:
        query["at"] = {"$gte": since}
    update = {
        "$set": {"state": "waiting", "next_at": now, "tries": 0, "replayed_at": now},
        "$unset": {"delete_at": "", "ended_at": "", "reason": "", "first_at": ""},
        "$inc": {"replays": 1},
    }
    with store_errors():
        return store.database[COLLECTION].update_many(query, update).modified_count


def list_deliveries(
    store: Store,
    webhook: str,
    *,
    state: str | None = None,
    limit: int = 50,
    before: str | None = None,
    with_data: bool = False,
) -> list[Document]:
    """Return deliveries, newest first, as MongoDB has them with `id` for `_id`; `before` is the id of one.

    Raises NoSuchName where there is no such delivery, StoreError.
    """
    query: Document = {"webhook": {"$eq": webhook}}
    if state is not None:
        query["state"] = {"$eq": state}
    with store_errors():
        if before is not None:
            last = store.database[COLLECTION].find_one({"_id": {"$eq": before}}, {"order": 1})
            if last is None:
                raise NoSuchName("error.delivery_unknown", id=before)
            query["order"] = {"$lt": last["order"]}
        fields = None if with_data else {"data": 0, "captured": 0}
        found = store.database[COLLECTION].find(query, fields).sort("order", -1).limit(limit)
        return [{"id": each["_id"], **{n: v for n, v in each.items() if n != "_id"}} for each in found]


def find_next_due(store: Store, webhook: str) -> datetime | None:
    """Return when the next delivery is to be tried; None where none waits. Raises StoreError."""
    query = {"webhook": webhook, "state": "waiting"}
    with store_errors():
        found = store.database[COLLECTION].find_one(query, {"next_at": 1}, sort=[("next_at", 1)])
    return None if found is None else found["next_at"]


def count_waiting(store: Store, webhook: str, most: int) -> int:
    """Return how many deliveries wait, `most` where there are more. Raises StoreError."""
    with store_errors():
        return store.database[COLLECTION].count_documents(
            {"webhook": webhook, "state": "waiting"}, limit=most
        )


def count_set_aside(store: Store, webhook: str, since: datetime) -> int:
    """Return how many deliveries were set aside since an instant. Raises StoreError."""
    query = {"webhook": webhook, "state": "set_aside", "ended_at": {"$gte": since}}
    with store_errors():
        return store.database[COLLECTION].count_documents(query)


def find_oldest_waiting(store: Store, webhook: str) -> datetime | None:
    """Return since when the oldest delivery waits; None where none does. Raises StoreError."""
    query = {"webhook": webhook, "state": "waiting"}
    with store_errors():
        found = store.database[COLLECTION].find_one(query, {"at": 1}, sort=[("order", 1)])
    return None if found is None else found["at"]


def forget_deliveries(store: Store, but: Iterable[str]) -> None:
    """Delete what waits for webhooks that are no more; `but` are those that there are. Raises StoreError."""
    with store_errors():
        store.database[COLLECTION].delete_many({"state": "waiting", "webhook": {"$nin": list(but)}})


def _write(delivery: Delivery) -> Document:
    document = {name: value for name, value in _to_dict(delivery).items() if name not in ("id", *_NAMES)}
    document |= {name: getattr(delivery, name) for name in _NAMES if getattr(delivery, name)}
    return {"_id": delivery.id, **{name: value for name, value in document.items() if value is not None}}


def _read(document: Mapping[str, Any]) -> Delivery:
    known = {name: document[name] for name in Delivery.__struct_fields__ if name in document}
    return Delivery(**known, id=document["_id"])


def _to_dict(value: Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
