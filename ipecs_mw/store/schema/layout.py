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

_MONTH_SECONDS = 30 * 86400
_TASK_SECONDS = 7 * 86400
_RUNS_SECONDS = 400 * 86400  # longer than a report may have between two of its times
_ALARM_SECONDS = 400 * 86400  # longer than a call is told of that has ended

Keys = Sequence[tuple[str, int]]


class Index(NamedTuple):
    """An index by its name, its fields with their directions, and the options that it has besides."""

    name: str
    keys: Keys
    options: Mapping[str, Any] = {}


def _newest_by(instant: str) -> Keys:
    """Return the fields by which documents come newest first, page after page."""
    return ((instant, DESCENDING), ("_id", DESCENDING))


def _filter(field: str, newest: Keys, *, name: str = "", is_sparse: bool = False) -> Index:
    """Return the index by which documents are asked for by one field, newest first.

    A sparse one leaves out what lacks the field.
    """
    options = {"partialFilterExpression": {field: {"$exists": True}}} if is_sparse else {}
    return Index(f"by_{name or field}", ((field, ASCENDING), *newest), options)


_EVENTS = _newest_by("received_at")
_CALLS = _newest_by("began_at")
_MISSED = _newest_by("last_at")

_IN_ORDER = Index("in_order", (("host", ASCENDING), ("first", ASCENDING)))
"""What the log says of a host, as the host sent it: by the place of its first event."""

_FIGURES = (("host", ASCENDING), ("kind", ASCENDING), ("group", ASCENDING), ("agent", ASCENDING))
_BY_KIND = (("host", ASCENDING), ("kind", ASCENDING), ("from", ASCENDING))

