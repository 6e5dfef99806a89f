"""What is true now of stations, agents and groups, and where nobody can know."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pytest
from call_frames import EPOCH, read_documents
from hypothesis import given
from odd_frames import odd_days, some
from simulated_day import play_day, read_day

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.snapshot import keep, restore

LOGIN = [
    (0, 11, "", "1001", "", "1", "0042"),
    (0, 25, "", "1001", "", "2", "0042"),
    (0, 11, "", "1002", "", "1", "0043"),
]
WAIT = [(10, 3, 7, "CO001", "620", "1", "5"), (12, 62, 7, "CO001", "", "1")]
RING = [(20, 59, 7, "1001", "0612345678", "1", "01"), (20, 66, 7, "1001", "CO001", "1", "1")]
ANSWER = [(25, 42, 7, "1001", "CO001")]
END = [(60, 44, 7, "CO001", "1001", "1", "10"), (60, 18, "", "1001"), (60, 2, "", "CO001")]


def read(*frames: Iterable[Sequence[Any]]) -> dict[str, dict[str, Any]]:
    reading = HostReading("main")
    for order, document in enumerate(read_documents([frame for part in frames for frame in part])):
        reading.take(document, order)
    return {document["_id"]: _shorten(document) for document in reading.live.list_all()}


def _shorten(document: dict[str, Any]) -> dict[str, Any]:
    return {
        key: (value - EPOCH).total_seconds() if isinstance(value, datetime) else value
        for key, value in document.items()
    }


def test_a_station_says_what_it_does_since_when_and_in_which_call() -> None:
    found = read(LOGIN, WAIT, RING, ANSWER)
    station, group = found["main:station:1001"], found["main:group:1"]
    assert station["state"] == "talking"
    assert station["since"] == 25
    assert (station["agent"], station["groups"]) == ("0042", ["1", "2"])
    assert station["call"].startswith("main:")
    assert group["agents"] == {"talking": 1, "ready": 1}


def test_an_agent_is_where_he_is_logged_in() -> None:
    assert read(LOGIN)["main:agent:0042"]["station"] == "1001"
    moved = read(LOGIN, [(50, 81, "", "1005", "1001")])
    assert moved["main:agent:0042"]["station"] == "1005"
    assert moved["main:agent:0042"]["since"] == 50
    assert "main:agent:0042" not in read(
        LOGIN, [(50, 12, "", "1001", "", "1"), (50, 26, "", "1001", "", "2")]
    )


def test_a_group_tells_who_waits_and_how_long() -> None:
    group = read(LOGIN, WAIT, [(30, 3, 8, "CO002", "620", "1", "5"), (31, 62, 8, "CO002", "", "1")])[
        "main:group:1"
    ]
    assert (group["waiting"], group["ringing"], group["longest_wait_since"]) == (2, 0, 12)
    assert len(group["calls"]) == 2


@pytest.mark.parametrize(
    ("frames", "waiting", "ringing"),
    [
        ((WAIT,), 1, 0),
        ((WAIT, RING), 1, 1),
        ((WAIT, RING, ANSWER), 0, 0),
        ((WAIT, [(40, 43, "", "CO001", "620")]), 0, 0),
    ],
    ids=["waits", "rings", "answered", "given up"],
)
def test_who_is_answered_or_gave_up_waits_no_more(frames: Any, waiting: int, ringing: int) -> None:
    group = read(LOGIN, *frames)["main:group:1"]
    assert (group["waiting"], group["ringing"]) == (waiting, ringing)
    assert ("longest_wait_since" in group) == bool(waiting)


def test_an_agent_of_two_groups_counts_in_both_as_one_person() -> None:
    found = read(LOGIN, WAIT, RING, ANSWER)
    assert found["main:group:2"]["agents"] == {"talking": 1}
    assert sum(document["kind"] == "agent" for document in found.values()) == 2


def test_a_station_without_an_agent_is_idle_busy_or_undisturbed() -> None:
    assert read([(0, 18, "", "1005")])["main:station:1005"]["state"] == "idle"
    assert read([(0, 19, "", "1005")])["main:station:1005"]["state"] == "dnd"
    ringing = read([(0, 3, 7, "CO001", "1005"), (0, 66, 7, "1005", "CO001", "0")])["main:station:1005"]
    assert ringing["state"] == "ringing"


def test_numbers_of_groups_and_of_callers_are_no_stations() -> None:
    found = read(LOGIN, WAIT, RING, ANSWER, END)
    assert {name for name in found if ":station:" in name} == {"main:station:1001", "main:station:1002"}


def test_after_a_gap_nobody_is_known_until_he_is_seen() -> None:
    gap = [(70, "gap", {"since": "2026-03-02T08:01:00+00:00"})]
    found = read(LOGIN, WAIT, gap)
    assert found["main:station:1001"]["state"] == "unknown"
    assert found["main:agent:0042"]["state"] == "unknown"
    assert found["main:group:1"]["agents"] == {"unknown": 2}
    assert found["main:group:1"]["unseen"] == 1
    seen = read(LOGIN, WAIT, gap, [(80, 18, "", "1001")])
    assert seen["main:group:1"]["agents"] == {"ready": 1, "unknown": 1}
    assert seen["main:host"]["gap_at"] == 70


def test_while_the_session_is_down_everything_is_stale_and_says_how_old_it_is() -> None:
    found = read(LOGIN, WAIT, [(50, "session_down", {"reason": "error.connection_lost"})])
    assert found["main:host"]["is_stale"]
    assert found["main:host"]["heard_at"] == 12
    again = read(LOGIN, WAIT, [(50, "session_down"), (60, "session_up")])
    assert not again["main:host"]["is_stale"]


def test_before_anything_is_heard_all_is_stale() -> None:
    assert read()["main:host"] == {"_id": "main:host", "host": "main", "kind": "host", "is_stale": True}


@given(odd_days)
@some
def test_what_changed_adds_up_to_what_is_now(frames: list[Any]) -> None:
    assert_changes_add_up(list(read_documents(frames, are_odd=True)), 3)


def test_what_changed_on_a_simulated_day_adds_up_to_what_is_now() -> None:
    assert_changes_add_up(list(read_day(play_day(1.0))), 50)


def assert_changes_add_up(documents: list[dict[str, Any]], batch: int) -> None:
    reading = HostReading("main")
    kept: dict[str, dict[str, Any]] = {}
    for order, document in enumerate(documents):
        reading.take(document, order)
        if order % batch == 0:
            _keep(kept, reading)
    _keep(kept, reading)
    now = {document["_id"]: document for document in reading.live.list_all()}
    kept.setdefault("main:host", now["main:host"])
    assert kept == now
    waiting = sum(document["waiting"] for document in now.values() if document["kind"] == "group")
    # a call waits once in a group, also where two references were told of its trunk
    calls = {
        (call.id, line.group)
        for call in reading.calls.open_calls()
        for line in call.course.list_lines()
        if line.is_waiting
    }
    assert waiting == len(calls)


def test_a_call_of_two_references_on_one_trunk_waits_once() -> None:
    frames = [(0, 62, 7, "", "CO001", "1", ""), (0, 62, 8, "", "CO001", "1", "")]
    assert_changes_add_up(list(read_documents(frames, are_odd=True)), 1)


def _keep(kept: dict[str, dict[str, Any]], reading: HostReading) -> None:
    for name, document in reading.live.take_changed():
        if document is None:
            kept.pop(name, None)
        else:
            kept[name] = document


def tell(seconds: float, kind: str, station: str, agent: str, group: str) -> Sequence[Any]:
    named = {"deviceNumber": station, "primaryAgentId": agent, "primaryAcdGroup": group}
    return (seconds, "call", {"type": kind, **named})


BY_BIN = [(0, 14, "", "1001", "", "0", "1"), (0, 14, "", "1002", "", "0", "1")]


def test_once_a_bin_is_learned_nobody_is_in_a_group_of_that_name() -> None:
    both = [(50, 11, "", "1002", "", "1", "0043"), tell(50, "agent_logon", "1002", "0043", "620")]
    found = read(BY_BIN, both, [(60, 14, "", "1001", "", "0", "1")])
    assert [found[f"main:station:{each}"]["groups"] for each in ("1001", "1002")] == [["620"], ["620"]]
    assert found["main:group:620"]["agents"] == {"ready": 2}
    assert "main:group:1" not in found


def test_a_bin_is_learned_without_a_login_and_those_in_its_group_are_shown_in_it_at_once() -> None:
    kept: dict[str, Any] = {}
    reading = HostReading("main")
    for order, document in enumerate(
        read_documents([*BY_BIN, tell(1, "agent_ready", "1002", "0043", "620")])
    ):
        reading.take(document, order)
        _keep(kept, reading)
    assert kept["main:station:1001"]["groups"] == ["620"]
    assert kept["main:group:620"]["agents"] == {"ready": 2}
    assert "main:group:1" not in kept


def test_groups_that_are_in_mind_get_the_numbers_that_are_configured_meanwhile() -> None:
    former = HostReading("main")
    for order, document in enumerate(read_documents(BY_BIN)):
        former.take(document, order)
    assert {"main:group:1"} == {each["_id"] for each in former.live.list_all() if each["kind"] == "group"}
    later = HostReading("main", bins={"1": "620"})
    restore(keep(former), later)
    found = {document["_id"]: document for document in later.live.list_all()}
    assert found["main:station:1001"]["groups"] == ["620"]
    assert found["main:group:620"]["agents"] == {"ready": 2}
    assert "main:group:1" not in found
    again = HostReading("main", bins={"1": "620"})
    restore(keep(later), again)
    assert list(again.live.list_all()) == list(later.live.list_all())
