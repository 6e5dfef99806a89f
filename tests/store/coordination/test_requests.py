"""Requests on a real MongoDB: who claims them, who may write to them, what stays of their secrets."""

from datetime import timedelta
from typing import Any

import pytest
from support import START_AT

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.coordination.requests import (
    claim_request,
    expire_request,
    expire_requests,
    find_sent,
    finish_request,
    give_up_requests,
    hide_arguments,
    requeue_request,
    resolve_request,
    submit_request,
)
from ipecs_mw.store.server.connection import Store

QUEUED = {"command": "call.status", "args": {}, "state": "queued", "created_at": START_AT}


def read(store: Store, request_id: Any) -> dict[str, Any]:
    found: dict[str, Any] = store.database["requests"].find_one({"_id": request_id})
    return found


@pytest.mark.parametrize(("named", "is_claimed"), [("day", True), (None, True), ("night", False)])
def test_a_daemon_claims_what_names_its_profile_or_none(
    migrated: Store, named: str | None, is_claimed: bool
) -> None:
    request_id = submit_request(
        migrated, "call.status", {}, host="main", by="test", created_at=START_AT,
        expires_at=SystemClock().now() + timedelta(minutes=1), profile=named,
    )  # fmt: skip
    assert ("profile" in read(migrated, request_id)) is (named is not None)
    claimed = claim_request(migrated, ["main"], "account", "claim-1", "day")
    assert (claimed is not None) is is_claimed


def test_what_names_no_profile_keeps_its_turn_among_those_that_do(migrated: Store) -> None:
    requests = [
        {**QUEUED, "_id": number, "created_at": START_AT + timedelta(seconds=number), **named}
        for number, named in enumerate(
            [{"host": "main", "profile": "night"}, {"profile": "day"}, {"host": "main"}, {"profile": None}]
        )
    ]
    migrated.database["requests"].insert_many(requests)
    claimed = [
        request and request["_id"]
        for claim in range(4)
        for request in [claim_request(migrated, ["main", None], "account", str(claim), "day")]
    ]
    assert claimed == [1, 2, 3, None]


def test_the_next_request_is_found_by_the_index_of_the_queue(migrated: Store) -> None:
    migrated.database["requests"].insert_many(
        {**QUEUED, "host": f"h{n % 50}", "profile": "day", "state": ("done", "queued")[n % 2]}
        for n in range(2000)
    )
    wanted = {"state": "queued", "host": {"$in": ["h1", None]}, "profile": {"$in": ["day", None]}}
    explained = migrated.database["requests"].find(wanted).sort([("created_at", 1)]).limit(1).explain()
    plan = str(explained["queryPlanner"]["winningPlan"])
    assert "'queue'" in plan
    assert "'SORT'" not in plan
    assert explained["executionStats"]["totalDocsExamined"] <= 2


@pytest.mark.parametrize("state", ["unknown", "sent", "failed", "done", "queued"])
def test_only_a_request_whose_end_is_unknown_is_resolved(migrated: Store, state: str) -> None:
    before = {**QUEUED, "_id": 1, "state": state, "error": {"text": "lost"}}
    migrated.database["requests"].insert_one(before)
    assert resolve_request(migrated, 1, "main:a:1") is (state == "unknown")
    after = read(migrated, 1)
    if state == "unknown":
        assert (after["state"], after["resolved_by"]) == ("done", "main:a:1")
        assert "resolved_at" in after
        assert "error" not in after
        assert "result" not in after
    else:
        assert after == before


def test_resolving_can_be_repeated_and_the_first_event_stays(migrated: Store) -> None:
    migrated.database["requests"].insert_one({**QUEUED, "_id": 1, "state": "unknown"})
    assert resolve_request(migrated, 1, "main:a:1")
    assert resolve_request(migrated, 1, "main:a:1")
    assert not resolve_request(migrated, 1, "main:a:2")
    assert read(migrated, 1)["resolved_by"] == "main:a:1"


def test_what_an_account_has_claimed_is_found_until_it_is_given_up(migrated: Store) -> None:
    for number, owner in enumerate(["ours", "theirs"]):
        migrated.database["requests"].insert_one(
            {**QUEUED, "_id": number, "state": "sent", "claimed_by": owner}
        )
    assert [request["_id"] for request in find_sent(migrated, "ours")] == [0]
    assert give_up_requests(migrated, "ours", ()) == 1
    assert find_sent(migrated, "ours") == []
    assert [request["_id"] for request in find_sent(migrated, "theirs")] == [1]


NEARLY_16_MIB = "x" * (16 * 1024 * 1024 - 300)