INDEXES: Mapping[str, Sequence[Index]] = {
    # and those that delete, which the configuration names: store/schema/retention.py
    "events": (
        Index("newest", _EVENTS),
        _filter("host", _EVENTS),
        _filter("kind", _EVENTS),
        _filter("type", _EVENTS),
        _filter("code", _EVENTS, is_sparse=True),
        _filter("stations", _EVENTS, is_sparse=True),
        _filter("call_ref", _EVENTS, is_sparse=True),
        Index("in_order", (("host", ASCENDING), ("connection", ASCENDING), ("seq", ASCENDING))),
        Index(
            "records_of_journal",
            (("journal", ASCENDING), ("seq", ASCENDING)),
            {"partialFilterExpression": {"journal": {"$exists": True}}},
        ),
    ),
    "calls": (
        Index("newest", _CALLS),
        _filter("host", _CALLS),
        _filter("stations", _CALLS),
        _filter("segments.agent", _CALLS, name="agent"),
        _filter("groups", _CALLS),
        _filter("numbers", _CALLS),
        _filter("found_by", _CALLS, name="name", is_sparse=True),
        _filter("direction", _CALLS),
        _filter("outcome", _CALLS),
        _filter("is_open", _CALLS),
        _filter("call_refs", _CALLS),
        Index("changed", (("updated_at", ASCENDING), ("_id", ASCENDING))),
        Index("by_day", (("host", ASCENDING), ("days", ASCENDING), ("ended_at", ASCENDING))),
        _IN_ORDER,
    ),
    "agent_states": (
        Index("newest", (("from", DESCENDING),)),
        Index("by_station", (("host", ASCENDING), ("station", ASCENDING), ("from", DESCENDING))),
        Index("by_agent", (("agent", ASCENDING), ("from", DESCENDING))),
        Index("by_day", (("host", ASCENDING), ("days", ASCENDING), ("until", ASCENDING))),
        _IN_ORDER,
    ),
    "figures": (
        Index("by_name", (*_FIGURES, ("from", ASCENDING))),
        Index("by_kind", _BY_KIND),
        Index("by_quarter", (("host", ASCENDING), ("from", ASCENDING))),
        Index("with_gap", _BY_KIND, {"partialFilterExpression": {"gap_seconds": {"$exists": True}}}),
    ),
    "figure_days": (
        Index("by_name", (*_FIGURES, ("from", ASCENDING))),
        Index("by_kind", _BY_KIND),
        Index("by_day", (("host", ASCENDING), ("from", ASCENDING))),
    ),
    "figure_marks": (Index("by_quarter", (("host", ASCENDING), ("quarter", DESCENDING))),),
    "missed": (
        Index("newest", _MISSED),
        _filter("state", _MISSED),
        Index("by_host", (("host", ASCENDING), ("state", ASCENDING), *_MISSED)),
        Index("by_numbers", (("numbers", ASCENDING), ("first_at", ASCENDING))),
        Index("by_closing", (("numbers", ASCENDING), ("closed_at", ASCENDING))),
    ),
    "reader_states": (
        Index("newest", (("host", ASCENDING), ("connection", DESCENDING), ("seq", DESCENDING))),
    ),
    "config_history": (
        Index("by_revision", (("profile", ASCENDING), ("revision", DESCENDING)), {"unique": True}),
    ),
    "requests": (
        Index("queue", (("state", ASCENDING), ("host", ASCENDING), ("created_at", ASCENDING))),
        Index("retention", (("created_at", ASCENDING),), {"expireAfterSeconds": _MONTH_SECONDS}),
        Index(
            "by_key",
            (("key", ASCENDING),),
            {"unique": True, "partialFilterExpression": {"key": {"$exists": True}}},
        ),
    ),
    "report_runs": (
        Index("newest", (("profile", ASCENDING), ("name", ASCENDING), ("noted_at", DESCENDING))),
        Index("open", (("profile", ASCENDING), ("state", ASCENDING))),
        Index("retention", (("due_at", ASCENDING),), {"expireAfterSeconds": _RUNS_SECONDS}),
    ),
    "reports": (
        Index("newest", _newest_by("made_at")),
        Index("retention", (("made_at", ASCENDING),), {"expireAfterSeconds": _MONTH_SECONDS}),
    ),
    "alarms": (
        Index(
            "lasting",  # of one cause at most one alarm lasts
            (("profile", ASCENDING), ("rule", ASCENDING), ("host", ASCENDING), ("cause", ASCENDING)),
            {"unique": True, "partialFilterExpression": {"state": "raised"}},
        ),
        Index("untold", (("profile", ASCENDING),), {"partialFilterExpression": {"is_told": False}}),
        Index("newest", _newest_by("raised_at")),
        Index("changed", (("changed_at", ASCENDING), ("_id", ASCENDING))),
        Index("retention", (("ended_at", ASCENDING),), {"expireAfterSeconds": _ALARM_SECONDS}),
    ),
    "deliveries": (
        Index(
            "due",
            (("webhook", ASCENDING), ("state", ASCENDING), ("order", ASCENDING), ("next_at", ASCENDING)),
        ),
        Index("next", (("webhook", ASCENDING), ("state", ASCENDING), ("next_at", ASCENDING))),
        _filter("call", (("order", ASCENDING),), is_sparse=True),
        Index("newest", (("webhook", ASCENDING), ("order", DESCENDING))),
        Index("retention", (("delete_at", ASCENDING),), {"expireAfterSeconds": 0}),
    ),
    "webhook_tasks": (
        Index("queue", (("state", ASCENDING), ("created_at", ASCENDING))),
        Index("retention", (("created_at", ASCENDING),), {"expireAfterSeconds": _TASK_SECONDS}),
    ),
    "tokens": (Index("by_hash", (("sha256", ASCENDING),), {"unique": True}),),
    "token_uses": (),
    "stream_tickets": (Index("retention", (("expires_at", ASCENDING),), {"expireAfterSeconds": 0}),),
    "page_sessions": (Index("retention", (("expires_at", ASCENDING),), {"expireAfterSeconds": 0}),),
    "instances": (Index("by_profile", (("profile", ASCENDING), ("heartbeat_at", DESCENDING))),),
    "languages": (Index("by_locale", (("locale", ASCENDING),)),),
}
"""Collection → its indexes beside that of `_id`."""


class View(NamedTuple):
    """A part of a collection, for who may not read all of it: its source, and what it shows."""

    source: str
    pipeline: Sequence[Mapping[str, Any]]


VIEWS: Mapping[str, View] = {
    # no address, no account, no secret
    "config_shared": View(
        "config",
        (
            {
                "$project": {
                    "revision": 1,
                    "locale": 1,
                    "numbers": 1,
                    "figures": 1,
                    "api": 1,
                    "hosts.name": 1,
                    "hosts.timezone": 1,
                }
            },
        ),
    ),
}
"""View → what it is."""


@cache
def build_validators() -> Mapping[str, Mapping[str, Any]]:
    """Return collection → its validator, for those that people edit."""
    return {name: {"$jsonSchema": to_bson_schema(part)} for name, part in build_collection_schemas().items()}
