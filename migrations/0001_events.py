"""The event log: an index for each filter of `ipecs-mw events`, newest first, and the retention."""

from typing import Any

from pymongo import ASCENDING, DESCENDING

_NEWEST_FIRST = [("received_at", DESCENDING), ("_id", DESCENDING)]
_FILTERS = ("host", "kind", "type")
_SPARSE_FILTERS = ("code", "stations", "call_ref")
_YEAR_SECONDS = 365 * 86400


def apply(db: Any) -> None:
    """Create the collection's indexes; those that exist stay."""
    events = db["events"]
    names = events.index_information()
    if "retention" not in names:
        events.create_index("received_at", name="retention", expireAfterSeconds=_YEAR_SECONDS)
    events.create_index(_NEWEST_FIRST, name="newest")
    for field in _FILTERS:
        events.create_index([(field, ASCENDING), *_NEWEST_FIRST], name=f"by_{field}")
    for field in _SPARSE_FILTERS:
        events.create_index(
            [(field, ASCENDING), *_NEWEST_FIRST],
            name=f"by_{field}",
            partialFilterExpression={field: {"$exists": True}},
        )
