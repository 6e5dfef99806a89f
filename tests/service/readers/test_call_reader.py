"""The reader's thread: one of all daemons reads, at once, while it may; late events are read where they belong."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from reading_scene import OPTIONS, build_log, insert, read_at_once, read_stored
from sites import wait_until

from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.clock import SystemClock
from ipecs_mw.service.readers import call_reader
from ipecs_mw.service.readers.call_reader import CallReader
from ipecs_mw.store.events.event_log import FLOOD_BATCHES, FULL_BATCH, News
from ipecs_mw.store.server.connection import Store

LOG = build_log(0.5, 1, 3)


class Then(SystemClock):
    """A clock that shows the time of the log: until now its last calls would last for months."""

    def __init__(self) -> None:
        self._behind = super().now() - LOG[-1]["received_at"]
        self.waits: set[tuple[threading.Event, float | None]] = set()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.waits.add((event, seconds))
        return super().wait(event, seconds)

    def now(self) -> datetime:
        return super().now() - self._behind


class Running:
    """A reader in a thread of its own, as a daemon has one."""

    def __init__(self, store: Store, owner: str) -> None:
        self.options: ReadingOptions | None = OPTIONS
        self.stop, self.news = threading.Event(), News()
        self.clock = Then()
        self.reader = CallReader(store, owner, lambda: self.options, self.clock, self.stop, self.news)
        self.thread = threading.Thread(target=self.reader.run, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.news.is_there.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def running(store: Store, owner: str = "one") -> Iterator[Running]:
    made = Running(store, owner)
    try:
        yield made
    finally:
        made.end()


def find_reader(store: Store) -> dict[str, Any]:
    return store.database["readers"].find_one({"_id": "calls"}) or {}


@cache
def find_meaning(count: int = len(LOG)) -> dict[str, dict[str, Any]]:
    """Return what the first events of the log mean."""
    return read_at_once(LOG[:count])


def is_as(store: Store, wanted: dict[str, dict[str, Any]]) -> bool:
    """Tell whether what is stored is what is wanted; where their numbers differ, without reading it all."""
    has_all = all(store.database[name].estimated_document_count() == len(wanted[name]) for name in wanted)
    return has_all and read_stored(store) == wanted


def test_what_is_stored_is_read_without_being_told(migrated: Store) -> None:
    with running(migrated):
        insert(migrated, LOG[:500])
        wanted = find_meaning(500)
        wait_until(lambda: is_as(migrated, wanted), 30)
        insert(migrated, LOG[500:])
        wait_until(lambda: is_as(migrated, find_meaning()), 30)


def test_what_comes_late_is_read_where_it_belongs(migrated: Store) -> None:
    late = [event for event in LOG if ":bbbb:" in event["_id"] or event.get("journal") == "bbbb"]
    first = [event for event in LOG if event not in late]
    with running(migrated) as reader:
        insert(migrated, first)
        wanted = read_at_once(first)
        wait_until(lambda: is_as(migrated, wanted), 30)
        for begin in range(0, len(late), 200):
            insert(migrated, late[begin : begin + 200])
            reader.news.tell("main")
        wait_until(lambda: is_as(migrated, find_meaning()), 60)


def test_in_a_flood_of_events_the_log_comes_first_and_all_is_read(
    migrated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = 0.321
    monkeypatch.setattr(call_reader, "_FLOOD_COST", 1e9)
    monkeypatch.setattr(call_reader, "_LONGEST_REST_SECONDS", rest)
    with running(migrated) as reader:
        insert(migrated, LOG[:500])
        wait_until(lambda: is_as(migrated, find_meaning(500)), 30)
        assert (reader.stop, rest) not in reader.clock.waits
        insert(migrated, LOG[500:])
        for _ in range(FLOOD_BATCHES):
            reader.news.tell("main", FULL_BATCH)
        wait_until(lambda: is_as(migrated, find_meaning()), 30)
        wait_until(lambda: (reader.stop, rest) in reader.clock.waits, 30)


def test_a_flood_is_told_once_and_only_where_full_batches_follow_each_other() -> None:
    news = News()
    short = [FULL_BATCH] * (FLOOD_BATCHES - 1)
    for count in (*short, FULL_BATCH - 1, *short):
        news.tell("main", count)
    assert not news.take_flood()
    news.tell("other", 1)  # of a host that is quiet meanwhile
    news.tell("main", FULL_BATCH)
    assert news.take_flood()
    assert not news.take_flood()


def test_after_one_reader_another_goes_on_and_one_that_lost_its_right_writes_nothing(migrated: Store) -> None:
    with running(migrated) as first:
        wait_until(lambda: find_reader(migrated).get("owner") == "one", 20)
        with running(migrated, "two") as second:
            insert(migrated, LOG[:1000])
            wait_until(lambda: is_as(migrated, find_meaning(1000)), 30)
            # on a busy machine the first may have been taken for dead: then it is the other one that reads
            described = lambda: [each.reader.describe() for each in (first, second)]  # noqa: E731
            wait_until(lambda: described().count(None) == 1, 30)
            first.end()
            told = find_reader(migrated)
            assert "told_at" not in told or told["owner"] == "two"  # which may have gone on already
            insert(migrated, LOG[1000:])
            wait_until(lambda: is_as(migrated, find_meaning()), 30)
            assert find_reader(migrated)["owner"] == "two"
            # another one takes the right, as after a standstill of this one
            later = SystemClock().now() + timedelta(minutes=5)
            migrated.database["leases"].update_one(
                {"_id": "reader:calls"}, {"$set": {"owner": "three", "expires_at": later}}
            )
            migrated.database["readers"].update_one({"_id": "calls"}, {"$inc": {"holder": 1}})
            wait_until(lambda: second.reader.describe() is None, 20)
            migrated.database["calls"].delete_many({})
            insert(migrated, [event | {"_id": f"{event['_id']}x"} for event in LOG[:50]])
            second.end()
            assert migrated.database["calls"].count_documents({}) == 0


def test_a_daemon_that_is_not_to_read_lets_another_go_on(migrated: Store) -> None:
    with running(migrated) as first:
        insert(migrated, LOG)
        wait_until(lambda: is_as(migrated, find_meaning()), 30)
        first.options = None
        wait_until(lambda: migrated.database["leases"].find_one({"_id": "reader:calls"}) is None, 20)
        with running(migrated, "two"):
            wait_until(lambda: find_reader(migrated).get("owner") == "two", 20)


def test_what_is_configured_anew_holds_from_then_on(migrated: Store) -> None:
    with running(migrated) as reader:
        insert(migrated, LOG[:800])
        wait_until(lambda: is_as(migrated, find_meaning(800)), 30)
        before = read_stored(migrated, ("calls",))["calls"]
        reader.options = ReadingOptions(
            bins={"1": "699"},
            machines=frozenset(),
            short_seconds={},
            default_short_seconds=5.0,
            plan=OPTIONS.plan,
        )
        insert(migrated, LOG[800:])
        wait_until(lambda: migrated.database["calls"].count_documents({"groups": "699"}), 30)
    ended = {
        each: call["groups"] for each, call in before.items() if not call["is_open"] and "groups" in call
    }
    stored = read_stored(migrated, ("calls",))["calls"]
    assert len(ended) > 5
    assert {each: stored[each]["groups"] for each in ended} == ended


@pytest.mark.parametrize("broken", ["newer", "damaged"])
def test_a_moment_that_cannot_be_used(migrated: Store, broken: str) -> None:
    with running(migrated):
        insert(migrated, LOG)
        wait_until(lambda: is_as(migrated, find_meaning()), 30)
    moments = migrated.database["reader_states"]
    assert moments.count_documents({}) > 0
    migrated.database["calls"].delete_many({})
    if broken == "damaged":
        moments.update_many({}, {"$set": {"data": b"no moment"}})
        with running(migrated):
            wait_until(lambda: is_as(migrated, find_meaning()), 30)
        return
    moments.update_many({}, {"$inc": {"format": 1}})
    with running(migrated) as reader:
        wait_until(lambda: find_reader(migrated).get("owner") == "one", 20)
        reader.thread.join(2.0)
        assert migrated.database["calls"].count_documents({}) == 0
