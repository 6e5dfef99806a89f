"""Documents as nobody of ours writes them, into the collections that applications are told of."""

from typing import Any

from bson import Decimal128, Int64, Regex
from bson.datetime_ms import DatetimeMS

FAR = DatetimeMS(10**15)
ODD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("calls", {"_id": 5, "host": 7, "stations": 1.5, "segments": "x", "is_open": True}),
    ("calls", {"_id": "main:far", "host": "main", "is_open": True, "began_at": FAR, "rang_at": FAR}),
    ("calls", {"_id": "main:late", "host": "main", "is_open": True, "rang_at": "yesterday", "segments": [1]}),
    ("live", {"_id": "odd", "kind": 3, "groups": {"a": 1}}),
    ("live", {"_id": "main:station:9", "host": "main", "kind": "station", "station": ["9"], "since": FAR}),
    ("missed", {"_id": Decimal128("1.5"), "group": Regex("x")}),
    ("alarms", {"_id": 3, "state": ["raised"], "changed_at": FAR, "stations": 5, "webhooks": "x"}),
    (
        "alarms",
        {"_id": "main:odd", "state": "raised", "rule": 5, "changed_at": "today", "webhooks": [{"a": FAR}]},
    ),
    ("reports", {"_id": "main:odd", "made_at": FAR, "webhooks": 7, "group": {"a": 1}, "total": []}),
    ("figures", {"_id": Int64(2), "from": FAR, "stations": 5}),
    (
        "requests",
        {"_id": {"a": 1}, "state": "done", "created_at": FAR, "args": {"x": b"\xff\x00"}, "result": FAR},
    ),
)
