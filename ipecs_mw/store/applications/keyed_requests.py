"""Requests of applications: the same key gives the same request, never a second command."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import ChangedMeanwhile
from ipecs_mw.messages.message import spell_request
from ipecs_mw.model.contents import MASK
from ipecs_mw.store.coordination.requests import Request, Secrets, build_request, open_requests
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors


def submit_keyed(
    store: Store,
    command: str,
    arguments: Mapping[str, Any],
    *,
    secrets: Secrets,
    token: str,
    key: str | None,
    host: str | None,
    profile: str,
    created_at: datetime,
    expires_at: datetime,
) -> Request:
    """Queue a command for the holder of a token, and return the request; with a key that was used, that of before.

    `secrets` are the names of secret arguments, in lower case.
    Raises ChangedMeanwhile where the key was used for another command; StoreError.
    """
    request = build_request(
        command,
        arguments,
        host=host,
        by=f"token:{token}",
        created_at=created_at,
        expires_at=expires_at,
        profile=profile,
    )
    if key is None:
        with store_errors():
            store.database["requests"].insert_one(request)
        return request
    # the fingerprint tells whether it is the same command again, also when its arguments are masked by then
    open_arguments = sorted((each for each in arguments.items() if each[0].lower() not in secrets), key=repr)
    told = repr((command, open_arguments, host)).encode()
    request |= {
        "key": sha256(f"{token}\0{key}".encode()).hexdigest(),
        "fingerprint": sha256(told).hexdigest(),
    }
    with store_errors():
        try:
            store.database["requests"].insert_one(request)
        except DuplicateKeyError:
            found: Request | None = open_requests(store).find_one({"key": request["key"]})
            if found is None or found.get("fingerprint") != request["fingerprint"]:
                raise ChangedMeanwhile("error.key_used", key=key[:80]) from None
            return found
    return request


def find_request(store: Store, request_id: str) -> Request | None:
    """Return a request by its id; None where there is none."""
    try:
        wanted: Any = ObjectId(request_id)
    except (InvalidId, TypeError):
        wanted = request_id
    with store_errors():
        found: Request | None = open_requests(store).find_one({"_id": {"$eq": wanted}})
    return found


def show_request(request: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Return a request as an application sees it; `secrets` are the names of secret arguments, in lower case."""
    shown = spell_request(request)
    if isinstance(shown.get("args"), Mapping):
        shown["args"] = {
            name: MASK if str(name).lower() in secrets else value for name, value in shown["args"].items()
        }
    return shown
