"""How long events are kept: MongoDB deletes them by itself, by one index for all kinds or by one for each."""

from collections.abc import Mapping
from typing import Any, get_args

from pymongo import timeout

from ipecs_mw.model.settings import EventSettings, Kind
from ipecs_mw.store.connection import Store
from ipecs_mw.store.failures import store_errors

_DAY_SECONDS = 86400
_BUILD_SECONDS = 3600.0  # an index of a large collection takes longer than an operation may
_NAME = "retention"


def keep_events(store: Store, settings: EventSettings) -> None:
    """Have MongoDB delete events as `settings` say, counted from their reception.

    Where kinds differ, each has an index of its own: an index for all would delete the longest kept ones too
    soon. May take as long as building an index of the whole log does. Raises StoreError.
    """
    wanted = _indexes(settings)
    events = store.database["events"]
    with store_errors(), timeout(_BUILD_SECONDS):
        there = {name: index for name, index in events.index_information().items() if name.startswith(_NAME)}
        for name in there.keys() - wanted.keys():
            events.drop_index(name)
        for name, (seconds, only) in wanted.items():
            if name not in there:
                events.create_index("received_at", name=name, expireAfterSeconds=seconds, **only)
            elif there[name].get("expireAfterSeconds") != seconds:
                index = {"name": name, "expireAfterSeconds": seconds}
                events.database.command("collMod", events.name, index=index)


def _indexes(settings: EventSettings) -> Mapping[str, tuple[int, Mapping[str, Any]]]:
    """Return name → (seconds, options) of the indexes that delete."""
    default, by_kind = settings.retention_days, settings.retention_days_by_kind
    if not by_kind:
        return {} if default is None else {_NAME: (default * _DAY_SECONDS, {})}
    days = {kind: by_kind.get(kind, default) for kind in get_args(Kind)}
    return {
        f"{_NAME}_{kind}": (kept * _DAY_SECONDS, {"partialFilterExpression": {"kind": kind}})
        for kind, kept in days.items()
        if kept is not None
    }
