"""What holds of calls whatever a host sends: odd frames, any order, any cut."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from call_frames import read_documents
from hypothesis import example, given
from hypothesis import strategies as st
from odd_frames import STATIONS, TRUNKS, odd_days, some
from simulated_day import play_day, read_day

from ipecs_mw.calls.course import course
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.joining import index, joining
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import read_step


class Reading:
    """Frames read by one `HostCalls`, asked for what changed after each batch; it keeps the last documents."""

    def __init__(self, documents: Iterable[Mapping[str, Any]], batches: Iterator[int]) -> None:
        self.calls = HostCalls("main", machines=("1099",))
        self.found: dict[str, dict[str, Any]] = {}
        left = next(batches)
        for order, document in enumerate(documents):
            self.calls.pass_time(document["received_at"])
            step = read_step(document, order)
            if step is not None:
                self.calls.take(step)
            left -= 1
            if left <= 0:
                left = next(batches)
                self.collect()
        self.collect()

    def collect(self) -> None:
        for call_id, call in self.calls.take_changed():
            if call is None:
                self.found.pop(call_id, None)
            else:
                self.found[call_id] = build_record(call, "main")


def repeat(sizes: Sequence[int]) -> Iterator[int]:
    while True:
        yield from sizes


def assert_sound(record: Mapping[str, Any]) -> None:
    assert all(each >= 0 for each in record["seconds"].values()), record
    assert all(each >= 0 for each in record["counts"].values()), record
    assert record["is_open"] == ("outcome" not in record), record
    assert record["is_open"] or "ended_at" in record, record
    assert not any(value in (None, "", [], {}) for value in record.values()), record
    if record["counts"]["no_answer"]:
        assert record["counts"]["no_answer"] <= record["counts"]["offered"], record


def assert_phases_follow(calls: HostCalls) -> None:
    for call in calls.open_calls():
        phases = call.course.phases
        for earlier, later in itertools.pairwise(phases):
            assert earlier.ends is not None, phases
            assert earlier.ends == later.begins or earlier.ends.received <= later.begins.received, phases
        assert sum(phase.ends is None for phase in phases) <= 1, phases


@given(odd_days)
@some
def test_no_frames_in_any_order_do_harm(frames: list[Any]) -> None:
    reading = Reading(list(read_documents(frames, are_odd=True)), repeat([1]))
    assert_phases_follow(reading.calls)
    for record in reading.found.values():
        assert_sound(record)


@given(odd_days, st.lists(st.integers(1, 20), min_size=1, max_size=5))
@some
def test_any_batches_give_the_same_documents(frames: list[Any], sizes: list[int]) -> None:
    documents = list(read_documents(frames, are_odd=True))
    assert Reading(documents, repeat(sizes)).found == Reading(documents, repeat([10_000])).found


_ENDLESS_IN_A_GAP: list[Any] = [
    (0, 45, 7),
    *[(0, "gap", {"since": "2026-03-02T08:00:00+00:00"})] * 4,
    (1, 42, 8, "1001", "CO001"),
]


@given(odd_days, st.integers(1, 9))
@example(_ENDLESS_IN_A_GAP, 1)
@some
def test_bounds_of_what_a_call_may_have_do_no_harm(frames: list[Any], size: int) -> None:
    documents = list(read_documents(frames, are_odd=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "MOST_LINES", 2)
        patch.setattr(index, "MOST_AT_STATION", 2)
        patch.setattr(joining, "MOST_REVIVED", 2)
        patch.setattr(joining, "MOST_STEPS", 4)
        found = Reading(documents, repeat([size])).found
        assert found == Reading(documents, repeat([10_000])).found
    for record in found.values():
        assert_sound(record)


_HOLDS_A_MACHINE: list[Any] = [
    (0, 63, 8, "1002"),
    (0, "call", {"type": "hold", "deviceNumber": "1001", "callRefID": 8}),
]


@given(odd_days)
@example(_HOLDS_A_MACHINE)
@some
def test_no_call_outlives_its_trunks_and_stations(frames: list[Any]) -> None:
    idle = [(5000, 18, "", station) for station in (*STATIONS, "620")]
    idle += [(5000, 2, "", trunk) for trunk in TRUNKS]
    reading = Reading(list(read_documents([*frames, *idle], are_odd=True)), repeat([1]))
    for call in reading.calls.open_calls():
        lines = call.course.list_lines()
        seen = [line for line in lines if line.trunks or set(line.legs) - line.named]
        # a caller of whom only his number is known may wait on
        assert all(line.is_waiting and line.has_outside for line in seen), seen
    reading.calls.pass_time(next(read_documents([(13 * 3600 + 5000, 68)]))["received_at"])
    assert not list(reading.calls.open_calls())


@pytest.fixture(scope="module", params=["acd", "call", "smdr", "acd call", "acd call smdr"])
def day(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(read_day(play_day(1.0, kinds=tuple(request.param.split()))))


def test_a_simulated_day_gives_sound_calls_in_any_batches(day: list[dict[str, Any]]) -> None:
    reading = Reading(day, repeat([7, 1, 300]))
    assert reading.found
    for record in reading.found.values():
        assert_sound(record)
    assert reading.found == Reading(day, repeat([10**9])).found


def test_after_a_simulated_day_nothing_stays_open(day: list[dict[str, Any]]) -> None:
    reading = Reading(day, repeat([100]))
    reading.calls.pass_time(day[-1]["received_at"] + timedelta(hours=13))
    reading.collect()
    assert not any(record["is_open"] for record in reading.found.values())


def test_two_hosts_never_share_a_call() -> None:
    documents = list(read_documents([(0, 3, 7, "CO001", "1001"), (5, 42, 7, "1001", "CO001")]))
    here, there = HostCalls("here"), HostCalls("there")
    for order, document in enumerate(documents):
        for calls in (here, there):
            step = read_step(document, order)
            assert step is not None
            calls.take(step)
    assert not {call_id for call_id, _ in here.take_changed()} & {
        call_id for call_id, _ in there.take_changed()
    }


def test_a_clock_that_jumps_back_makes_no_second_negative() -> None:
    frames = [
        (100, 3, 7, "CO001", "1001"),
        (90, 66, 7, "1001", "CO001"),
        (95, 42, 7, "1001", "CO001"),
        (50, 2, "", "CO001"),
    ]
    reading = Reading(list(read_documents(frames, are_odd=True)), repeat([1]))
    (record,) = reading.found.values()
    assert_sound(record)
    assert record["outcome"] == "answered"
