"""What a reader leaves in MongoDB is what its events mean, however it is cut, killed, or told of events late."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
from call_frames import EPOCH, read_documents
from faults.recording import IS_FULL
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odd_frames import odd_days, some
from reading_scene import (
    NOW,
    OPTIONS,
    assert_same,
    build_log,
    insert,
    place,
    read_at_once,
    read_stored,
    shift,
)
from sites import make_schema
from support import FakeClock

from ipecs_mw.calls.steps.position import find_entry
from ipecs_mw.errors import WrittenElsewhere
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.service.readers.rebuilding import rebuild
from ipecs_mw.store.calls.missed_items import MissedCalls
from ipecs_mw.store.calls.reader import take_over, write_live
from ipecs_mw.store.calls.writing import ALL
from ipecs_mw.store.server.connection import Store

DERIVED = ("calls", "agent_states", "missed", "live")


class Runs:
    """A reader that is begun anew, saves, reads and goes back as a test says."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.holder = 0
        self.kill()

    def kill(self) -> None:
        """Have another reader go on from what is in MongoDB."""
        self.reader = HostReader(self.store, "main", OPTIONS)
        self.holder = take_over(self.store, "test", NOW)
        self.reader.begin()

    def read(self, limit: int) -> int:
        count = self.reader.read(limit)
        if self.reader.position:
            self.write()
        return count

    def write(self) -> None:
        is_whole = not self.reader.is_behind
        self.reader.flush(NOW, is_whole=is_whole)
        if is_whole:
            documents, is_all = self.reader.take_live()
            write_live(self.store, self.holder, "main", documents, is_whole=is_all)

    def finish(self) -> None:
        """Read on until nothing is new, and nothing came late."""
        while True:
            while self.read(3000) or self.reader.is_behind:
                pass
            late = self.reader.find_late()
            if late is None:
                return
            self.reader.begin(before=late)


def find_journal(event: Mapping[str, Any]) -> str:
    return find_entry(event)[0]


def play(store: Store, log: Sequence[dict[str, Any]], seed: int) -> None:
    """Store a log, journal by journal as far as it pleases, and read meanwhile with any cuts."""
    random = Random(seed)
    runs = Runs(store)
    # the events of one journal may stay back for a long time: its daemon was cut off
    journals = sorted({find_journal(event) for event in log})
    cut_off = random.choice(journals) if len(journals) > 1 and random.random() < 0.7 else None
    held_back = [event for event in log if find_journal(event) == cut_off]
    others = [event for event in log if find_journal(event) != cut_off]
    waiting = [list(part) for _, part in groupby(others, key=itemgetter("connection"))]
    while waiting:
        part = waiting[0]
        count = random.choice((1, 7, 300, 2500))
        insert(store, part[:count])
        del part[:count]
        if not part:
            waiting.pop(0)
        for _ in range(random.randrange(3)):
            runs.read(random.choice((1, 2, 50, 1000)))
        if random.random() < 0.2:
            runs.reader.save(NOW)
        if random.random() < 0.15:
            runs.kill()
        if random.random() < 0.1 and (late := runs.reader.find_late()) is not None:
            runs.reader.begin(before=late)
        if held_back and random.random() < 0.05:
            insert(store, held_back[:2000])
            del held_back[:2000]
    insert(store, held_back)
    if random.random() < 0.5:
        runs.kill()
    runs.finish()


def check(store: Store, log: Sequence[dict[str, Any]]) -> None:
    """Hold what is in MongoDB against what the log means, and against a rebuild."""
    assert_same(read_stored(store), read_at_once(log))
    compared = rebuild(
        store, "main", OPTIONS, FakeClock(NOW), span=ALL, only_compares=True, on_progress=lambda *_: None
    )
    assert not compared.counts


@pytest.mark.parametrize("seed", range(200 if IS_FULL else 6))
def test_what_is_read_live_is_what_the_log_means(migrated: Store, seed: int) -> None:
    log = build_log(0.5 if seed % 2 else 1.5 if IS_FULL else 0.75, seed, 1 + seed % 4)
    play(migrated, log, seed)
    check(migrated, log)


RECORD = {"Duration": "00:00:40", "StartTime": "2026-03-02 08:00", "Direction": "t"}
WAITING = [(1, "smdr", RECORD), (0, "gap"), (0, "smdr", RECORD), (0, "smdr", RECORD), (91, "smdr", RECORD)]
"""Records that make calls where the first of them is not known yet, which the others then wait behind."""


@example(days=[WAITING], holders=2, seed=3)
@settings(some, max_examples=300 if IS_FULL else 12)
@given(st.lists(odd_days, min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 1000))
def test_whatever_a_host_sends(migrated: Store, days: list[list[Any]], holders: int, seed: int) -> None:
    for name in (*DERIVED, "events", "readers", "reader_states"):
        migrated.database[name].delete_many({})
    events = [event for day in days for event in read_documents(day, are_odd=True)]
    numbered = [event | {"_id": f"{number}"} for number, event in enumerate(events)]
    log = place(numbered, holders)
    play(migrated, log, seed)
    check(migrated, log)


