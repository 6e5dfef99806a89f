"""What single calls and states count: hand-made, so that each rule is seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipecs_mw.figures.counting.accounting import count_dids, count_numbers, count_stations, count_trunks
from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.counting.rules import Rule, Rules
from ipecs_mw.figures.counting.touched import find_touched_by_call, find_touched_by_state
from ipecs_mw.figures.counting.visits import list_visits
from ipecs_mw.figures.time.quarters import list_quarters

Document = dict[str, Any]
T = datetime(2026, 3, 2, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def segment(kind: str, since: float, until: float | None = None, **more: Any) -> Document:
    return {"kind": kind, "from": at(since), **({} if until is None else {"until": at(until)}), **more}


def call(*segments: Document, ends: float | None = None, **more: Any) -> Document:
    groups = list(dict.fromkeys(each["group"] for each in segments if "group" in each))
    answered = next((each["from"] for each in segments if each["kind"] == "talk"), None)
    made: Document = {
        "_id": "main:1",
        "host": "main",
        "direction": "inbound",
        "is_open": ends is None,
        "began_at": segments[0]["from"],
        "groups": groups,
        "segments": list(segments),
        "outcome": "answered" if answered else "abandoned",
        **more,
    }
    if answered:
        made["answered_at"] = answered
    if ends is not None:
        made["ended_at"] = at(ends)
    return made


def count_of(
    calls: list[Document], *states: Document, as_of: float = 7200, **more: Any
) -> dict[str, Document]:
    """Return what is counted, by kind, name, and minute of the quarter hour's beginning."""
    quarters = list(list_quarters(T, at(7200)))
    found = count(Facts("main", quarters, calls, states, more.pop("gaps", ()), at(as_of), **more))
    return {
        f"{each['kind']}:{each.get('group') or each.get('agent') or ''}:{(each['from'] - T).seconds // 60}": each
        for each in found
    }


def agent(station: str, group: str) -> Document:
    return {"station": station, "agent": station, "group": group}


def test_a_call_that_waits_and_is_answered_counts_its_wait_and_its_handling() -> None:
    made = call(
        segment("queue", 0, 75, group="620", result="answered"),
        segment("ring", 72, 75, **agent("1001", "620"), result="answered"),
        segment("talk", 75, 440, **agent("1001", "620")),
        segment("wrap_up", 440, 448, **agent("1001", "620")),
        ends=440,
    )
    group = count_of([made])["group:620:0"]
    assert (group["offered"], group["answered"], group["handled"]) == (1, 1, 1)
    assert (group["wait_seconds"], group["longest_wait_seconds"], group["waits"]) == (75, 75, {"75": 1})
    assert group["talk_seconds"] + group["wrap_up_seconds"] == 373  # a Cisco call detail record
    assert "answered_in" not in group
    assert count_of([made])["agent:1001:0"]["answered"] == 1


def test_a_first_agent_who_lets_it_ring_has_not_answered_and_the_second_has() -> None:
    made = call(
        segment("queue", 0, 80, group="620", result="answered"),
        segment("ring", 0, 20, **agent("1001", "620"), result="no_answer"),
        segment("ring", 70, 80, **agent("1002", "620"), result="answered"),
        segment("talk", 80, 180, **agent("1002", "620")),
        ends=180,
    )
    found = count_of([made])
    assert found["group:620:0"]["offered"] == 1
    assert found["agent:1001:0"] | {"no_answer": 1, "offered": 1} == found["agent:1001:0"]
    assert "answered" not in found["agent:1001:0"]
    assert found["agent:1002:0"]["answered"] == 1


def test_phones_that_rang_while_another_one_was_answered_have_missed_nothing() -> None:
    made = call(
        segment("queue", 0, 5, group="620", result="answered"),
        segment("ring", 0, 5, **agent("1001", "620"), result="answered_elsewhere"),
        segment("ring", 0, 5, **agent("1002", "620"), result="answered"),
        segment("talk", 5, 60, **agent("1002", "620")),
        ends=60,
    )
    found = count_of([made])
    assert not {"no_answer", "answered"} & found["agent:1001:0"].keys()


