"""Journals whose hosts are no longer configured are forwarded like all others."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw.errors import JournalFull
from ipecs_mw.journal.journal import DEFAULT_MAX_BYTES, Arrival, open_journal
from ipecs_mw.model.definitions import parse_codes
from ipecs_mw.seeds import read_json
from ipecs_mw.service.forwarding import open_lane
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.orphans import Orphans
from ipecs_mw.service.reading import Reading, encode_reading
from ipecs_mw.store.connection import Store
from ipecs_mw.store.event_log import EventLog

CODES = parse_codes(read_json("codes.json"))
RING = json.dumps({"event": "acd", "data": {"eventCode": 66, "time": "2026/03/02 16:00:00"}}).encode()


@pytest.fixture
def own(tmp_path: Path, clock: FakeClock) -> Iterator[Lane]:
    lane = open_lane("middleware", None, tmp_path, clock)
    yield lane
    lane.journal.close()


@pytest.fixture
def orphans(store: Store, tmp_path: Path, clock: FakeClock) -> Iterator[Orphans]:
    made = Orphans(tmp_path, EventLog(store), clock, DEFAULT_MAX_BYTES)
    yield made
    for forwarding in made.lanes.values():
        forwarding.drain(30)
        forwarding.lane.journal.close()


def leave(folder: Path, name: str, clock: FakeClock, *bodies: bytes, timezone: str | None) -> None:
    """Leave a journal behind as an earlier daemon does."""
    journal, _ = open_journal(folder / f"host-{name}.journal", clock)
    if timezone is not None:
        journal.keep_reading(encode_reading(Reading(name, timezone)))
    journal.append([Arrival(1, START_AT, "frame", body) for body in bodies])
    journal.close()


def told(lane: Lane) -> list[dict[str, object]]:
    return [json.loads(entry.arrival.body) for entry in lane.journal.read(0, 100)]


def test_what_they_hold_is_stored_as_the_host_s_own_settings_said(
    store: Store, orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, RING, timezone="Asia/Singapore")
    orphans.adopt({"main"}, CODES, own)
    assert store.database["events"].count_documents({}) == 0, "MongoDB may not be used yet"
    orphans.start()
    assert orphans.lanes["former"].drain(30) == 0
    events = list(store.database["events"].find().sort("_id"))
    assert [(event["host"], event["type"], event["at"]) for event in events] == [
        ("former", "station_ring", START_AT)
    ] * 2
    (notice,) = told(own)
    assert notice["type"] == "journal_orphaned"
    file = str(tmp_path / "host-former.journal")
    assert notice["data"] == {"file": file, "count": 2, "name": "former"}


def test_one_that_does_not_tell_the_time_zone_is_stored_without_the_host_s_times(
    store: Store, orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, timezone=None)
    orphans.adopt({"main"}, CODES, own)
    orphans.start()
    assert orphans.lanes["former"].drain(30) == 0
    (event,) = store.database["events"].find()
    assert "at" not in event
    assert event["received_at"] == START_AT
    assert event["problems"]


def test_empty_ones_and_those_of_configured_hosts_are_left_alone(
    orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "main", clock, RING, timezone="UTC")
    leave(tmp_path, "empty", clock, timezone="UTC")
    leave(tmp_path, "aside", clock, RING, timezone="UTC")
    (tmp_path / "host-aside.journal").rename(tmp_path / "host-aside.journal.damaged-1")
    orphans.adopt({"main"}, CODES, own)
    assert not orphans.lanes
    assert told(own) == []


def test_one_that_cannot_be_opened_is_left_as_it_is_and_holds_nothing_up(
    orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "a", clock, RING, timezone="UTC")
    leave(tmp_path, "b", clock, RING, timezone="UTC")

    def open_but_one(name: str, *arguments: object, **options: object) -> Lane:
        if name == "host-a":
            raise JournalFull("error.journal_full", file=name)
        return open_lane(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ipecs_mw.service.orphans.open_lane", open_but_one)
    orphans.adopt((), CODES, own)
    assert list(orphans.lanes) == ["b"]


def test_no_journal_is_open_twice_while_it_is_adopted(
    orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "a", clock, RING, timezone="UTC")
    leave(tmp_path, "b", clock, RING, timezone="UTC")
    before: list[str] = []

    def look_and_open(name: str, *arguments: object, **options: object) -> Lane:
        links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        before.extend(link for link in links if link.endswith(f"{name}.journal"))
        return open_lane(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ipecs_mw.service.orphans.open_lane", look_and_open)
    orphans.adopt((), CODES, own)
    assert list(orphans.lanes) == ["a", "b"]
    assert before == []


def test_a_damaged_one_is_set_aside_like_any_other_and_its_place_taken(
    store: Store, orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, *[RING.ljust(500)] * 200, timezone="UTC")
    with (tmp_path / "host-former.journal").open("r+b") as file:
        file.seek(10 * 4096)
        file.write(b"\xa5" * 4096)
    orphans.adopt((), CODES, own)
    orphans.start()
    assert orphans.lanes["former"].drain(30) == 0
    kinds = {event["type"] for event in store.database["events"].find({"host": "former"})}
    assert kinds == {"journal_set_aside", "gap"}
    assert list(tmp_path.glob("host-former.journal.damaged-*"))


def test_the_lane_of_a_host_that_is_configured_again_is_handed_over_once(
    orphans: Orphans, own: Lane, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, timezone="UTC")
    orphans.adopt((), CODES, own)
    taken = orphans.take("former")
    assert taken is not None
    assert taken.lane.host == "former"
    assert orphans.take("former") is None
    assert not orphans.lanes
    taken.lane.journal.close()