CALL = [
    (0, 3, 7, "CO001", "1001", "", "2"),
    (0, 72, 7, "CO001", "1001", "0612345678", "Kim"),
    (1, 66, 7, "1001", "CO001", "", ""),
]
GIVES_UP = [(30, 43, "", "CO001", "1001"), (30, 2, "", "CO001")]


def place_frames(frames: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    events = read_documents(frames)
    return place([event | {"_id": f"{number}"} for number, event in enumerate(events)], 1)


def test_who_is_killed_before_a_missed_call_is_written_has_it_written_later(
    migrated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = place_frames([*CALL, *GIVES_UP])
    insert(migrated, log[:-3])
    runs = Runs(migrated)
    runs.read(100)
    runs.reader.save(NOW)
    insert(migrated, log[-3:])
    with monkeypatch.context() as patch:
        patch.setattr(MissedCalls, "write", Mock(side_effect=RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            runs.read(100)
    assert migrated.database["calls"].count_documents({"outcome": "abandoned"}) == 1
    runs.kill()
    runs.finish()
    assert_same(read_stored(migrated), read_at_once(log))
    assert migrated.database["missed"].count_documents({"state": "open"}) == 1


RECORD = {
    "Index": 1, "StationNumber": "CO001", "CoNumber": "001", "Duration": "00:00:00",
    "StartTime": "2026-03-02 08:00", "Direction": "G", "DialedNumber1": "0612345678",
}  # fmt: skip


def test_a_call_that_a_record_made_is_gone_where_the_record_joins_another_later(migrated: Store) -> None:
    record = (0, "smdr", {**RECORD, "callRefID": 7})
    answer = (30, 42, 7, "1001", "CO001")
    others = [(seconds, 17, "", "1005") for seconds in range(5, 30, 5)]
    log = place_frames([record, *others, answer, (300, 17, "", "1005")])
    late = [event for event in log if event.get("code") == 42]
    insert(migrated, [event for event in log if event not in late])
    runs = Runs(migrated)
    runs.finish()
    (made,) = migrated.database["calls"].find()
    assert made["quality"]["closed_by"] == "record"
    insert(migrated, late)
    reader = HostReader(migrated, "main", OPTIONS)
    reader.begin_at_the_beginning()
    while reader.is_behind:
        reader.read(1)
        reader.flush(NOW, is_whole=not reader.is_behind)
    assert_same(read_stored(migrated, ("calls",)), read_at_once(log))


def test_while_a_record_waits_for_its_call_what_began_before_it_came_is_not_over(migrated: Store) -> None:
    log = place_frames([(0, "smdr", RECORD), *((at, 17, "", "1005") for at in range(40, 140, 10))])
    insert(migrated, log)
    reader = HostReader(migrated, "main", OPTIONS)
    reader.begin()
    until = EPOCH + timedelta(seconds=30)
    while reader.is_behind and not reader.is_over(until):
        reader.read(1)
        reader.flush(NOW, is_whole=False)
    assert migrated.database["calls"].count_documents({}) == 1


def test_on_a_standalone_server(standalone_store: Store) -> None:
    make_schema(standalone_store)
    log = build_log(0.5, 1, 2)
    play(standalone_store, log, 1)
    check(standalone_store, log)


def test_what_was_read_outlives_the_log_that_is_dropped(migrated: Store) -> None:
    first = build_log(0.5, 1, 2)
    second = shift(first, 1.0)
    insert(migrated, first)
    runs = Runs(migrated)
    runs.finish()
    migrated.database["events"].drop()
    make_schema(migrated)
    insert(migrated, second)
    runs.finish()
    assert_same(read_stored(migrated), read_at_once([*first, *second]))


def test_who_stood_still_writes_nothing_over_what_another_reader_has_written_since(migrated: Store) -> None:
    may_write = [True]
    frozen = HostReader(migrated, "main", OPTIONS, may_write=lambda: may_write[0])
    frozen.begin()
    log = build_log(2.5, 1, 1)
    insert(migrated, log[:1500])
    while frozen.is_behind:
        frozen.read()
        frozen.flush(NOW, is_whole=not frozen.is_behind)
    insert(migrated, log[1500:2000])
    frozen.read()
    old = frozen.derive(is_whole=True)  # it stands still here, and another one goes on
    may_write[0] = False
    insert(migrated, log[2000:])
    other = Runs(migrated)
    other.finish()
    before = read_stored(migrated, DERIVED)
    with pytest.raises(WrittenElsewhere):
        frozen.put(old, NOW)
    assert read_stored(migrated, DERIVED) == before
