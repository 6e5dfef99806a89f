"""The collection `webhook_secrets`: what of webhooks only the sender may read. A document a webhook, by its name.

Whoever makes a webhook puts its secret into the document of `webhooks`; at first sight it is moved here.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, field, json
from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.messages.webhook import is_hidden, list_secret_variables, parse_webhook, show_url
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

COLLECTION = "webhook_secrets"
FORMER_LASTS: Final = timedelta(hours=24)
"""So long the former secret signs too."""

Document = dict[str, Any]


class Hidden(Struct, frozen=True):
    """What is kept of a webhook: each secret as it was written, a text or where it is kept.

    `former` counts until `former_until`. `url` is whole where that in `webhooks` is cut.
    `meant_for` says for which receiver and format variables and URL were given.
    """

    secret: Any = None
    former: Any = None
    former_until: datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    meant_for: str = ""


def hide_secrets(store: Store, document: Mapping[str, Any]) -> bool:
    """Move what is secret out of a document of `webhooks`; tell whether there was anything.

    A secret that replaces another leaves that one valid for a while. What a document says wrongly stays where it
    is. Raises StoreError.
    """
    found = _find_secrets(document)
    if not found:
        return False
    given, meant_for = {"$literal": found.get("variables", {})}, {"$literal": find_meaning(document)}
    is_same = {"$eq": ["$meant_for", meant_for]}
    # what was given for another receiver, or another format, is not sent to this one
    changes: Document = {
        "meant_for": meant_for,
        "variables": {"$cond": [is_same, {"$mergeObjects": ["$variables", given]}, given]},
        "url": {"$cond": [is_same, "$url", "$$REMOVE"]},
    }
    if "url" in found:
        changes["url"] = {"$literal": found["url"]}
    if "secret" in found:
        new = {"$literal": found["secret"]}
        replaces = {"$and": [{"$ne": [{"$type": "$secret"}, "missing"]}, {"$ne": ["$secret", new]}]}
        changes |= {
            "secret": new,
            "former": {"$cond": [replaces, "$secret", "$former"]},
            "changed_at": {"$cond": [replaces, "$$NOW", "$changed_at"]},
        }
    with store_errors():
        # without reading: who may write here may not read
        store.database[COLLECTION].update_one({"_id": document["_id"]}, [{"$set": changes}], upsert=True)
        _clear(store, document, found)
    return True


def hide_first_secrets(store: Store, document: Mapping[str, Any]) -> None:
    """Move what is secret out of a new document of `webhooks`, by adding alone. Raises StoreError."""
    found = _find_secrets(document)
    with store_errors(), suppress(DuplicateKeyError):  # of a webhook that is no more: the sender sees to it
        meaning = {"meant_for": find_meaning(document)}
        store.database[COLLECTION].insert_one({"_id": document["_id"], **found, **meaning})
        _clear(store, document, found)


def find_meaning(document: Mapping[str, Any]) -> str:
    """Return for which receiver and which format what is secret of a webhook was given: it serves no other."""
    try:
        parts = urlsplit(str(document.get("url", "")))
        origin = f"{parts.scheme}://{parts.netloc}".lower()
    except ValueError:
        origin = "-"
    form = document.get("format", "standard")
    return f"{origin} {form if isinstance(form, str) else blake2b(json.encode(form, order='sorted')).hexdigest()}"


def _find_secrets(document: Mapping[str, Any]) -> Document:
    """Return what of a document has to be moved."""
    found: Document = {}
    if document.get("secret") is not None:
        found["secret"] = document["secret"]
    try:
        template = parse_webhook(document).template
    except InvalidDocument:
        return {}
    given = document.get("variables") or {}
    hidden = {name: given[name] for name in list_secret_variables(template) & given.keys()}
    if hidden:
        found["variables"] = hidden
    url = str(document.get("url", ""))
    if template is not None and template.has_secret_url and not is_hidden(url) and show_url(url) != url:
        found["url"] = url
    return found


def _clear(store: Store, document: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Take out of the document what was moved, unless it has changed meanwhile: that is found by the next look."""
    same: Document = {"_id": document["_id"]}
    update: Document = {"$unset": {}}
    if "secret" in found:
        same["secret"] = {"$eq": found["secret"]}
        update["$unset"]["secret"] = ""
    for name, value in found.get("variables", {}).items():
        same[f"variables.{name}"] = {"$eq": value}
        update["$unset"][f"variables.{name}"] = ""
    if "url" in found:
        same["url"] = {"$eq": found["url"]}
        update["$set"] = {"url": show_url(found["url"])}
    if not update["$unset"]:
        del update["$unset"]
    store.database["webhooks"].update_one(same, update)


def load_hidden(store: Store, name: str) -> Hidden:
    """Return what is kept of a webhook. Raises StoreError."""
    with store_errors():
        return _read(store.database[COLLECTION].find_one({"_id": {"$eq": name}}) or {})


def load_all_hidden(store: Store) -> dict[str, Hidden]:
    """Return webhook → what is kept of it. Raises StoreError."""
    with store_errors():
        return {str(each["_id"]): _read(each) for each in store.database[COLLECTION].find()}


def _read(found: Mapping[str, Any]) -> Hidden:
    changed_at = found.get("changed_at")
    return Hidden(
        found.get("secret"),
        found.get("former"),
        changed_at + FORMER_LASTS if changed_at else None,
        found.get("variables") or {},
        found.get("url") or "",
        found.get("meant_for") or "",
    )


def set_secret(store: Store, name: str, secret: str) -> None:
    """Give a webhook that has none a secret. Raises StoreError."""
    with store_errors():
        kept = {"$ifNull": ["$secret", {"$literal": secret}]}
        store.database[COLLECTION].update_one({"_id": name}, [{"$set": {"secret": kept}}], upsert=True)


def forget_secrets(store: Store, name: str) -> None:
    """Delete what is kept of a webhook that is no more. Raises StoreError."""
    with store_errors():
        store.database[COLLECTION].delete_one({"_id": {"$eq": name}})
