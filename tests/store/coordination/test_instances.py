"""Who runs, by the heartbeat that the server's clock has set."""

from datetime import timedelta

import pytest

from ipecs_mw.store.coordination.instances import (
    ALIVE_SECONDS,
    forget_instances,
    load_instances,
    save_instance,
)
from ipecs_mw.store.server.connection import Store


def test_a_daemon_with_a_fresh_heartbeat_is_alive(store: Store) -> None:
    save_instance(
        store, "a:1", {"profile": "default", "state": "running", "hosts": {"main": {"state": "up"}}}
    )
    (found,) = load_instances(store)
    assert found["is_alive"]
    assert 0 <= found["age_seconds"] < ALIVE_SECONDS
    assert found["hosts"] == {"main": {"state": "up"}}


def test_a_daemon_whose_heartbeat_is_old_is_taken_for_dead(store: Store) -> None:
    save_instance(store, "a:1", {"state": "running"})
    (found,) = load_instances(store)
    earlier = found["heartbeat_at"] - timedelta(seconds=ALIVE_SECONDS + 5)
    store.database["instances"].update_one({"_id": "a:1"}, {"$set": {"heartbeat_at": earlier}})
    (found,) = load_instances(store)
    assert not found["is_alive"]
    assert found["age_seconds"] > ALIVE_SECONDS


def test_a_daemon_that_stopped_is_not_alive_however_fresh(store: Store) -> None:
    save_instance(store, "a:1", {"state": "stopped"})
    assert [found["is_alive"] for found in load_instances(store)] == [False]


def test_a_heartbeat_replaces_what_was_known(store: Store) -> None:
    save_instance(store, "a:1", {"state": "starting", "problem": "x"})
    save_instance(store, "a:1", {"state": "running"})
    (found,) = load_instances(store)
    assert found["state"] == "running"
    assert "problem" not in found


def test_only_the_daemons_of_a_profile_are_listed_the_latest_first(store: Store) -> None:
    for name, profile in (("a", "default"), ("b", "other"), ("c", "default")):
        save_instance(store, name, {"profile": profile, "state": "running"})
    found = [instance["_id"] for instance in load_instances(store, "default")]
    assert sorted(found) == ["a", "c"]
    beats = [instance["heartbeat_at"] for instance in load_instances(store)]
    assert beats == sorted(beats, reverse=True)


@pytest.mark.parametrize("value", ["$state", {"$ne": None}, {"a.b": 1}, "$$NOW"])
def test_what_looks_like_an_expression_is_kept_as_a_value(store: Store, value: object) -> None:
    save_instance(store, "a:1", {"state": "running", "value": value})
    assert load_instances(store)[0]["value"] == value


def age(store: Store, instance_id: str, **by: float) -> None:
    """Make a heartbeat one of so long ago."""
    (found,) = store.database["instances"].find({"_id": instance_id})
    earlier = found["heartbeat_at"] - timedelta(**by)
    store.database["instances"].update_one({"_id": instance_id}, {"$set": {"heartbeat_at": earlier}})


def test_a_daemon_that_died_long_ago_is_neither_listed_nor_kept_for_ever(store: Store) -> None:
    for name, days in (("ancient", 8), ("last week", 6), ("new", 0)):
        save_instance(store, name, {"state": "running"})
        age(store, name, days=days)
    assert [found["_id"] for found in load_instances(store)] == ["new", "last week"]
    age(store, "new", days=30)
    age(store, "last week", days=30)
    assert len(load_instances(store)) == 1, "how long there has been none is worth telling"
    save_instance(store, "new", {"state": "running"})
    save_instance(store, "last week", {"state": "running"})
    forget_instances(store, "new", {"hostname": "h", "state_dir": "/state"})
    assert store.database["instances"].count_documents({}) == 2


def test_what_a_daemon_was_before_it_had_its_id_is_removed_and_its_living_twin_is_not(store: Store) -> None:
    place = {"hostname": "h", "state_dir": "/state"}
    for name, state in (
        ("h:/state", "stopped"),
        ("dead", "running"),
        ("twin", "running"),
        ("new", "running"),
    ):
        save_instance(store, name, {**place, "state": state})
    save_instance(store, "elsewhere", {**place, "hostname": "other", "state": "stopped"})
    age(store, "dead", minutes=1)
    forget_instances(store, "new", place)
    assert {found["_id"] for found in load_instances(store)} == {"new", "twin", "elsewhere"}
