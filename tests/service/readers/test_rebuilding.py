"""A rebuild makes what the log says, touches nothing else, and tells every difference."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reading_scene import (
    NOW,
    OPTIONS,
    assert_same,
    build_log,
    insert,
    read_at_once,
    read_live,
    read_stored,
    shift,
)
from support import FakeClock

from ipecs_mw.errors import StoreRefused
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.service.readers.rebuilding import Rebuilt, rebuild
from ipecs_mw.store.calls.writing import ALL, Span
from ipecs_mw.store.server.connection import Store

LOG = ("calls", "agent_states", "missed")
QUARTER_PAST = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def run(store: Store, span: Span = ALL, *, only_compares: bool = False, at: Any = None) -> Rebuilt:
    return rebuild(
        store,
        "main",
        OPTIONS,
        FakeClock(NOW),
        span=span,
        only_compares=only_compares,
        on_progress=at or (lambda *_: None),
    )


@pytest.fixture
def read(migrated: Store) -> Store:
    """A database whose log was read."""
    insert(migrated, build_log(0.5, 3, 3))
    read_live(migrated)
    return migrated


def test_from_nothing_it_makes_what_the_log_means(migrated: Store) -> None:
    log = build_log(1.5, 3, 3)
    insert(migrated, log)
    done = run(migrated)
    assert done.events == len(log)
    assert_same(read_stored(migrated, LOG), read_at_once(log))
    assert not run(migrated).counts


def test_after_live_reading_nothing_differs(read: Store) -> None:
    assert not run(read, only_compares=True).counts
    assert not run(read).counts
    assert read.database["calls"].count_documents({"revision": {"$gt": 1}}) == 0


def test_what_a_reader_is_about_to_write_is_no_difference(read: Store) -> None:
    states = read.database["agent_states"]
    (last,) = states.find({"until": {"$exists": True}}).sort("until", -1).limit(1)
    states.update_one({"_id": last["_id"]}, {"$unset": {"until": ""}})

    def write() -> None:
        states.update_one({"_id": last["_id"]}, {"$set": {"until": last["until"]}})

    reader = HostReader(read, "main", OPTIONS, only_compares=True, await_reader=write)
    reader.begin_at_the_beginning()
    told = []
    while reader.is_behind:
        reader.read()
        told += reader.flush(reader.at or NOW, is_whole=False)
    assert told == []


def test_what_somebody_edited_is_told_and_put_right(read: Store) -> None:
    calls = read.database["calls"]
    one, two, three = (
        each["_id"] for each in calls.find({"outcome": "answered", "answered_by": {"$exists": True}}).limit(3)
    )
    calls.update_one({"_id": one}, {"$set": {"outcome": "abandoned", "seconds.talk": 7.0}})
    calls.update_one({"_id": two}, {"$unset": {"answered_by": ""}})
    calls.delete_one({"_id": three})
    calls.insert_one({**(calls.find_one({"_id": two}) or {}), "_id": "main:extra"})
    read.database["agent_states"].update_one({"state": "ready"}, {"$set": {"state": "talking"}})
    told = run(read, only_compares=True).told
    assert {
        (each.id, each.kind, tuple(sorted(each.fields))) for each in told if each.collection == "calls"
    } == {
        (one, "different", ("outcome", "seconds")),
        (two, "different", ("answered_by",)),
        (three, "missing", ()),
        ("main:extra", "extra", ()),
    }
    assert run(read).counts[("agent_states", "different")] == 1
    assert_same(read_stored(read, LOG), read_at_once(build_log(0.5, 3, 3)))
    assert [each["revision"] for each in calls.find({"_id": {"$in": [one, two]}})] == [2, 2]


def test_what_people_added_to_missed_calls_stays(read: Store) -> None:
    missed = read.database["missed"]
    item = missed.find_one({"state": "open"})
    assert item is not None
    closing = {"by": "anna", "at": item["last_at"] + timedelta(minutes=1)}
    people = {"owner": "anna", "note": "rang back", "closing": closing}
    missed.update_one({"_id": item["_id"]}, {"$set": people})
    run(read)
    found = missed.find_one({"_id": item["_id"]})
    assert found is not None
    assert (found["owner"], found["note"], found["closing"]) == ("anna", "rang back", closing)
    assert (found["state"], found["closed_by"], found["closed_at"]) == ("closed", "anna", closing["at"])


def test_missed_calls_that_are_gone_come_back(read: Store) -> None:
    read.database["missed"].delete_many({})
    assert run(read, only_compares=True).counts[("missed", "missing")]
    run(read)
    assert_same(read_stored(read, LOG), read_at_once(build_log(0.5, 3, 3)))


def test_missed_calls_are_derived_once_and_not_with_each_page_of_history(migrated: Store) -> None:
    log = build_log(0.5, 3, 3)
    insert(migrated, log)
    reader = HostReader(migrated, "main", OPTIONS)
    reader.begin_at_the_beginning()
    while reader.is_behind:
        reader.read(500)
        reader.flush(NOW, is_whole=False)
    calls = migrated.database["calls"]
    assert calls.count_documents({"direction": "inbound", "outcome": "abandoned"})
    assert migrated.database["missed"].count_documents({}) == 0
    assert {each.kind for each in reader.put_missed(NOW)} == {"missing"}
    assert migrated.database["missed"].count_documents({"revision": {"$gt": 1}}) == 0
    reader.flush(NOW, is_whole=True)
    assert_same(read_stored(migrated, LOG), read_at_once(log))


def test_a_span_touches_only_what_began_in_it(read: Store) -> None:
    calls = read.database["calls"]
    calls.update_many({}, {"$set": {"outcome": "unknown"}})
    until = QUARTER_PAST + timedelta(minutes=10)
    done = run(read, Span(QUARTER_PAST, until))
    inside = {"began_at": {"$gte": QUARTER_PAST, "$lt": until}}
    assert done.counts[("calls", "different")] == calls.count_documents({"revision": 2})
    assert calls.count_documents({**inside, "outcome": "unknown"}) == 0
    assert calls.count_documents({"$nor": [inside], "outcome": {"$ne": "unknown"}}) == 0


def test_what_was_kept_under_another_configuration_is_not_gone_on_from(read: Store) -> None:
    moments = read.database["reader_states"]
    assert moments.count_documents({"at": {"$lt": QUARTER_PAST}})
    seen: list[int] = []
    run(
        read, Span(QUARTER_PAST + timedelta(hours=1), None), at=lambda _host, events, _at: seen.append(events)
    )
    moments.update_many({}, {"$set": {"read_as": "another"}})
    whole: list[int] = []
    run(
        read,
        Span(QUARTER_PAST + timedelta(hours=1), None),
        at=lambda _host, events, _at: whole.append(events),
    )
    assert whole[-1] == read.database["events"].count_documents({}) > seen[-1]


def test_a_span_without_events_says_so_and_changes_nothing(read: Store) -> None:
    before = read_stored(read, LOG)
    done = run(read, Span(QUARTER_PAST + timedelta(days=400), QUARTER_PAST + timedelta(days=401)))
    assert (done.events, done.counts) == (0, {})
    done = run(read, Span(QUARTER_PAST - timedelta(days=400), QUARTER_PAST - timedelta(days=399)))
    assert (done.events, done.counts) == (0, {})
    assert read_stored(read, LOG) == before


def test_interrupted_it_can_be_repeated(migrated: Store) -> None:
    log = build_log(0.5, 3, 3)
    insert(migrated, log)

    def interrupt(_host: str, events: int, _at: datetime) -> None:
        if events > 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(migrated, at=interrupt)
    run(migrated)
    assert_same(read_stored(migrated, LOG), read_at_once(log))


def test_records_outlive_their_events(migrated: Store) -> None:
    first = build_log(0.5, 1, 2)
    second = shift(build_log(0.5, 3, 3), 2.0)
    third = shift(second, 2.0)
    whole = [*first, *second, *third]
    insert(migrated, whole)
    read_live(migrated)
    half = second[len(second) // 2]["received_at"]
    migrated.database["events"].delete_many({"received_at": {"$lt": half}})
    assert not run(migrated, only_compares=True).counts
    assert not run(migrated).counts
    assert_same(read_stored(migrated, LOG), read_at_once(whole))


def test_where_nothing_is_kept_the_first_hours_after_what_is_gone_stay_as_they_are(migrated: Store) -> None:
    second = shift(build_log(0.5, 3, 3), 2.0)
    insert(migrated, [*build_log(0.5, 1, 2), *second, *shift(second, 2.0)])
    read_live(migrated)
    half = second[len(second) // 2]["received_at"]
    migrated.database["events"].delete_many({"received_at": {"$lt": half}})
    migrated.database["reader_states"].delete_many({})
    calls = migrated.database["calls"]
    calls.update_many({}, {"$set": {"outcome": "unknown"}})
    run(migrated)
    edge = half + timedelta(hours=12)
    assert calls.count_documents({"began_at": {"$lt": edge}, "outcome": {"$ne": "unknown"}}) == 0
    assert calls.count_documents({"began_at": {"$gt": edge}, "outcome": "unknown"}) == 0


def test_what_a_newer_version_has_read_is_left_to_it(read: Store) -> None:
    read.database["reader_states"].update_many({}, {"$inc": {"format": 1}})
    with pytest.raises(StoreRefused) as refused:
        run(read, Span(QUARTER_PAST, None))
    assert refused.value.key == "error.reader_newer"


@pytest.mark.parametrize("only_compares", [False, True])
def test_what_a_newer_reader_has_read_without_keeping_anything_is_left_to_it_too(
    read: Store, only_compares: bool
) -> None:
    read.database["readers"].update_one({"_id": "calls"}, {"$set": {"format": 99}}, upsert=True)
    read.database["calls"].update_many({}, {"$set": {"outcome": "unknown"}})
    with pytest.raises(StoreRefused):
        run(read, only_compares=only_compares)
    assert read.database["calls"].count_documents({"outcome": {"$ne": "unknown"}}) == 0
