"""A message to applications, and the change of a document that it tells of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

Document = Mapping[str, Any]


class Changed(Struct, frozen=True):
    """That a document of a collection was stored, changed or deleted.

    `collection` is the name of the feed that tells it, which for most is that of the collection. `document` is as
    it is now, None where it is no more. `fields` are those that an update touched; None where all of it is new.
    `is_new` says that it was not there before. `at` is when MongoDB took the change, None where it does not say.
    """

    collection: str
    id: str
    document: Document | None
    fields: frozenset[str] | None = None
    is_new: bool = False
    at: datetime | None = None


class Message(Struct, frozen=True):
    """What an application is told: `data` under a `name` such as `call.ended`, to who follows one of `topics`.

    `data` is the document as in MongoDB, with `id` for `_id`; of one that is no more `id`, `host` and `is_gone`.
    `stations` and `groups` are all that it concerns; `kind` and `type` are those of an event. Of several
    messages with one `key` the last alone tells what is so now: it is blank where each counts. `webhooks` are the
    only ones that get it, where somebody named some.
    """

    name: str
    topics: frozenset[str]
    host: str
    data: Document
    stations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    kind: str = ""
    type: str = ""
    command: str = ""
    key: str = ""
    webhooks: frozenset[str] = frozenset()


def spell_document(document: Document) -> dict[str, Any]:
    """Return a document as applications get it: `id` for `_id`, without what is of ourselves alone."""
    return {"id": document["_id"], **{name: document[name] for name in document if name not in UNSEEN}}


def spell_request(request: Document) -> dict[str, Any]:
    """Return a command and what became of it as applications get it, its arguments as they stand there."""
    return {"id": str(request["_id"]), **{name: request[name] for name in _OF_REQUEST if name in request}}


_OF_REQUEST = (
    "host", "command", "args", "state", "result", "error", "created_at", "created_by", "expires_at", "claimed_at",
    "ended_at", "resolved_at", "resolved_by",
)  # fmt: skip

UNSEEN = frozenset({"_id", "holder", "first", "numbers", "found_by", "days", "closing"})
"""Fields of documents that are of ourselves alone: no message has them, and none is told of a change of them."""


def collect(document: Document, names: Sequence[str]) -> frozenset[str]:
    """Return all texts that these fields have, each a text or a list of them."""
    found: set[str] = set()
    for name in names:
        value = document.get(name)
        found.update([str(value)] if isinstance(value, str | int) else map(str, value or ()))
    return frozenset(found)
