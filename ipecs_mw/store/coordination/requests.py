"""The collection `requests`: commands from anywhere, claimed by the daemon that holds the host's session.

A request is carried out at most once: it is claimed atomically, and a claim is never taken back after something
was sent.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from ipecs_mw.clock import Clock
from ipecs_mw.store.server.connection import TOLERANT, Store
from ipecs_mw.store.server.failures import store_errors

DONE_STATES = frozenset({"done", "failed", "expired", "unknown"})
MOST_BYTES = 1024 * 1024
"""A request above it is not taken: MongoDB could not even note in one of 16 MiB what becomes of it."""

TYPES: Mapping[str, Sequence[str]] = {
    "state": ("string",),
    "host": ("string", "null", "missing"),
    "profile": ("string", "null", "missing"),
    "expires_at": ("date", "null", "missing"),
}
"""The fields that decide who takes a request and until when, with what BSON may have there."""

_FIRST_POLL_SECONDS = 0.002
_LONGEST_POLL_SECONDS = 0.1
_POLL_SHARE = 0.1  # of what was waited so far: the answer is noticed a tenth late at the most

Request = dict[str, Any]
Secrets = Collection[str]
"""Names of secret arguments, of whatever command, in lower case."""

_MASK = "***"
_NEVER = datetime.max.replace(tzinfo=UTC)
_EXPIRES_AT = {"$ifNull": ["$expires_at", {"$literal": _NEVER}]}
IS_SOUND = {
    "$and": [
        {"$lte": [{"$bsonSize": "$$ROOT"}, MOST_BYTES]},
        *({"$in": [{"$type": f"${field}"}, list(types)]} for field, types in TYPES.items()),
    ]
}
_IS_ALIVE = {"$gt": [_EXPIRES_AT, "$$NOW"]}
_HAS_EXPIRED = {"$lte": [_EXPIRES_AT, "$$NOW"]}


def open_requests(store: Store) -> Any:
    """Return the collection, read so that nothing that any driver may write is an error."""
    return store.database["requests"].with_options(codec_options=TOLERANT)


def mask_secrets(names: Secrets) -> Mapping[str, Any]:
    """Return the arguments of a request with these masked, as an expression: also where they are no object."""
    is_secret = {"$in": [{"$toLower": "$$this.k"}, {"$literal": sorted(names)}]}
    entry = {"k": "$$this.k", "v": {"$cond": [is_secret, _MASK, "$$this.v"]}}
    masked = {"$arrayToObject": {"$map": {"input": {"$objectToArray": "$args"}, "in": entry}}}
    kind = {"$type": "$args"}
    branches = [
        {"case": {"$eq": [kind, "object"]}, "then": masked},
        {"case": {"$in": [kind, ["missing", "null"]]}, "then": "$args"},
    ]
    return {"$switch": {"branches": branches, "default": _MASK}}


def _end(state: str, names: Secrets, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the stage that ends a request: no secret stays in one that nobody will carry out any more."""
    changes = {name: {"$literal": value} for name, value in (fields or {}).items()}
    return {"$set": {**changes, "args": mask_secrets(names), "state": state, "ended_at": "$$NOW"}}


def submit_request(
    store: Store,
    command: str,
    arguments: Mapping[str, Any],
    *,
    host: str | None,
    by: str,
    created_at: datetime,
    expires_at: datetime,
    profile: str | None = None,
) -> Any:
    """Queue a command and return the request's id; without a `profile` it is for the daemons of all of them."""
    request = build_request(
        command,
        arguments,
        host=host,
        by=by,
        created_at=created_at,
        expires_at=expires_at,
        profile=profile,
    )
    with store_errors():
        store.database["requests"].insert_one(request)
    return request["_id"]


def build_request(
    command: str,
    arguments: Mapping[str, Any],
    *,
    host: str | None,
    by: str,
    created_at: datetime,
    expires_at: datetime,
    profile: str | None,
) -> Request:
    """Return the document of a command that waits, as `submit_request` queues it."""
    request: Request = {
        "_id": ObjectId(),
        "command": command,
        "args": dict(arguments),
        "state": "queued",
        "created_at": created_at,
        "expires_at": expires_at,
        "created_by": by,
    }
    named = {"host": host, "profile": profile}
    return request | {name: value for name, value in named.items() if value is not None}


def await_request(store: Store, request_id: Any, seconds: float, clock: Clock) -> Request | None:
    """Return the request once it has ended, as it then is; None where it has not within `seconds`."""
    began_at = clock.monotonic()
    never = threading.Event()
    while True:
        with store_errors():
            request: Request | None = open_requests(store).find_one({"_id": request_id})
        if request is not None and request.get("state") in DONE_STATES:
            return request
        waited = clock.monotonic() - began_at
        if waited >= seconds:
            return None
        clock.wait(never, min(max(waited * _POLL_SHARE, _FIRST_POLL_SECONDS), _LONGEST_POLL_SECONDS))