def test_a_call_that_overflows_counts_in_both_groups_each_in_its_own_quarter_hour() -> None:
    made = call(
        segment("queue", 880, 910, group="620", result="overflowed"),
        segment("queue", 910, 940, group="621", result="answered"),
        segment("talk", 940, 1000, **agent("1002", "621")),
        ends=1000,
    )
    found = count_of([made])
    assert found["group:620:0"] | {"offered": 1, "overflowed": 1} == found["group:620:0"]
    assert found["group:621:15"] | {"offered": 1, "answered": 1} == found["group:621:15"]
    assert found["group:621:15"]["wait_seconds"] == 30
    assert "group:620:15" not in found


def test_a_call_that_comes_back_to_the_group_after_it_was_answered_is_another_one() -> None:
    made = call(
        segment("queue", 0, 10, group="620", result="answered"),
        segment("talk", 10, 60, **agent("1001", "620")),
        segment("queue", 60, 100, group="620", result="abandoned"),
        ends=100,
        outcome="lost_on_hold",
    )
    assert [(visit.ended, visit.wait_seconds) for visit in list_visits(made)] == [
        ("answered", 10),
        ("abandoned", 40),
    ]


@pytest.mark.parametrize(("waited", "short"), [(4.9, 1), (5, 0), (30, 0)])
def test_a_caller_who_gives_up_below_the_limit_is_short_and_abandoned_too(waited: float, short: int) -> None:
    made = call(segment("queue", 0, waited, group="620", result="abandoned"), ends=waited)
    group = count_of([made], rules=Rules({"620": Rule("offered", 20, 5)}))["group:620:0"]
    assert (group["abandoned"], group.get("short", 0)) == (1, short)
    assert group.get("abandoned_in", 0) == (waited <= 20)


def test_an_end_that_nobody_saw_counts_but_not_its_seconds() -> None:
    made = call(
        segment("queue", 0, 10, group="620", result="answered"),
        segment("talk", 10, 5000, **agent("1001", "620")),
        ends=5000,
        quality={"closed_by": "time_limit"},
    )
    group = count_of([made])["group:620:0"]
    assert group["answered"] == 1
    assert not {"handled", "talk_seconds"} & group.keys()


def test_a_call_that_lasts_makes_its_quarter_hour_incomplete_and_a_gap_does_so_too() -> None:
    lasting = call(segment("queue", 0, group="620"))
    found = count_of([lasting])
    assert (found["group:620:0"]["open"], found["group:620:0"]["is_complete"]) == (1, False)
    ended = call(segment("queue", 0, 9, group="620", result="abandoned"), ends=9)
    assert count_of([ended])["group:620:0"]["is_complete"] is True
    found = count_of([ended], gaps=[(at(850), at(960)), (at(880), at(920))])
    assert found["group:620:0"] | {"gap_seconds": 50, "is_complete": False} == found["group:620:0"]
    assert found["host::15"]["gap_seconds"] == 60
    assert count_of([ended], as_of=300)["group:620:0"]["is_complete"] is False


def state(name: str, since: float, until: float | None, station: str = "1001", **more: Any) -> Document:
    made: Document = {"station": station, "agent": "7", "groups": ["620"], "state": name, "from": at(since)}
    return made | ({} if until is None else {"until": at(until)}) | more


def test_an_agent_of_two_groups_is_one_person() -> None:
    found = count_of([], state("ready", 100, 400, groups=["620", "621"]))
    assert found["group:620:0"]["states"] == found["group:621:0"]["states"] == {"ready": 300}
    assert found["agent:7:0"]["states"] == found["host::0"]["states"] == {"ready": 300}


