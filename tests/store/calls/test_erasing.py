"""A number that is erased is gone from what was derived of it too, and the reader forgets it."""

import pickle
import zlib
from typing import Any

import pytest
from call_scene import CALLER, OTHER, instant, keep, tell
from support import FakeClock

from ipecs_mw.calls.documents.missed import name_item
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Alarm
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.store.calls.erasing import erase_mentions, find_mentions
from ipecs_mw.store.figures.alarms import raise_alarm
from ipecs_mw.store.server.connection import Store

DERIVED = ("calls", "agent_states", "missed", "live", "events", "alarms")


def erase(store: Store, number: str, clock: FakeClock) -> dict[str, int]:
    """Erase a number and return in how many documents it stood."""
    mentions = find_mentions(store, number)
    erase_mentions(store, mentions, number, clock)
    return {name: len(ids) for name, ids in mentions.ids.items() if ids}


def everything(store: Store) -> str:
    return repr([list(store.database[name].find()) for name in DERIVED])


def derive_again(store: Store) -> dict[str, dict[str, Any]]:
    """Return the calls that the events mean as they stand now."""
    reading = HostReading("main", bins={"1": "620"})
    for order, event in enumerate(store.database["events"].find().sort([("seq", 1), ("_id", 1)])):
        reading.take(event, order)
    records = [build_record(call, "main") for _, call in reading.calls.take_changed() if call is not None]
    return {record["_id"]: record for record in records}


def without(document: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    return {name: part for name, part in document.items() if name not in fields}


def test_a_number_and_its_name_are_gone_from_all_that_was_derived(migrated: Store, clock: FakeClock) -> None:
    keep(migrated)
    assert OTHER in everything(migrated)
    assert "Lee" in everything(migrated)
    told = erase(migrated, OTHER, clock)
    assert {"events", "calls", "missed"} <= told.keys()
    assert OTHER not in everything(migrated)
    assert "Lee" not in everything(migrated)
    assert not find_mentions(migrated, OTHER).is_any


def test_a_name_that_was_erased_finds_no_call_any_more(migrated: Store, clock: FakeClock) -> None:
    keep(migrated)
    calls = migrated.database["calls"]
    assert calls.count_documents({"found_by": "lee"}) == 1
    erase(migrated, OTHER, clock)
    assert list(calls.find({"found_by": {"$in": ["l", "le", "lee"]}})) == []
    assert calls.count_documents({"found_by": "kim"}) == 2
    assert calls.count_documents({"found_by": []}) == 0


def test_a_number_is_gone_from_alarms_and_their_call_is_still_named(
    migrated: Store, clock: FakeClock
) -> None:
    said = Words("alarm.says.call_to", station="1001", number=OTHER)
    rule = AlarmSettings("all", "call_to", numbers=["0*"])
    raise_alarm(
        migrated, "default", rule, "main", Alarm("main:1:000000000009", instant(0), said), "", instant(1)
    )
    assert erase(migrated, OTHER, clock) == {"alarms": 1}
    (alarm,) = migrated.database["alarms"].find()
    assert alarm["says"]["facts"] == {"station": "1001", "number": "***"}
    assert alarm["cause"] == "main:1:000000000009"


def test_calls_are_masked_as_they_are_derived_from_masked_events(migrated: Store, clock: FakeClock) -> None:
    keep(migrated)
    before = {call["_id"]: call for call in migrated.database["calls"].find()}
    erase(migrated, CALLER, clock)
    again = derive_again(migrated)
    beside = {"first", "numbers", "revision", "updated_at"}
    for call in migrated.database["calls"].find():
        assert without(call, beside) == without(again[call["_id"]], beside)
        was = before[call["_id"]]
        assert call["first"] == was["first"]
        if CALLER in repr(was):
            assert call["revision"] == 2
            assert call["numbers"] == ["***"]
        else:
            assert call == was


def test_a_missed_call_goes_on_under_an_id_that_was_not_made_of_the_number(
    migrated: Store, clock: FakeClock
) -> None:
    keep(migrated)
    missed = migrated.database["missed"]
    was = missed.find_one({"number": {"$regex": OTHER[-8:]}})
    assert was is not None
    missed.update_one({"_id": was["_id"]}, {"$set": {"owner": "Park", "note": f"call {OTHER} back"}})
    erase(migrated, OTHER, clock)
    assert missed.find_one({"_id": was["_id"]}) is None
    [found] = missed.find({"number": "***"})
    assert found["_id"] == name_item("main", "***", was["calls"][0])
    assert found["_id"] != was["_id"]
    assert (found["owner"], found["note"], found["state"]) == ("Park", "call *** back", was["state"])
    assert found["calls"] == was["calls"]


def remember(store: Store, name: str, value: Any) -> None:
    """Keep what a reader has in mind at a moment."""
    data = zlib.compress(pickle.dumps(value), 1)
    store.database["reader_states"].insert_one({"_id": name, "host": "main", "at": instant(0), "data": data})


@pytest.mark.parametrize(
    ("number", "goes", "stays"),
    [
        ("61234567", {"caller": "61234567"}, {"caller": "61234568"}),
        ("61234567", {"caller": "+65 6123-4567"}, {"caller": "612345678"}),
        ("61234567", {"caller": 61234567}, {"at": 1712345678}),
        ("1001", {"station": "1001"}, {"station": "21001", "call_ref": 1001}),
    ],
)
def test_a_moment_that_names_the_number_is_forgotten_and_no_other(
    migrated: Store, clock: FakeClock, number: str, goes: Any, stays: Any
) -> None:
    remember(migrated, "goes", [goes, *range(100)])
    remember(migrated, "stays", [stays, *range(100)])
    migrated.database["reader_states"].insert_one({"_id": "damaged", "data": b"x"})
    assert erase(migrated, number, clock) == {"reader_states": 2}
    assert [each["_id"] for each in migrated.database["reader_states"].find()] == ["stays"]


def test_a_running_reader_is_told_to_begin_again_and_what_it_keeps_meanwhile_goes_too(
    migrated: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(migrated)
    tell(migrated)
    monkeypatch.setattr(clock, "wait", lambda *_: remember(migrated, "late", {"caller": CALLER}))
    erase(migrated, CALLER, clock)
    assert (migrated.database["readers"].find_one({"_id": "calls"}) or {})["restarts"] == 2
    assert migrated.database["reader_states"].count_documents({}) == 0


def test_a_reader_that_is_gone_begins_again_when_it_comes_back(migrated: Store, clock: FakeClock) -> None:
    keep(migrated)
    tell(migrated, seconds_ago=100)
    erase(migrated, CALLER, clock)
    assert (migrated.database["readers"].find_one({"_id": "calls"}) or {})["restarts"] == 1
    assert clock.waits == []


def test_digits_of_references_are_no_number(migrated: Store, clock: FakeClock) -> None:
    call = {
        "_id": "main:1",
        "host": "main",
        "first": "00012345:0007",
        "stations": ["12345"],
        "call_refs": [12345],
    }
    migrated.database["calls"].insert_one(call | {"quality": {"gaps": ["main:a:12345"]}, "revision": 4})
    erase(migrated, "12345", clock)
    found = migrated.database["calls"].find_one({"_id": "main:1"}) or {}
    assert found["stations"] == ["***"]
    assert (found["first"], found["call_refs"], found["revision"]) == (call["first"], [12345], 5)
    assert found["quality"] == {"gaps": ["main:a:12345"]}