def is_waiting(store: Store, request_id: Any) -> bool:
    """Tell whether nobody has claimed the request yet."""
    with store_errors():
        return store.database["requests"].find_one({"_id": request_id, "state": "queued"}) is not None


def claim_request(
    store: Store, hosts: Sequence[str | None], by: str, claim: str, profile: str
) -> Request | None:
    """Claim the oldest request that waits for one of `hosts` (None: that names no host) and is not expired.

    One that names a profile other than `profile` is left to the daemon of that one, one that is not sound to
    `unserved.py`. `by` is the account that will carry it out. `claim` names this claim, and no other: by it alone
    what is claimed is found again and written to.
    """
    marks = {"claimed_by": {"$literal": by}, "claim": claim, "claimed_at": "$$NOW"}
    with store_errors():
        claimed: Request | None = open_requests(store).find_one_and_update(
            {
                "state": "queued",
                "host": {"$in": list(hosts)},
                "profile": {"$in": [profile, None]},
                "$expr": {"$and": [IS_SOUND, _IS_ALIVE]},
            },
            [{"$set": {"state": "sent", **marks}}],
            sort=[("created_at", 1)],
            return_document=ReturnDocument.AFTER,
        )
    return claimed


def find_claimed(store: Store, claim: str) -> Request | None:
    """Return the request of a claim, if it was made."""
    with store_errors():
        found: Request | None = open_requests(store).find_one({"state": "sent", "claim": claim})
    return found


def finish_request(store: Store, claim: str, state: str, names: Secrets, **fields: Any) -> None:
    """Write how the request of a claim ended, with its `result` or `error`; can be repeated."""
    _change_claimed(store, claim, [_end(state, names, fields)])


def hide_arguments(store: Store, claim: str, names: Secrets) -> bool:
    """Mask secret arguments of a claimed request; tell whether the claim still holds."""
    return _change_claimed(store, claim, [{"$set": {"args": mask_secrets(names)}}])


def requeue_request(store: Store, claim: str, attempts: int, arguments: Any) -> None:
    """Give a claimed request back, as it was: the host has refused the session before it did anything.

    Can be repeated: who has claimed it by then keeps it.
    """
    restored = {} if arguments is None else {"args": {"$literal": arguments}}
    changes: list[dict[str, Any]] = [
        {"$set": {"state": "queued", "attempts": attempts, **restored}},
        {"$unset": ["claim", "claimed_by", "claimed_at"]},
    ]
    _change_claimed(store, claim, changes)


def _change_claimed(store: Store, claim: str, changes: list[dict[str, Any]]) -> bool:
    """Change the request of a claim, unless that has passed to another; tell whether it has not."""
    with store_errors():
        found = store.database["requests"].update_one({"state": "sent", "claim": claim}, changes)
    return bool(found.matched_count)


def find_secrets(store: Store) -> Secrets:
    """Return the names of the secret arguments of all commands that MongoDB defines."""
    pipeline: list[dict[str, Any]] = [
        {"$unwind": "$params"},
        {"$match": {"params.secret": True}},
        {"$group": {"_id": "$params.name"}},
    ]
    with store_errors():
        return {str(found["_id"]).lower() for found in store.database["commands"].aggregate(pipeline)}


def expire_request(store: Store, request_id: Any) -> bool:
    """Take a request back that nobody has claimed; tell whether it is."""
    names = find_secrets(store)
    with store_errors():
        found = store.database["requests"].update_one(
            {"_id": request_id, "state": "queued"}, [_end("expired", names)]
        )
    return bool(found.matched_count)


def expire_requests(store: Store, names: Secrets) -> int:
    """Mark what waited too long, whoever it is for; return how many there were."""
    with store_errors():
        return (
            store.database["requests"]
            .update_many(
                {"state": "queued", "$expr": {"$and": [IS_SOUND, _HAS_EXPIRED]}}, [_end("expired", names)]
            )
            .modified_count
        )


def find_sent(store: Store, by: str) -> list[Request]:
    """Return what is claimed for the account `by` and has not ended."""
    with store_errors():
        return list(open_requests(store).find({"state": "sent", "claimed_by": {"$eq": by}}))


def give_up_requests(store: Store, by: str, names: Secrets) -> int:
    """Mark what a dead daemon had claimed for the account `by`: whether it was carried out is unknown."""
    with store_errors():
        return (
            store.database["requests"]
            .update_many({"state": "sent", "claimed_by": {"$eq": by}}, [_end("unknown", names)])
            .modified_count
        )


def resolve_request(store: Store, request_id: Any, event_id: str) -> bool:
    """Mark a request whose end was unknown as done, as this event shows; tell whether it is.

    Can be repeated. One that has ended otherwise, or not yet, is left as it is.
    """
    marks = {"state": "done", "resolved_by": {"$literal": event_id}, "resolved_at": "$$NOW"}
    with store_errors():
        return bool(
            store.database["requests"]
            .update_one(
                {"_id": request_id, "$or": [{"state": "unknown"}, {"resolved_by": {"$eq": event_id}}]},
                [{"$set": marks}, {"$unset": "error"}],
            )
            .matched_count
        )
