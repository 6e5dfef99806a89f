"""Requests that nobody will ever take, on a real MongoDB: found, and refused with what is wrong."""

import reprlib
from datetime import timedelta
from typing import Any

import pytest
from support import START_AT

from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.coordination.instances import save_instance
from ipecs_mw.store.coordination.requests import MOST_BYTES
from ipecs_mw.store.coordination.unserved import (
    find_address_fault,
    find_unserved,
    has_unserved,
    read_addressees,
    refuse_request,
)
from ipecs_mw.store.server.connection import Store

KNOWN = {"day": frozenset({"main", "branch"}), "night": frozenset({"guard"})}
QUEUED = {"command": "call.status", "args": {"roomPwd": "4711"}, "state": "queued", "host": "main"}
LONG = "x" * (16 * 1024 * 1024 - 400)


def sweep(store: Store) -> dict[Any, str]:
    """Refuse what there is; return the sentences by id."""
    found = {}
    for row, fault in find_unserved(store, KNOWN):
        text = shipped_texts("en-GB").explain(fault)
        is_refused = refuse_request(store, row, KNOWN, ["roompwd"], {"text": text})
        assert is_refused, reprlib.repr(store.database["requests"].find_one({"_id": row["_id"]}))
        found[row["_id"]] = text
    assert find_unserved(store, KNOWN) == []
    return found


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        ({"host": "mian"}, ("mian", "branch, guard, main")),
        ({"host": "guard", "profile": "day"}, ("guard", "branch, main")),
        ({"host": None, "profile": "day"}, ("branch, main",)),
        ({"profile": "dawn"}, ("dawn", "day, night")),
        ({"state": "Queued"}, ("state", "Queued", "queued")),
        ({"state": None}, ("state", "null", "string")),
        ({"state": ["queued"]}, ("state", "array", "string")),
        ({"state": LONG[:5000]}, ("state", "queued")),
        ({"state": "sent"}, ("state", "sent", "queued")),
        ({"host": LONG[:5000]}, ("…", "branch, guard, main")),
        ({"host": ["main"]}, ("host", "array", "string")),
        ({"host": {"$ref": 5, "$id": 1}}, ("host", "object", "string")),
        ({"profile": 5}, ("profile", "int", "string")),
        ({"expires_at": "2099-01-01"}, ("expires_at", "string", "date")),
        ({"expires_at": 4102444800.0}, ("expires_at", "double", "date")),
        ({"args": {"text": LONG}}, (str(MOST_BYTES),)),
        ({"note": LONG}, (str(MOST_BYTES),)),
        ({"host": LONG}, (str(MOST_BYTES),)),
    ],
    ids=reprlib.repr,  # which looks at no more of a long text than it shows
)
def test_what_nobody_takes_is_refused_with_the_field_the_value_and_what_is_allowed(
    migrated: Store, odd: dict[str, Any], named: tuple[str, ...]
) -> None:
    requests = migrated.database["requests"]
    request = {**QUEUED, "_id": "odd", "created_at": START_AT, **odd}
    requests.insert_one(request)
    requests.insert_one({**QUEUED, "_id": "good"})
    found = sweep(migrated)
    assert list(found) == ["odd"]
    for name in named:
        assert name in found["odd"]
    refused = requests.find_one({"_id": "odd"})
    assert refused is not None
    assert (refused["state"], refused["error"], refused["command"]) == (
        "failed", {"text": found["odd"]}, "call.status",
    )  # fmt: skip
    assert "4711" not in str(refused)
    assert "ended_at" in refused
    good = requests.find_one({"_id": "good"})
    assert good == {**QUEUED, "_id": "good"}


def test_a_request_without_a_state_is_refused(migrated: Store) -> None:
    migrated.database["requests"].insert_one({"_id": 1, "command": "call.status", "host": "main"})
    assert has_unserved(migrated)
    assert "missing" in sweep(migrated)[1]


@pytest.mark.parametrize(
    "fine",
    [
        {},
        {"host": None, "profile": None},  # the night has a single host
        {"host": None, "profile": "night"},
        {"host": "guard", "profile": None},
        {"expires_at": None},
        {"expires_at": START_AT + timedelta(days=36500)},
        {"state": "sent", "claimed_by": "account"},
        {"state": "done"},
        {"state": "unknown", "host": "gone"},
    ],
)
def test_what_somebody_takes_or_has_taken_is_left(migrated: Store, fine: dict[str, Any]) -> None:
    migrated.database["requests"].insert_one({**QUEUED, "_id": 1, **fine})
    assert sweep(migrated) == {}


def test_one_that_was_changed_meanwhile_is_not_refused(migrated: Store) -> None:
    requests = migrated.database["requests"]
    requests.insert_one({**QUEUED, "_id": 1, "host": "mian"})
    ((row, _),) = find_unserved(migrated, KNOWN)
    requests.update_one({"_id": 1}, {"$set": {"host": "main"}})
    assert not refuse_request(migrated, row, KNOWN, (), {})
    requests.update_one({"_id": 1}, {"$set": {"host": "mian", "state": "done"}})
    assert not refuse_request(migrated, row, KNOWN, (), {})


def test_hosts_are_those_configured_and_those_that_a_daemon_runs_with_all_the_same(migrated: Store) -> None:
    configs = migrated.database["config"]
    configs.insert_one({"_id": "day", "hosts": [{"name": "main"}, {"name": 5}, "odd", {}]})
    configs.insert_one({"_id": "night", "hosts": "odd"})
    save_instance(migrated, "a", {"profile": "day", "state": "running", "hosts": {"former": {}}})
    save_instance(migrated, "b", {"profile": "dawn", "state": "stopped", "hosts": {"gone": {}}})
    assert read_addressees(migrated) == {"day": {"main", "former"}, "night": frozenset()}


@pytest.mark.parametrize("profile", [None, "day"])
def test_where_there_is_no_host_at_all_none_is_offered(profile: str | None) -> None:
    for host in (None, "main"):
        fault = find_address_fault({"day": frozenset()}, profile, host)
        assert fault is not None
        assert fault.facts["allowed"] == "-"
