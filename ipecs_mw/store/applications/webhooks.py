"""The collection `webhooks`: who is told what, and where; made, changed and listed by CLI and API alike.

What is shown has no secret, and of a URL only its scheme and host.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import ChangedMeanwhile, CommandRefused, InvalidDocument, NoSuchName, StoreRefused, Words
from ipecs_mw.messages.formats.signing import spell_secret
from ipecs_mw.messages.rights import MANAGE
from ipecs_mw.messages.webhook import (
    SECRET_FIELDS,
    Webhook,
    find_missing_variables,
    find_scope,
    is_hidden,
    list_secret_variables,
    parse_webhook,
    read_limits,
    show_url,
)
from ipecs_mw.store.applications.tokens import Token, load_valid
from ipecs_mw.store.applications.webhook_positions import forget_places
from ipecs_mw.store.applications.webhook_secrets import (
    forget_secrets,
    hide_first_secrets,
    hide_secrets,
)
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

COLLECTION = "webhooks"

_CHANGEABLE = frozenset(
    {
        "url",
        "topics",
        "hosts",
        "kinds",
        "types",
        "stations",
        "groups",
        "format",
        "limits",
        "token",
        "state",
        "variables",
        "secret",
    }
)
_SECRET_BYTES = 32

Document = dict[str, Any]


def make_secret() -> str:
    """Return a new secret."""
    return spell_secret(secrets.token_bytes(_SECRET_BYTES))


def add_webhook(
    store: Store, name: str, fields: Mapping[str, Any], *, by: str, now: datetime
) -> tuple[Document, str]:
    """Add a webhook of these fields; return it as it is shown, and its secret, which is not shown again.

    Without a `secret` one is made; blank for one that is kept elsewhere. Raises InvalidDocument, CommandRefused
    where there is one of this name, StoreError.
    """
    secret = fields.get("secret") or make_secret()
    document = {
        **_without_blanks(fields),
        "_id": name,
        "secret": secret,
        "state": fields.get("state") or "active",
        "revision": 1,
        "created_at": now,
        "created_by": by,
    }
    webhook = parse_webhook(document)
    _refuse_hidden(name, fields)
    _refuse_missing(document, webhook, frozenset(document.get("variables") or ()))
    with store_errors():
        try:
            store.database[COLLECTION].insert_one(document)
        except DuplicateKeyError as error:
            raise CommandRefused("error.webhook_exists", webhook=name) from error
    hide_first_secrets(store, document)
    return show_webhook(document), secret if isinstance(secret, str) else ""


def list_webhooks(store: Store) -> list[Document]:
    """Return every webhook as it is shown, by name. Raises StoreError."""
    with store_errors():
        return [show_webhook(each) for each in store.database[COLLECTION].find(sort=[("_id", 1)])]


def load_webhook(store: Store, name: str) -> Document:
    """Return a webhook as it is shown; raises NoSuchName, StoreError."""
    return show_webhook(_load(store, name))


def change_webhook(
    store: Store,
    name: str,
    changes: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    seen: Mapping[str, Any] | None = None,
) -> Document:
    """Change fields of a webhook (None: as if not given); return it as it is shown.

    `seen` is how it was when that was decided. Raises NoSuchName, InvalidDocument, ChangedMeanwhile, StoreError.
    """
    present = _load(store, name)
    if seen is not None and seen.get("revision") != present.get("revision"):
        raise ChangedMeanwhile("error.webhook_changed", webhook=name)
    for field in changes:
        if field not in _CHANGEABLE:
            allowed = ", ".join(sorted(_CHANGEABLE))
            raise InvalidDocument(
                "error.field_unknown",
                document=f"{COLLECTION}/{name}",
                path=field,
                value="***",
                allowed=allowed,
            )
    document = {**present, **changes, "updated_at": now, "updated_by": by}
    document["revision"] = int(present.get("revision") or 1) + 1
    if changes.get("state") in ("active", "paused"):
        document["reason"] = None
    document = _without_blanks(document)
    parse_webhook(document)
    _refuse_hidden(name, changes)
    same = {"_id": name, "revision": present.get("revision")}
    with store_errors():
        found = store.database[COLLECTION].replace_one(same, document)
    if not found.matched_count:
        raise ChangedMeanwhile("error.webhook_changed", webhook=name)
    _hide(store, document)
    return show_webhook(document)


def remove_webhook(store: Store, name: str) -> None:
    """Remove a webhook; the sender forgets the rest of it. Raises NoSuchName, StoreError."""
    with store_errors():
        if not store.database[COLLECTION].delete_one({"_id": {"$eq": name}}).deleted_count:
            raise _no_such(store, name)
    with suppress(StoreRefused):
        forget_secrets(store, name)
        forget_places(store, [str(each["_id"]) for each in load_all(store)])


def rotate_secret(store: Store, name: str, *, by: str, now: datetime, secret: Any = None) -> str:
    """Give a webhook another secret, without one a new one, which is returned.

    The former one signs too for a while, which the sender says. Raises as `change_webhook`.
    """
    new = secret or make_secret()
    change_webhook(store, name, {"secret": new}, by=by, now=now)
    return new if isinstance(new, str) else ""


def resume_webhook(store: Store, name: str, *, by: str, now: datetime) -> None:
    """Have a webhook go on; where its token is valid no more, without one. Raises as `change_webhook`."""
    present = _load(store, name)
    changes: Document = {"state": "active"}
    if is_orphan(present, load_valid(store, list_tokens_of([present]), now)):
        changes["token"] = None
    change_webhook(store, name, changes, by=by, now=now, seen=present)


def list_tokens_of(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of the tokens by whose leave webhooks are."""
    return {token for each in documents if isinstance(token := each.get("token"), str)}