def test_an_agent_who_moves_to_another_desk_stays_one_agent() -> None:
    found = count_of([], state("ready", 0, 300), state("talking", 300, 900, "1005"))
    assert found["agent:7:0"]["states"] == {"ready": 300, "talking": 600}
    assert found["agent:7:0"]["stations"] == ["1001", "1005"]


def test_what_lasts_is_split_at_the_boundaries_and_counted_until_now() -> None:
    found = count_of([], state("not_ready", 600, None, reason="1"), as_of=2000)
    assert [found[f"agent:7:{minute}"]["not_ready"]["1"] for minute in (0, 15, 30)] == [300, 900, 200]
    assert "agent:7:45" not in found


def test_trunks_count_the_most_at_once_and_when_all_were_busy() -> None:
    def hold(since: float, until: float, trunk: str) -> Document:
        return call(segment("ring", since, until), ends=until, trunks=[trunk], _id=trunk)

    found = count_of([hold(0, 1000, "1"), hold(600, 960, "2")], trunks=2)
    assert found["host::0"]["trunks"] == {"seconds": 1200, "peak": 2, "all_busy_seconds": 300}
    assert found["host::15"]["trunks"] == {"seconds": 160, "peak": 2, "all_busy_seconds": 60}


def test_call_accounting_counts_who_made_it_who_took_it_and_who_missed_it() -> None:
    taken = call(
        segment("ring", 0, 9, station="1001", result="answered_elsewhere"),
        segment("ring", 0, 9, station="1002", result="answered"),
        segment("talk", 9, 69, station="1002"),
        ends=69,
        trunks=["003"],
        dialed={"did": "6500620"},
        records=[{"cost": "1,50 EUR", "cost_amount": "1.50", "station_number": "1002"}],
    )
    assert dict(count_stations(taken)) == {
        "1002": {"calls": 1, "incoming": 1, "answered": 1, "talk_seconds": 60, "cost": 1.5}
    }
    assert dict(count_trunks(taken))["003"]["seconds"] == 69
    assert dict(count_dids(taken))["6500620"]["answered"] == 1
    missed = call(segment("ring", 0, 9, station="1001", result="abandoned"), ends=9)
    assert dict(count_stations(missed))["1001"]["unanswered"] == 1
    made = call(
        segment("dial", 0, 5, station="1003"),
        segment("talk", 5, 35, station="1003"),
        ends=35,
        direction="outbound",
        caller={"station": "1003"},
        dialed={"number": "0301234567"},
    )
    assert (
        dict(count_stations(made))["1003"] | {"outgoing": 1, "talk_seconds": 30}
        == dict(count_stations(made))["1003"]
    )
    assert dict(count_numbers(made))["0301234567"]["outgoing"] == 1


def test_only_the_quarter_hours_that_a_change_concerns_are_counted_anew() -> None:
    before, after = state("ready", 0, None), state("ready", 0, 5000)
    assert find_touched_by_state(before, after, at(5100)) == set(list_quarters(at(4500), at(5100)))
    assert find_touched_by_state(None, after, at(5100)) == set(list_quarters(T, at(5000)))
    moved = state("ready", 0, 5000, groups=["621"])
    assert find_touched_by_state(after, moved, at(5100)) == set(list_quarters(T, at(5000)))
    short = call(segment("queue", 0, 9, group="620", result="abandoned"), ends=9)
    assert find_touched_by_call(None, short, at(7000)) == {T}
    # a long call that was only given a name is as it was: a note on it changes no figure
    long = call(
        segment("queue", 0, 9, group="620", result="answered"),
        segment("talk", 9, 36_000, **agent("1001", "620")),
        ends=36_000,
        trunks=["1"],
    )
    assert find_touched_by_call(long, {**long, "caller": {"name": "Kim"}}, at(40_000)) == set()
    other = {**long, "ended_at": at(36_900)}
    assert find_touched_by_call(long, other, at(40_000)) == {at(36_000)}


