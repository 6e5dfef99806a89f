"""What a daemon would write, written by a test: events, calls as the reader of calls changes them."""

from datetime import UTC, datetime
from typing import Any

from sites import wait_until
from stream_clients import Follower

from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def put_event(store: Store, number: int, **fields: Any) -> None:
    store.database["events"].insert_one(
        {
            "_id": f"main:{number:06d}",
            "host": "main",
            "kind": "call",
            "type": "alerting",
            "received_at": datetime.now(UTC),
            "stations": ["1001"],
            **fields,
        }
    )


def put_call(store: Store, name: str, **fields: Any) -> None:
    """Insert a call, or change it as the reader of calls does: with what differs."""
    calls = store.database["calls"]
    before = calls.find_one({"_id": f"main:{name}"})
    if before is None:
        calls.insert_one(
            {"_id": f"main:{name}", "host": "main", "revision": 1, "updated_at": datetime.now(UTC), **fields}
        )
    else:
        calls.update_one(
            {"_id": before["_id"]},
            {"$set": {"updated_at": datetime.now(UTC), **fields, "revision": before["revision"] + 1}},
        )


def wait_open(*followers: Follower) -> None:
    wait_until(lambda: all(each.connections for each in followers))
    for each in followers:
        wait_until(lambda each=each: each.named("snapshot") or "snapshot" not in each._query)


def names(follower: Follower) -> list[str]:
    return [frame.name for frame in follower.named() if frame.name != "snapshot"]


def numbers(follower: Follower) -> list[int]:
    return [int(frame.data["id"].split(":")[1]) for frame in follower.named("event")]
