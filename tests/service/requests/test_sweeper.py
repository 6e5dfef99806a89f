"""The queue swept of what waits in vain."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from support import START_AT, FakeClock

from ipecs_mw.model.definitions import parse_command
from ipecs_mw.seeds import read_json
from ipecs_mw.service.requests.sweeper import RequestSweeper
from ipecs_mw.store.server.connection import Store

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}


@pytest.fixture
def sweeper(migrated: Store, clock: FakeClock) -> RequestSweeper:
    migrated.database["config"].insert_one({"_id": "day", "hosts": [{"name": "main"}]})
    made = RequestSweeper("day", lambda: ["main", "former"], migrated, clock, threading.Event())
    made.commands = COMMANDS
    return made


def put(store: Store, **fields: Any) -> None:
    store.database["requests"].insert_one({"command": "confroom.set", "state": "queued", **fields})


def find_states(store: Store) -> dict[Any, str]:
    return {found["_id"]: found["state"] for found in store.database["requests"].find()}


def test_what_has_expired_ends_and_what_nobody_takes_is_refused_and_the_rest_waits(
    store: Store, sweeper: RequestSweeper
) -> None:
    secret = {"roomPwd": "8765"}
    put(store, _id=1, host="main", expires_at=START_AT, args=secret)
    put(store, _id=2, host="mian", expires_at=START_AT + timedelta(days=36500), args=secret)
    put(store, _id=3, host="former")
    put(store, _id=4, host="main", expires_at=START_AT, args={"text": "x" * 16_000_000})
    put(store, _id=5, expires_at="soon", args=secret)
    sweeper.sweep()
    assert find_states(store) == {1: "expired", 2: "failed", 3: "queued", 4: "failed", 5: "failed"}
    refused = store.database["requests"].find_one({"_id": 2})
    assert refused is not None
    assert refused["error"]["name"] == "request_host"
    assert "8765" not in str(list(store.database["requests"].find()))


def test_more_than_are_looked_at_together_are_refused_in_turn(store: Store, sweeper: RequestSweeper) -> None:
    store.database["requests"].insert_many({"state": "Queued"} for _ in range(150))
    for _ in range(2):
        sweeper.sweep()
    assert set(find_states(store).values()) == {"failed"}
