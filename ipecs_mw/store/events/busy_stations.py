"""What the event log tells of calls."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_MOST_EVENTS = 20_000
"""The newest call events that are looked at: some hours of a busy host."""


def find_busy_stations(
    store: Store, host: str, since: datetime, until: datetime, ends: Iterable[str]
) -> list[str]:
    """Return the stations of a host with a call whose latest event between the two is none of the types `ends`.

    One query, of the newest events alone. Raises StoreError.
    """
    pipeline: list[dict[str, Any]] = [
        {
            "$match": {
                "host": {"$eq": host},
                "kind": "call",
                "received_at": {"$gte": since, "$lte": until},
            }
        },
        {"$sort": {"received_at": -1, "_id": -1}},
        {"$limit": _MOST_EVENTS},
        {"$match": {"call_ref": {"$exists": True}, "data.device_number": {"$type": "string"}}},
        {
            "$group": {
                "_id": {"station": "$data.device_number", "call_ref": "$call_ref"},
                "type": {"$first": "$type"},
            }
        },
        {"$match": {"type": {"$nin": list(ends)}}},
        {"$group": {"_id": "$_id.station"}},
    ]
    with store_errors():
        return sorted(found["_id"] for found in store.database["events"].aggregate(pipeline))
