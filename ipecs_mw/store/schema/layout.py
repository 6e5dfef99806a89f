"""What the database is made of: one table of the indexes of its collections, their validators, and the roles.

A migration changes documents; what holds of the collections themselves is a row here, and `comparison.py` brings
any database to it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING

from ipecs_mw.model.schemas import build_collection_schemas
from ipecs_mw.store.schema.validators import to_bson_schema

_NEWEST_FIRST = (("received_at", DESCENDING), ("_id", DESCENDING))
_MONTH_SECONDS = 30 * 86400


class Index(NamedTuple):
    """An index by its name, its fields with their directions, and the options that it has besides."""

    name: str
    keys: Sequence[tuple[str, int]]
    options: Mapping[str, Any] = {}


def _filter(field: str, **options: Any) -> Index:
    """Return the index by which events are asked for by one field, newest first."""
    return Index(f"by_{field}", ((field, ASCENDING), *_NEWEST_FIRST), options)


def _sparse_filter(field: str) -> Index:
    return _filter(field, partialFilterExpression={field: {"$exists": True}})


INDEXES: Mapping[str, Sequence[Index]] = {
    # and those that delete, which the configuration names: store/events/retention.py
    "events": (
        Index("newest", _NEWEST_FIRST),
        _filter("host"),
        _filter("kind"),
        _filter("type"),
        _sparse_filter("code"),
        _sparse_filter("stations"),
        _sparse_filter("call_ref"),
    ),
    "config_history": (
        Index("by_revision", (("profile", ASCENDING), ("revision", DESCENDING)), {"unique": True}),
    ),
    "requests": (
        Index("queue", (("state", ASCENDING), ("host", ASCENDING), ("created_at", ASCENDING))),
        Index("retention", (("created_at", ASCENDING),), {"expireAfterSeconds": _MONTH_SECONDS}),
    ),
    "instances": (Index("by_profile", (("profile", ASCENDING), ("heartbeat_at", DESCENDING))),),
    "languages": (Index("by_locale", (("locale", ASCENDING),)),),
}
"""Collection → its indexes beside that of `_id`."""

_READ = ("find",)
_FOLLOW = ("find", "changeStream")
_GIVE = ("find", "insert")

RIGHTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    # migrations of later versions may touch any collection, so its rights are those on the whole database
    "daemon": {
        "": (
            "find", "insert", "update", "remove", "changeStream", "createCollection", "listCollections",
            "createIndex", "dropIndex", "listIndexes", "collMod", "collStats",
        ),
    },
    "sender": {
        "requests": _GIVE,
        "instances": _READ,
        "commands": _READ,
        "codes": _READ,
        "languages": _READ,
        "migrations": _READ,
    },
    "reader": {
        "events": _FOLLOW,
        "instances": _READ,
        "commands": _READ,
        "codes": _READ,
        "languages": _READ,
        "migrations": _READ,
    },
}  # fmt: skip
"""Role → collection → what it may do there; the empty name stands for every collection of the database."""

ROLE_PREFIX = "ipecs_mw_"
"""What a role of `RIGHTS` is called in MongoDB begins with this."""


@cache
def build_validators() -> Mapping[str, Mapping[str, Any]]:
    """Return collection → its validator, for those that people edit."""
    return {name: {"$jsonSchema": to_bson_schema(part)} for name, part in build_collection_schemas().items()}


def build_privileges(role: str, database: str) -> list[dict[str, Any]]:
    """Return what a role of `RIGHTS` may do, as MongoDB spells it."""
    return [
        {"resource": {"db": database, "collection": collection}, "actions": list(actions)}
        for collection, actions in RIGHTS[role].items()
    ]
