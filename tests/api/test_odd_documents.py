"""What somebody wrote into MongoDB as nobody of ours would: it tells nothing, and holds up nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, Regex
from bson.datetime_ms import DatetimeMS
from following_scene import names, put_call, wait_open
from serving import Served, following, make_token
from sites import wait_until

from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
FAR = DatetimeMS(10**15)
ODD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("calls", {"_id": 5, "host": 7, "stations": 1.5, "segments": "x", "is_open": True}),
    ("calls", {"_id": "main:far", "host": "main", "is_open": True, "began_at": FAR, "rang_at": FAR}),
    ("calls", {"_id": "main:late", "host": "main", "is_open": True, "rang_at": "yesterday", "segments": [1]}),
    ("live", {"_id": "odd", "kind": 3, "groups": {"a": 1}}),
    ("live", {"_id": "main:station:9", "host": "main", "kind": "station", "station": ["9"], "since": FAR}),
    ("missed", {"_id": Decimal128("1.5"), "group": Regex("x")}),
    ("figures", {"_id": Int64(2), "from": FAR, "stations": 5}),
    (
        "requests",
        {"_id": {"a": 1}, "state": "done", "created_at": FAR, "args": {"x": b"\xff\x00"}, "result": FAR},
    ),
)


@pytest.mark.parametrize(("collection", "document"), ODD, ids=[f"{name} {doc['_id']}" for name, doc in ODD])
def test_a_document_that_is_none_of_ours_holds_up_no_stream(
    site: Served, store: Store, collection: str, document: dict[str, Any]
) -> None:
    token = make_token(store)
    topics = "calls,state,missed,figures,requests"
    with following(site.port, token, topics=topics, snapshot="true") as follower:
        wait_open(follower)
        store.database[collection].insert_one(document)
        put_call(store, "good", is_open=True, began_at=NOW)
        wait_until(lambda: "call.began" in names(follower))
        follower.drop()
        put_call(store, "better", is_open=True, began_at=NOW)
        wait_until(lambda: names(follower).count("call.began") >= 2)
    with following(site.port, token, topics=topics, snapshot="true") as late:
        wait_open(late)
        if collection == "live":
            store.database["live"].delete_one({"_id": document["_id"]})
        put_call(store, "best", is_open=True, began_at=NOW)
        wait_until(lambda: "call.began" in names(late))
