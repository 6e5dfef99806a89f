"""A call that a host never ends: what is made of each event takes as long as at the beginning."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from call_frames import EPOCH, read_documents

from ipecs_mw.calls.course.course import MOST_LINES, Course
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.joining.index import MOST_AT_STATION, MOST_STEPS, Joined
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import Step, read_step

_COUNT = 2 * MOST_STEPS + 100
Frame = Sequence[Any]


def _answer_by_another_reference(number: int) -> Frame:
    return number // 100, 42, number, str(1000 + number % 200), "CO001"


def _hold_by_another_reference(number: int) -> Frame:
    return number // 100, 49, number, "1001", "CO001"


def _confer_by_another_reference(number: int) -> Frame:
    return number // 100, 45, number, str(1000 + number % 200), "CO001", "0", "1"


def _wait_again(number: int) -> Frame:
    return number // 100, 62, 1, "CO001", "", "1"


def _hold_and_come_back(number: int) -> Frame:
    return number // 100, (42, 49)[number % 2], 1, "1001", "CO001"


@pytest.mark.parametrize(
    "build",
    [
        _answer_by_another_reference,
        _hold_by_another_reference,
        _confer_by_another_reference,
        _wait_again,
        _hold_and_come_back,
    ],
)
def test_a_call_without_an_end_stays_small_and_nothing_of_it_is_lost(build: Callable[[int], Frame]) -> None:
    frames = [(0, 3, 1, "CO001", "620", "1", "5"), *map(build, range(1, _COUNT))]
    end = _COUNT // 100 + 1
    ends = [(end, 2, "", "CO001"), *((end, 18, "", str(station)) for station in range(1000, 1200))]
    calls, found, lines = HostCalls("main"), {}, 0

    def collect() -> None:
        found.update({call_id: call for call_id, call in calls.take_changed() if call is not None})

    for order, document in enumerate(read_documents([*frames, *ends])):
        step = read_step(document, order)
        assert step is not None
        calls.take(step)
        collect()
        lines = max([lines, *(len(call.course.lines) for call in found.values())])
    calls.pass_time(EPOCH + timedelta(hours=1))
    collect()
    assert lines <= MOST_LINES
    assert max(map(_count_told, found.values())) == MOST_STEPS
    assert sum(map(_count_told, found.values())) >= len(frames)
    records = [build_record(call, "main") for call in found.values()]
    assert [each["quality"]["closed_by"] for each in records].count("step_limit") == 2
    assert not list(calls.open_calls())


def _count_told(call: Joined) -> int:
    return sum(step.verb != "close" for step in call.course.steps)


def _come_and_answer(number: int) -> Frame:
    return number // 100, (3, 42)[number % 2], 1 + number % 2, "CO001", "1001", "1", "5"


def _come_by_two_references(number: int) -> Frame:
    return number // 100, 3, 1 + number % 2, "CO001", "620", "1", "5"


def _come_and_be_free(number: int) -> Frame:
    return number // 100, (3, 42, 2)[number % 3], 1, "CO001", ("620", "1001", "")[number % 3], "1", "5"


@pytest.mark.parametrize("build", [_come_and_answer, _come_by_two_references, _come_and_be_free])
def test_a_call_that_ends_by_mistake_again_and_again_is_not_read_anew_each_time(
    build: Callable[[int], Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, note = [0], Course.note

    def count(course: Course, step: Step) -> None:
        read[0] += 1
        note(course, step)

    monkeypatch.setattr(Course, "note", count)
    calls = HostCalls("main")
    for order, document in enumerate(read_documents(list(map(build, range(_COUNT))))):
        step = read_step(document, order)
        assert step is not None
        calls.take(step)
    assert _COUNT <= read[0] <= 30 * _COUNT


def test_a_station_with_calls_without_an_end_is_found_in_the_last_of_them() -> None:
    frames = [
        (number // 100, 41, number, "1001", str(2000 + number)) for number in range(3 * MOST_AT_STATION)
    ]
    calls = HostCalls("main")
    for order, document in enumerate(read_documents(frames)):
        step = read_step(document, order)
        assert step is not None
        calls.take(step)
    found = calls.calls_at("1001")
    assert len(found) <= MOST_AT_STATION
    assert frames[-1][2] in found[-1].refs
    assert len(list(calls.open_calls())) == len(frames)