def is_orphan(document: Mapping[str, Any], valid: Mapping[str, Token]) -> bool:
    """Tell whether a webhook's token is not among those that are valid, or no longer allows it."""
    name = document.get("token")
    if not isinstance(name, str):
        return False
    token = valid.get(name)
    return (
        token is None
        or MANAGE not in token.rights
        or not token.scope.covers(find_scope(read_limits(document)))
    )


def disable_webhook(store: Store, name: str, reason: str, now: datetime) -> None:
    """Note that nothing more is sent, and why: `410` where the receiver wants it so. Raises StoreError."""
    changes = {"$set": {"state": "disabled", "reason": reason, "updated_at": now}, "$inc": {"revision": 1}}
    with store_errors():
        store.database[COLLECTION].update_one({"_id": {"$eq": name}, "state": "active"}, changes)


def show_webhook(document: Mapping[str, Any]) -> Document:
    """Return a webhook's document for people and programs: `name` for `_id`, no secret, no path of a URL."""
    shown = {field: value for field, value in document.items() if field not in (*SECRET_FIELDS, "_id")}
    shown["url"] = show_url(str(document.get("url", "")))
    try:
        hidden = list_secret_variables(parse_webhook(document).template)
    except InvalidDocument:
        hidden = frozenset(document.get("variables") or ())
    if isinstance(document.get("variables"), Mapping):
        shown["variables"] = {
            name: value for name, value in document["variables"].items() if name not in hidden
        }
    return {"name": document["_id"], "state": "active", **_without_blanks(shown)}


def load_all(store: Store) -> Iterator[Document]:
    """Yield every document of `webhooks` as it stands there. Raises StoreError."""
    with store_errors():
        yield from store.database[COLLECTION].find(sort=[("_id", 1)])


def adopt_named(store: Store) -> None:
    """Give webhooks that people inserted with a `name` instead of an `_id` their `_id`. Raises StoreError."""
    with store_errors():
        collection = store.database[COLLECTION]
        for each in list(collection.find({"name": {"$type": "string"}})):
            renamed = {
                "_id": each["name"],
                **{field: each[field] for field in each if field not in ("_id", "name")},
            }
            with suppress(DuplicateKeyError):
                if each["_id"] == each["name"]:
                    collection.update_one({"_id": each["_id"]}, {"$unset": {"name": ""}})
                else:
                    collection.insert_one(renamed)
                    collection.delete_one({"_id": each["_id"]})


def _load(store: Store, name: str) -> Document:
    with store_errors():
        found = store.database[COLLECTION].find_one({"_id": {"$eq": name}})
        if found is None:
            raise _no_such(store, name)
    return found


def _no_such(store: Store, name: str) -> NoSuchName:
    names = [str(each["_id"]) for each in store.database[COLLECTION].find({}, {"_id": 1}, sort=[("_id", 1)])]
    return NoSuchName("error.webhook_unknown", webhook=name, allowed=", ".join(names) or "-")


def _refuse_missing(document: Document, webhook: Webhook, names: frozenset[str]) -> None:
    for missing in find_missing_variables(webhook, names):
        raise InvalidDocument(
            "error.field_missing",
            document=f"{COLLECTION}/{document['_id']}",
            path=f"variables.{missing}",
            value=None,
            allowed=", ".join(webhook.template.variables if webhook.template else ()),
        )


def _refuse_hidden(name: str, fields: Mapping[str, Any]) -> None:
    """Refuse a URL as it is shown: it leads nowhere."""
    if is_hidden(str(fields.get("url", ""))):
        raise InvalidDocument(
            "error.field_value",
            document=f"{COLLECTION}/{name}",
            path="url",
            value=fields["url"],
            allowed=Words("allowed.webhook_url"),
        )


def _hide(store: Store, document: Document) -> None:
    """Put secrets where few may read; who may not write there leaves it to the sender."""
    with suppress(StoreRefused):
        hide_secrets(store, document)


def _without_blanks(fields: Mapping[str, Any]) -> Document:
    return {name: value for name, value in fields.items() if value is not None}
