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
from ipecs_mw.service.intake.decoding import Reading, encode_reading
from ipecs_mw.service.intake.former_hosts import FormerHosts
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.pipeline import open_intake
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store

CODES = parse_codes(read_json("codes.json"))
RING = json.dumps({"event": "acd", "data": {"eventCode": 66, "time": "2026/03/02 16:00:00"}}).encode()


@pytest.fixture
def own(tmp_path: Path, clock: FakeClock) -> Iterator[Intake]:
    intake = open_intake("middleware", None, tmp_path, clock)
    yield intake
    intake.journal.close()


@pytest.fixture
def former_hosts(store: Store, tmp_path: Path, clock: FakeClock) -> Iterator[FormerHosts]:
    made = FormerHosts(tmp_path, EventLog(store), clock, DEFAULT_MAX_BYTES)
    yield made
    for forwarding in made.pipelines.values():
        forwarding.drain(30)
        forwarding.intake.journal.close()


def leave(folder: Path, name: str, clock: FakeClock, *bodies: bytes, timezone: str | None) -> None:
    """Leave a journal behind as an earlier daemon does."""
    journal, _ = open_journal(folder / f"host-{name}.journal", clock)
    if timezone is not None:
        journal.keep_reading(encode_reading(Reading(name, timezone)))
    journal.append([Arrival(1, START_AT, "frame", body) for body in bodies])
    journal.close()


def told(intake: Intake) -> list[dict[str, object]]:
    return [json.loads(entry.arrival.body) for entry in intake.journal.read(0, 100)]


def test_what_they_hold_is_stored_as_the_host_s_own_settings_said(
    store: Store, former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, RING, timezone="Asia/Singapore")
    former_hosts.adopt({"main"}, CODES, own)
    assert store.database["events"].count_documents({}) == 0, "MongoDB may not be used yet"
    former_hosts.start()
    assert former_hosts.pipelines["former"].drain(30) == 0
    events = list(store.database["events"].find().sort("_id"))
    assert [(event["host"], event["type"], event["at"]) for event in events] == [
        ("former", "station_ring", START_AT)
    ] * 2
    (notice,) = told(own)
    assert notice["type"] == "journal_orphaned"
    file = str(tmp_path / "host-former.journal")
    assert notice["data"] == {"file": file, "count": 2, "name": "former"}


def test_one_that_does_not_tell_the_time_zone_is_stored_without_the_host_s_times(
    store: Store, former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, timezone=None)
    former_hosts.adopt({"main"}, CODES, own)
    former_hosts.start()
    assert former_hosts.pipelines["former"].drain(30) == 0
    (event,) = store.database["events"].find()
    assert "at" not in event
    assert event["received_at"] == START_AT
    assert event["problems"]


def test_empty_ones_and_those_of_configured_hosts_are_left_alone(
    former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "main", clock, RING, timezone="UTC")
    leave(tmp_path, "empty", clock, timezone="UTC")
    leave(tmp_path, "aside", clock, RING, timezone="UTC")
    (tmp_path / "host-aside.journal").rename(tmp_path / "host-aside.journal.damaged-1")
    former_hosts.adopt({"main"}, CODES, own)
    assert not former_hosts.pipelines
    assert told(own) == []


def test_one_that_cannot_be_opened_is_left_as_it_is_and_holds_nothing_up(
    former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "a", clock, RING, timezone="UTC")
    leave(tmp_path, "b", clock, RING, timezone="UTC")

    def open_but_one(name: str, *arguments: object, **options: object) -> Intake:
        if name == "host-a":
            raise JournalFull("error.journal_full", file=name)
        return open_intake(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ipecs_mw.service.intake.former_hosts.open_intake", open_but_one)
    former_hosts.adopt((), CODES, own)
    assert list(former_hosts.pipelines) == ["b"]


def test_no_journal_is_open_twice_while_it_is_adopted(
    former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "a", clock, RING, timezone="UTC")
    leave(tmp_path, "b", clock, RING, timezone="UTC")
    before: list[str] = []

    def look_and_open(name: str, *arguments: object, **options: object) -> Intake:
        links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        before.extend(link for link in links if link.endswith(f"{name}.journal"))
        return open_intake(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ipecs_mw.service.intake.former_hosts.open_intake", look_and_open)
    former_hosts.adopt((), CODES, own)
    assert list(former_hosts.pipelines) == ["a", "b"]
    assert before == []


def test_a_damaged_one_is_set_aside_like_any_other_and_its_place_taken(
    store: Store, former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, *[RING.ljust(500)] * 200, timezone="UTC")
    with (tmp_path / "host-former.journal").open("r+b") as file:
        file.seek(10 * 4096)
        file.write(b"\xa5" * 4096)
    former_hosts.adopt((), CODES, own)
    former_hosts.start()
    assert former_hosts.pipelines["former"].drain(30) == 0
    kinds = {event["type"] for event in store.database["events"].find({"host": "former"})}
    assert kinds == {"journal_set_aside", "gap"}
    assert list(tmp_path.glob("host-former.journal.damaged-*"))


def test_the_lane_of_a_host_that_is_configured_again_is_handed_over_once(
    former_hosts: FormerHosts, own: Intake, tmp_path: Path, clock: FakeClock
) -> None:
    leave(tmp_path, "former", clock, RING, timezone="UTC")
    former_hosts.adopt((), CODES, own)
    taken = former_hosts.take("former")
    assert taken is not None
    assert taken.intake.host == "former"
    assert former_hosts.take("former") is None
    assert not former_hosts.pipelines
    taken.intake.journal.close()