def test_a_call_whose_work_after_it_still_goes_on_is_not_counted_for_good() -> None:
    work = segment("wrap_up", 70, None, station="1001", group="620")
    found = count_of([call(*QUEUED, work, ends=70)])["group:620:0"]
    assert (found["answered"], found["open"], found["is_complete"]) == (1, 1, False)
    assert "handled" not in found


def test_a_call_that_goes_straight_to_another_group_overflowed_whoever_told_it() -> None:
    queues = (
        segment("queue", 0, 40, group="620", result="left"),
        segment("queue", 40, 60, group="621", result="abandoned"),
    )
    found = count_of([call(*queues, ends=60)])
    assert found["group:620:0"]["overflowed"] == found["group:621:0"]["abandoned"] == 1
    later = segment("queue", 50, 60, group="621", result="abandoned")
    assert count_of([call(queues[0], later, ends=60)])["group:620:0"]["left"] == 1


QUEUED = (
    segment("queue", 0, 10, group="620", result="answered"),
    segment("talk", 10, 70, group="620", station="1001", agent="1001"),
)


def test_calls_of_call_records_alone_are_counted_as_these_say() -> None:
    records: list[Document] = [
        {"station_number": "1001", "duration_seconds": 40, "direction": "t", "cost_amount": "0.20"},
        {"station_number": "1002", "duration_seconds": 60, "direction": "I"},
    ]
    recorded: Document = {
        "_id": "main:2",
        "host": "main",
        "direction": "inbound",
        "is_open": False,
        "began_at": T,
        "ended_at": at(100),
        "outcome": "answered",
        "trunks": ["003"],
        "stations": ["1001", "1002"],
        "seconds": {"talk": 100.0, "total": 100.0},
        "records": records,
    }
    found = dict(count_stations(recorded))
    assert [(found[name]["answered"], found[name]["talk_seconds"]) for name in ("1001", "1002")] == [
        (1, 40),
        (1, 60),
    ]
    assert found["1001"]["cost"] == 0.2
    assert dict(count_trunks(recorded))["003"]["answered"] == 1
    assert count_of([recorded])["host::0"]["inbound"]["answered"] == 1
    lost = recorded | {
        "outcome": "abandoned",
        "records": [{"station_number": "CO003", "duration_seconds": 0}],
    }
    assert dict(count_stations(lost)) == {}
    assert dict(count_trunks(lost))["003"]["unanswered"] == 1


_KINDS = ("queue", "ring", "talk", "hold", "wrap_up")


@st.composite
def long_calls(draw: st.DrawFn) -> tuple[Document, Document]:
    """Two versions of a call that lasts for hours, as they may follow each other."""
    steps = draw(st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(0, 20_000)), min_size=1, max_size=6))
    cut = draw(st.integers(1, len(steps)))
    trunks = draw(st.sampled_from([(["1"], ["1"]), (["1"], ["1", "2"]), ([], ["1"])]))
    versions = []
    for number, lines in zip((cut, len(steps)), trunks, strict=True):
        segments, begin = [], 0.0
        for kind, seconds in steps[:number]:
            segments.append(segment(kind, begin, begin + seconds, **agent("1001", "620")))
            begin += seconds
        ends = begin if draw(st.booleans()) else None
        versions.append(call(*segments, ends=ends, trunks=lines, seconds={"talk": draw(st.integers(0, 2))}))
    return versions[0], versions[1]


@given(long_calls(), st.integers(0, 40_000))
def test_the_quarter_hours_that_a_change_touches_are_all_in_which_the_call_counts_otherwise(
    versions: tuple[Document, Document], later: int
) -> None:
    now = max(at(later), *(each["segments"][-1]["until"] for each in versions))
    quarters = list(list_quarters(T, now + timedelta(minutes=15)))
    facts = [Facts("main", quarters, [each], (), (), now) for each in versions]
    before, after = ({each["_id"]: each for each in count(each)} for each in facts)
    differ = {
        (before.get(name) or after[name])["from"]
        for name in before | after
        if before.get(name) != after.get(name)
    }
    assert differ <= find_touched_by_call(*versions, now)
