"""The collection `requests`: commands from anywhere, claimed by the daemon that holds the host's session.

A request is carried out at most once: it is claimed atomically, and a claim is never taken back after something
was sent.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ReturnDocument

from ipecs_mw.clock import Clock
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

DONE_STATES = frozenset({"done", "failed", "expired", "unknown"})
_FIRST_POLL_SECONDS = 0.002
_LONGEST_POLL_SECONDS = 0.1
_POLL_SHARE = 0.1  # of what was waited so far: the answer is noticed a tenth late at the most

Request = dict[str, Any]
_IS_ALIVE = {"$or": [{"expires_at": {"$exists": False}}, {"$expr": {"$gt": ["$expires_at", "$$NOW"]}}]}


def _requests(store: Store) -> Any:
    """Return the collection, read so that nothing that any driver may write is an error."""
    return store.database["requests"].with_options(
        codec_options=CodecOptions(
            tz_aware=True,
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
            unicode_decode_error_handler="replace",
        )
    )


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
    request.update({name: value for name, value in named.items() if value is not None})
    with store_errors():
        store.database["requests"].insert_one(request)
    return request["_id"]


def await_request(store: Store, request_id: Any, seconds: float, clock: Clock) -> Request | None:
    """Return the request once it has ended, as it then is; None where it has not within `seconds`."""
    began_at = clock.monotonic()
    never = threading.Event()
    while True:
        with store_errors():
            request = store.database["requests"].find_one({"_id": request_id})
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

    One that names a profile other than `profile` is left to the daemon of that one. `by` is the account that will
    carry it out, `claim` names this claim, for `find_claimed` where its confirmation was lost.
    """
    marks = {"claimed_by": {"$literal": by}, "claim": claim, "claimed_at": "$$NOW"}
    with store_errors():
        claimed: Request | None = _requests(store).find_one_and_update(
            {
                "state": "queued",
                "host": {"$in": list(hosts)},
                "profile": {"$in": [profile, None]},
                **_IS_ALIVE,
            },
            [{"$set": {"state": "sent", **marks}}],
            sort=[("created_at", 1)],
            return_document=ReturnDocument.AFTER,
        )
    return claimed


def find_claimed(store: Store, claim: str) -> Request | None:
    """Return the request of a claim, if it was made."""
    with store_errors():
        found: Request | None = _requests(store).find_one({"state": "sent", "claim": claim})
    return found


def finish_request(store: Store, request_id: Any, state: str, **fields: Any) -> None:
    """Write how a claimed request ended: `done`, `failed` or `unknown`, with its `result` or `error`."""
    changes = {name: {"$literal": value} for name, value in fields.items()}
    with store_errors():
        store.database["requests"].update_one(
            {"_id": request_id, "state": "sent"}, [{"$set": {**changes, "state": state, "ended_at": "$$NOW"}}]
        )


def hide_arguments(store: Store, request_id: Any, names: list[str], mask: str) -> None:
    """Replace secret arguments of a request that was claimed."""
    with store_errors():
        store.database["requests"].update_one(
            {"_id": request_id}, {"$set": {f"args.{n}": mask for n in names}}
        )


def requeue_request(store: Store, request_id: Any, arguments: Any) -> None:
    """Give a claimed request back, as it was: the host has refused the session before it did anything."""
    restored = {} if arguments is None else {"args": arguments}
    with store_errors():
        store.database["requests"].update_one(
            {"_id": request_id, "state": "sent"},
            {"$set": {"state": "queued", **restored}, "$inc": {"attempts": 1}},
        )


def expire_request(store: Store, request_id: Any) -> None:
    """Take a request back that nobody has claimed."""
    with store_errors():
        store.database["requests"].update_one(
            {"_id": request_id, "state": "queued"}, [{"$set": {"state": "expired", "ended_at": "$$NOW"}}]
        )


def expire_requests(store: Store) -> int:
    """Mark what waited too long, whoever it is for; return how many there were."""
    with store_errors():
        return (
            store.database["requests"]
            .update_many(
                {
                    "state": "queued",
                    "$expr": {"$lte": ["$expires_at", "$$NOW"]},
                    "expires_at": {"$exists": True},
                },
                [{"$set": {"state": "expired", "ended_at": "$$NOW"}}],
            )
            .modified_count
        )


def find_sent(store: Store, by: str) -> list[Request]:
    """Return what is claimed for the account `by` and has not ended."""
    with store_errors():
        return list(_requests(store).find({"state": "sent", "claimed_by": {"$eq": by}}))


def give_up_requests(store: Store, by: str) -> int:
    """Mark what a dead daemon had claimed for the account `by`: whether it was carried out is unknown."""
    with store_errors():
        return (
            store.database["requests"]
            .update_many(
                {"state": "sent", "claimed_by": by},
                [{"$set": {"state": "unknown", "ended_at": "$$NOW"}}],
            )
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
