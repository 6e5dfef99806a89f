"""What the database is made of: the indexes of its collections and their validators; the roles are in `RIGHTS`.

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


@cache
def build_validators() -> Mapping[str, Mapping[str, Any]]:
    """Return collection → its validator, for those that people edit."""
    return {name: {"$jsonSchema": to_bson_schema(part)} for name, part in build_collection_schemas().items()}
