"""Events that may show what became of a request: one terminal's, within a short span, and the past of a call."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_MOST_EVENTS = 200
_LONGEST_CALL = timedelta(days=1)
_FIELDS = {"kind": 1, "type": 1, "call_ref": 1, "data": 1}


def find_call_events(
    store: Store, host: str, station: str, types: Collection[str], *, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Return the station's call events of these types received from `since` and before `until`, the oldest first.

    They come without `raw`, 200 at the most. Raises StoreError.
    """
    query = _build_events_query(host, station, types, since, until)
    with store_errors():
        found = store.database["events"].find(query, _FIELDS).sort([("received_at", 1), ("_id", 1)])
        return list(found.limit(_MOST_EVENTS))


def has_call_before(store: Store, host: str, station: str, call_ref: int, at: datetime) -> bool:
    """Tell whether a call event of the station had this reference in the day before `at`. Raises StoreError."""
    with store_errors():
        query = _build_past_query(host, station, call_ref, at)
        return store.database["events"].find_one(query, {"_id": 1}) is not None


def _build_events_query(
    host: str, station: str, types: Collection[str], since: datetime, until: datetime
) -> dict[str, Any]:
    return {
        "stations": {"$eq": station},
        "received_at": {"$gte": since, "$lt": until},
        "host": {"$eq": host},
        "kind": "call",
        "type": {"$in": sorted(types)},
    }


def _build_past_query(host: str, station: str, call_ref: int, at: datetime) -> dict[str, Any]:
    return {
        "call_ref": {"$eq": call_ref},
        "received_at": {"$gte": at - _LONGEST_CALL, "$lt": at},
        "host": {"$eq": host},
        "kind": "call",
        "stations": {"$eq": station},
    }
