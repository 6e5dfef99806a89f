"""Sessions of the page: browsers that signed in; MongoDB has the hash of each, and that of its token."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import structs

from ipecs_mw.store.applications.tokens import Token, hash_secret, read_valid
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

LONGEST = timedelta(days=400)
"""Browsers keep no cookie for longer."""

_RANDOM_BYTES = 32
_LONGEST_ID = 200


def open_session(store: Store, secret: str, token: Token, now: datetime) -> tuple[str, datetime]:
    """Return the id of a new session of a token, given with its secret, and until when it lasts."""
    session = secrets.token_urlsafe(_RANDOM_BYTES)
    expires_at = min(now + LONGEST, token.expires_at or now + LONGEST)
    with store_errors():
        store.database["page_sessions"].insert_one(
            {"_id": hash_secret(session), "token_sha256": hash_secret(secret), "expires_at": expires_at}
        )
    return session, expires_at


def find_session(store: Store, session: str, now: datetime) -> Token | None:
    """Return what the token of a session allows; None where either is not valid."""
    if len(session) > _LONGEST_ID:
        return None
    key = hash_secret(session)
    with store_errors():
        found = store.database["page_sessions"].find_one({"_id": key, "expires_at": {"$gt": now}})
        document = found and store.database["tokens"].find_one({"sha256": found["token_sha256"]})
    token = read_valid(document, now) if document else None
    return None if token is None else structs.replace(token, session=key)


def close_session(store: Store, key: str) -> None:
    """End a session, given by `session` of its token; one that there is not has ended."""
    with store_errors():
        store.database["page_sessions"].delete_one({"_id": key})


def find_open(store: Store, keys: Iterable[str]) -> frozenset[str]:
    """Return which of these sessions have not been ended."""
    wanted = list(keys)
    if not wanted:
        return frozenset()
    with store_errors():
        found = store.database["page_sessions"].find({"_id": {"$in": wanted}}, {"_id": 1})
        return frozenset(each["_id"] for each in found)
