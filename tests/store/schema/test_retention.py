"""How long MongoDB keeps events by kind, and calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sites import wait_until

from ipecs_mw.model.configuration.call_settings import CallSettings
from ipecs_mw.model.configuration.settings import EventSettings
from ipecs_mw.store.schema.retention import (
    Longer,
    Retention,
    apply_retention,
    describe_longer,
    find_differences,
    find_longer,
)
from ipecs_mw.store.server.connection import Store

DAY = 86400


def _find_kind(only: Mapping[str, Any]) -> object:
    assert set(only) <= {"kind", "received_at"}
    return only.get("kind")


def kept(store: Store) -> dict[str, tuple[int, object]]:
    indexes = store.database["events"].index_information()
    return {
        name: (index["expireAfterSeconds"] // DAY, _find_kind(index["partialFilterExpression"]))
        for name, index in indexes.items()
        if "expireAfterSeconds" in index
    }


def keep(store: Store, profile: str, events: EventSettings) -> Sequence[Longer]:
    return apply_retention(store, profile, Retention(events))


@pytest.fixture(autouse=True)
def events(store: Store) -> None:
    store.database.create_collection("events")


def test_the_retention_follows_the_configuration(store: Store) -> None:
    for days in (365, 365, 30, None, None, 7):
        keep(store, "default", EventSettings(retention_days=days))
        assert kept(store) == ({} if days is None else {"retention": (days, None)})


def test_each_kind_has_an_index_of_its_own_where_kinds_differ(store: Store) -> None:
    keep(store, "default", EventSettings(retention_days=365))
    settings = EventSettings(
        retention_days=365, retention_days_by_kind={"call": 30, "system": None, "smdr": 1000}
    )
    for _ in range(2):
        keep(store, "default", settings)
        found = kept(store)
        assert "retention" not in found  # it would delete what is to be kept longer
        assert found["retention_call"] == (30, "call")
        assert found["retention_smdr"] == (1000, "smdr")
        assert found["retention_acd"] == (365, "acd")
        assert "retention_system" not in found
        assert len(found) == 6
    keep(store, "default", EventSettings(retention_days=30, retention_days_by_kind={"call": 7}))
    assert kept(store)["retention_call"] == (7, "call")
    keep(store, "default", EventSettings(retention_days=30))
    assert kept(store) == {"retention": (30, None)}


def configure(store: Store, profile: str, events: Any) -> None:
    store.database["config"].replace_one({"_id": profile}, {"_id": profile, "events": events}, upsert=True)


def test_no_profile_deletes_what_another_one_keeps_whichever_came_last(store: Store) -> None:
    short, long = EventSettings(retention_days=7), EventSettings(retention_days=365)
    configure(store, "short", {"retention_days": 7})
    configure(store, "long", {"retention_days": 365})
    for profile, settings in (("short", short), ("long", long), ("short", short)):
        longer = keep(store, profile, settings)
        assert kept(store) == {"retention": (365, None)}
        assert bool(longer) == (profile == "short")
        assert longer == find_longer(store, profile, Retention(settings))
    assert Longer("call", 365, "long") in longer
    store.database["config"].delete_one({"_id": "long"})
    assert keep(store, "short", short) == []
    assert kept(store) == {"retention": (7, None)}


def test_each_kind_is_kept_as_long_as_the_profile_says_that_keeps_it_longest(store: Store) -> None:
    configure(store, "other", {"retention_days": 30, "retention_days_by_kind": {"call": 90, "smdr": None}})
    settings = EventSettings(retention_days=60, retention_days_by_kind={"system": 7})
    longer = keep(store, "own", settings)
    assert sorted(longer) == [("call", 90, "other"), ("smdr", None, "other"), ("system", 30, "other")]
    found = kept(store)
    assert found["retention_call"] == (90, "call")
    assert found["retention_acd"] == (60, "acd")
    assert found["retention_system"] == (30, "system")
    assert "retention_smdr" not in found
    facts = describe_longer(longer)
    assert facts["profiles"] == "other"
    assert "smdr null" in facts["kinds"]


@pytest.mark.parametrize("events", [{"retention_days": 0}, {"retention_day": 7}, "7", None])
def test_a_profile_that_cannot_be_read_may_keep_events_for_ever(store: Store, events: Any) -> None:
    configure(store, "wrong", events)
    assert keep(store, "own", EventSettings(retention_days=7))
    assert kept(store) == {}


def test_a_profile_that_says_nothing_means_the_default(store: Store) -> None:
    store.database["config"].insert_one({"_id": "other", "hosts": []})
    keep(store, "own", EventSettings(retention_days=7))
    assert kept(store) == {"retention": (365, None)}


@pytest.mark.parametrize("by_kind", [{}, {"call": 30}])
def test_what_a_machine_stamped_whose_clock_was_never_set_is_kept(
    standalone_store: Store, by_kind: Any
) -> None:
    events = standalone_store.database["events"]
    now = datetime.now(UTC)
    for name, at in (
        ("1970", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2000", datetime(2000, 1, 1, tzinfo=UTC)),
        ("old", now - timedelta(days=400)),
        ("new", now),
    ):
        events.insert_one({"_id": name, "kind": "call", "received_at": at})
    settings = EventSettings(retention_days=365, retention_days_by_kind=by_kind)
    keep(standalone_store, "default", settings)
    wait_until(lambda: not events.count_documents({"_id": "old"}), 90)
    assert {event["_id"] for event in events.find()} == {"1970", "2000", "new"}


def test_what_was_set_is_as_it_should_be(store: Store) -> None:
    for by_kind in ({}, {"call": 30}):
        settings = EventSettings(retention_days=365, retention_days_by_kind=by_kind)
        keep(store, "default", settings)
        differences = find_differences(store, "default", Retention(settings))
        assert "events.retention" not in [difference.name for difference in differences]


def test_an_index_of_an_earlier_version_is_made_anew(store: Store) -> None:
    events = store.database["events"]
    events.create_index("received_at", name="retention", expireAfterSeconds=365 * DAY)
    keep(store, "default", EventSettings(retention_days=365))
    assert kept(store) == {"retention": (365, None)}


KEPT = {"calls": "began_at", "agent_states": "from", "missed": "closed_at", "reader_states": "at"}


def kept_calls(store: Store) -> dict[str, int]:
    """Return collection → for how many days its documents are kept."""
    found = {}
    for name, instant in KEPT.items():
        index = store.database[name].index_information().get("retention")
        if index is not None:
            assert list(index["key"]) == [(instant, 1)]
            found[name] = index["expireAfterSeconds"] // DAY
    return found


def test_calls_agent_states_and_missed_calls_are_kept_as_long_as_the_configuration_says(store: Store) -> None:
    for days in (1095, 30, None, 7):
        apply_retention(store, "default", Retention(calls=CallSettings(retention_days=days)))
        assert kept_calls(store) == ({} if days is None else dict.fromkeys(KEPT, days))
    assert kept(store) == {"retention": (365, None)}


def test_no_profile_deletes_calls_that_another_one_keeps(store: Store) -> None:
    store.database["config"].insert_one({"_id": "long", "calls": {"retention_days": 90}})
    longer = apply_retention(store, "own", Retention(calls=CallSettings(retention_days=7)))
    assert longer == [Longer("calls.retention_days", 90, "long")]
    assert kept_calls(store) == dict.fromkeys(KEPT, 90)


@pytest.mark.parametrize("calls", [{"retention_days": 0}, {"retention_day": 7}, 7])
def test_a_profile_that_cannot_be_read_may_keep_calls_for_ever_and_says_what_it_says_of_events(
    store: Store, calls: Any
) -> None:
    store.database["config"].insert_one({"_id": "wrong", "events": {"retention_days": 30}, "calls": calls})
    apply_retention(store, "own", Retention(EventSettings(retention_days=7), CallSettings(retention_days=7)))
    assert kept_calls(store) == {}
    assert kept(store) == {"retention": (30, None)}


def test_an_index_that_deletes_calls_is_missed_and_made_anew(store: Store) -> None:
    apply_retention(store, "default", Retention())
    store.database["missed"].drop_index("retention")
    found = {each.name: each.mend for each in find_differences(store, "default", Retention())}
    assert {f"{name}.retention" for name in KEPT} & set(found) == {"missed.retention"}
    mend = found["missed.retention"]
    assert mend is not None
    mend()
    assert kept_calls(store) == dict.fromkeys(KEPT, 1095)


def test_old_calls_go_and_an_open_missed_call_stays_however_old(standalone_store: Store) -> None:
    database = standalone_store.database
    old, now = datetime.now(UTC) - timedelta(days=40), datetime.now(UTC)
    unset = datetime(1970, 1, 1, tzinfo=UTC)
    for name, at in (("old", old), ("new", now), ("unset", unset)):
        database["calls"].insert_one({"_id": name, "began_at": at})
        database["agent_states"].insert_one({"_id": name, "from": at})
        database["reader_states"].insert_one({"_id": name, "at": at})
        database["missed"].insert_one({"_id": name, "state": "closed", "first_at": at, "closed_at": at})
    database["missed"].insert_one({"_id": "open", "state": "open", "first_at": old, "last_at": old})
    apply_retention(standalone_store, "default", Retention(calls=CallSettings(retention_days=30)))
    for name in KEPT:
        wait_until(lambda there=database[name]: not there.count_documents({"_id": "old"}), 90)
    for name in ("calls", "agent_states", "reader_states"):
        assert {found["_id"] for found in database[name].find()} == {"new", "unset"}
    assert {found["_id"] for found in database["missed"].find()} == {"new", "unset", "open"}