@pytest.mark.parametrize(
    "odd",
    [
        {"args": {"text": NEARLY_16_MIB}},
        {"note": NEARLY_16_MIB},
        {"host": ["main"]},
        {"expires_at": "2099-01-01"},
        {"expires_at": 4102444800},
        {"state": ["queued"]},
    ],
    ids=["large argument", "large field", "list of hosts", "text", "number", "list of states"],
)
def test_what_is_not_sound_is_left_and_holds_up_nobody(migrated: Store, odd: dict[str, Any]) -> None:
    asked = {**QUEUED, "host": "main"}
    migrated.database["requests"].insert_many([{**asked, "_id": "odd", **odd}, {**asked, "_id": "good"}])
    claimed = claim_request(migrated, ["main"], "account", "claim", "day")
    assert claimed is not None
    assert claimed["_id"] == "good"
    assert claim_request(migrated, ["main"], "account", "claim-2", "day") is None
    assert expire_requests(migrated, ()) == 0
    assert read(migrated, "odd")["state"] == odd.get("state", "queued")


@pytest.mark.parametrize("never", [{}, {"expires_at": None}])
def test_a_request_without_an_expiry_waits_and_is_claimed(migrated: Store, never: dict[str, Any]) -> None:
    migrated.database["requests"].insert_one({**QUEUED, "_id": 1, **never})
    assert expire_requests(migrated, ()) == 0
    assert claim_request(migrated, [None], "account", "claim", "day") is not None


def test_nobody_writes_to_a_request_that_another_has_claimed_since(migrated: Store) -> None:
    migrated.database["requests"].insert_one({**QUEUED, "_id": 1, "args": {"pin": "1"}})
    claim_request(migrated, [None], "account", "first", "day")
    requeue_request(migrated, "first", 1, {"pin": "1"})
    claim_request(migrated, [None], "account", "second", "day")
    before = read(migrated, 1)
    requeue_request(migrated, "first", 1, {"pin": "1"})  # the answer to the first time was lost
    finish_request(migrated, "first", "done", (), result={})
    assert not hide_arguments(migrated, "first", ["pin"])
    assert read(migrated, 1) == before
    assert hide_arguments(migrated, "second", ["pin"])
    finish_request(migrated, "second", "failed", ())
    assert (read(migrated, 1)["state"], read(migrated, 1)["attempts"]) == ("failed", 1)


def test_a_request_that_was_given_back_stands_as_it_was_written(migrated: Store) -> None:
    before = {**QUEUED, "_id": 1, "args": {"$x": "$$ROOT", "a.b": {"$literal": 1}}}
    migrated.database["requests"].insert_one(before)
    claim_request(migrated, [None], "account", "first", "day")
    requeue_request(migrated, "first", 1, before["args"])
    assert read(migrated, 1) == {**before, "attempts": 1}


@pytest.mark.parametrize("end", ["expire", "take back", "give up", "finish"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"roomPwd": "4711", "roomIndex": 1}, {"roomPwd": "***", "roomIndex": 1}),
        ({"ROOMPWD": "4711", "$x": 1, "a.b": 2}, {"ROOMPWD": "***", "$x": 1, "a.b": 2}),
        ({"roomPwd": {"deep": ["4711"]}}, {"roomPwd": "***"}),
        ("roomPwd=4711", "***"),
        (["4711"], "***"),
        (None, None),
        ({}, {}),
    ],
)
def test_no_secret_stays_in_a_request_that_has_ended(
    migrated: Store, end: str, given: Any, kept: Any
) -> None:
    commands = {"_id": "confroom.set", "params": [{"name": "roomPwd", "secret": True}, {"name": "roomIndex"}]}
    migrated.database["commands"].insert_one(commands)
    request = {**QUEUED, "_id": 1, "args": given, "command": "misspelt"}
    if end == "expire":
        migrated.database["requests"].insert_one({**request, "expires_at": START_AT})
        assert expire_requests(migrated, ["roompwd"]) == 1
    elif end == "take back":
        migrated.database["requests"].insert_one(request)
        assert expire_request(migrated, 1)
    else:
        migrated.database["requests"].insert_one(request)
        claim_request(migrated, [None], "account", "claim", "day")
        if end == "give up":
            give_up_requests(migrated, "account", ["roompwd"])
        else:
            finish_request(migrated, "claim", "failed", ["roompwd"])
    assert read(migrated, 1)["args"] == kept
    assert "ended_at" in read(migrated, 1)


def test_a_request_without_arguments_has_none_when_it_has_ended(migrated: Store) -> None:
    migrated.database["requests"].insert_one({"_id": 1, "state": "queued", "expires_at": START_AT})
    assert expire_requests(migrated, ["roompwd"]) == 1
    assert "args" not in read(migrated, 1)
