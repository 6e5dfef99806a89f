"""Requests on a real MongoDB: who claims them, and what becomes of one whose end was unknown."""

from datetime import timedelta
from typing import Any

import pytest
from support import START_AT

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.coordination.requests import (
    claim_request,
    find_sent,
    give_up_requests,
    resolve_request,
    submit_request,
)
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store

QUEUED = {"command": "call.status", "args": {}, "state": "queued", "created_at": START_AT}


@pytest.fixture
def migrated(store: Store) -> Store:
    migrate(store, SystemClock())
    return store


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
    assert give_up_requests(migrated, "ours") == 1
    assert find_sent(migrated, "ours") == []
    assert [request["_id"] for request in find_sent(migrated, "theirs")] == [1]
