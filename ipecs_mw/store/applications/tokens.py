"""Tokens of applications: MongoDB has the hash, the rights, the scope and the expiry of each, and never itself."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import CommandRefused, NoSuchName, Words
from ipecs_mw.messages.rights import COMMANDS, EVERYTHING, RIGHTS, Scope, is_right
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

PREFIX = "ipecsmw_"
"""What every token begins with, so that it is found where it should not be."""

TICKET_SECONDS = 60
"""So long a ticket opens a stream."""

_RANDOM_BYTES = 32
_LONGEST = 200
_LONGEST_NAME = 64

Document = dict[str, Any]


class Token(Struct, frozen=True):
    """What somebody who has a token may do; `session` is the key of the page's session that it came by, if any."""

    name: str
    rights: frozenset[str]
    scope: Scope = EVERYTHING
    expires_at: datetime | None = None
    session: str = ""

    def is_over(self, now: datetime) -> bool:
        """Tell whether it has expired."""
        return self.expires_at is not None and now >= self.expires_at


def create_token(
    store: Store,
    name: str,
    rights: Sequence[str],
    scope: Scope,
    *,
    at: datetime,
    by: str,
    expires_at: datetime | None = None,
) -> str:
    """Make a token and return it: it is shown now and never again.

    Raises CommandRefused for a name that there is already or that is none, and for a right that there is not.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() or "/" in name:
        allowed = Words("allowed.token_name", most=_LONGEST_NAME)
        raise CommandRefused("error.argument", name="name", value=repr(name)[:80], allowed=allowed)
    for right in rights:
        if not is_right(right):
            raise NoSuchName("error.no_such_choice", name="right", value=right, allowed=spell_rights())
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    document: Document = {
        "_id": name,
        "sha256": hash_secret(token),
        "rights": sorted(set(rights)),
        "created_at": at,
        "created_by": by,
    }
    parts = {"hosts": scope.hosts, "stations": scope.stations, "groups": scope.groups}
    document |= {part: sorted(values) for part, values in parts.items() if values}
    if expires_at is not None:
        document["expires_at"] = expires_at
    with store_errors():
        try:
            store.database["tokens"].insert_one(document)
        except DuplicateKeyError as error:
            raise CommandRefused("error.token_exists", name=name) from error
    return token


def spell_rights() -> str:
    """Return all rights, for people."""
    return ", ".join(f"{right}ID" if right == COMMANDS else right for right in RIGHTS)


def list_tokens(store: Store) -> Iterator[Document]:
    """Yield all tokens by name, without their hashes, each with `last_used_at` where it was used."""
    with store_errors():
        uses = {each["_id"]: each["last_used_at"] for each in store.database["token_uses"].find()}
        for document in store.database["tokens"].find({}, {"sha256": 0}).sort("_id", 1):
            used = uses.get(document["_id"])
            yield document if used is None else {**document, "last_used_at": used}


def revoke_token(store: Store, name: str, *, at: datetime, by: str) -> Document:
    """Have a token be refused from now on; raises NoSuchName where there is none of this name."""
    with store_errors():
        found: Document | None = store.database["tokens"].find_one_and_update(
            {"_id": name},
            [
                {
                    "$set": {
                        "revoked_at": {"$ifNull": ["$revoked_at", at]},
                        "revoked_by": {"$ifNull": ["$revoked_by", {"$literal": by}]},
                    }
                }
            ],
            projection={"sha256": 0},
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            names = ", ".join(str(each["_id"]) for each in store.database["tokens"].find({}, {"_id": 1}))
            raise NoSuchName("error.no_such_choice", name="token", value=name, allowed=names or "-")
    return found


def find_token(store: Store, secret: str, now: datetime) -> Token | None:
    """Return what a token allows; None for one that there is not, that was revoked, or has expired."""
    if not secret.startswith(PREFIX) or len(secret) > _LONGEST:
        return None
    with store_errors():
        found = store.database["tokens"].find_one({"sha256": hash_secret(secret)})
    return None if found is None else read_valid(found, now)


def load_valid(store: Store, names: Iterable[str], now: datetime) -> Mapping[str, Token]:
    """Return the tokens of these names that are valid now."""
    with store_errors():
        found = list(store.database["tokens"].find({"_id": {"$in": list(names)}}))
    tokens = [token for each in found if (token := read_valid(each, now)) is not None]
    return {token.name: token for token in tokens}


def read_valid(document: Document, now: datetime) -> Token | None:
    """Return what a document allows; what is not as it should be, somebody having edited it, allows nothing."""
    parts = [document.get(part) or [] for part in ("rights", "hosts", "stations", "groups")]
    expires_at = document.get("expires_at")
    is_sound = all(isinstance(part, list) for part in parts) and isinstance(expires_at, datetime | None)
    if "revoked_at" in document or not is_sound:
        return None
    rights, *scope = (frozenset(map(str, part)) for part in parts)
    token = Token(str(document["_id"]), rights, Scope(*scope), expires_at)
    return None if token.is_over(now) else token


def note_uses(store: Store, uses: Mapping[str, datetime]) -> None:
    """Note when tokens were used last, by name."""
    writes = [
        UpdateOne({"_id": name}, {"$max": {"last_used_at": at}}, upsert=True) for name, at in uses.items()
    ]
    if writes:
        with store_errors():
            store.database["token_uses"].bulk_write(writes, ordered=False)


def make_ticket(store: Store, token: str, now: datetime) -> tuple[str, datetime]:
    """Return a ticket that opens one stream with the rights of a token, given by its name, and until when."""
    ticket, expires_at = secrets.token_urlsafe(_RANDOM_BYTES), now + timedelta(seconds=TICKET_SECONDS)
    with store_errors():
        store.database["stream_tickets"].insert_one(
            {"_id": hash_secret(ticket), "token": token, "expires_at": expires_at}
        )
    return ticket, expires_at


def find_ticket(store: Store, ticket: str, now: datetime) -> Token | None:
    """Return what the token of a ticket allows; None where either is not valid."""
    if len(ticket) > _LONGEST:
        return None
    with store_errors():
        found = store.database["stream_tickets"].find_one(
            {"_id": hash_secret(ticket), "expires_at": {"$gt": now}}
        )
    return None if found is None else load_valid(store, [found["token"]], now).get(found["token"])


def hash_secret(secret: str) -> str:
    """Return what MongoDB has of a random value of 256 bits; a slow hash is for what people choose."""
    return sha256(secret.encode()).hexdigest()
