"""What holds of calls whatever a host sends: odd frames, any order, any cut."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from call_frames import read_documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_day import play_day, read_day

from ipecs_mw.calls.joining import HostCalls
from ipecs_mw.calls.record import build_record
from ipecs_mw.calls.steps import ACD_VERBS, CALL_VERBS, read_step

STATIONS, TRUNKS, REFS = ("1001", "1002", "1003", "1099"), ("CO001", "CO002"), (7, 8, 9)
GROUPS = ("", "0", "1", "2", "620")
NUMBERS = ("", "0612345678", "1001", "1002", "1003", "620")

parties = st.sampled_from(("", *STATIONS, *TRUNKS, "620"))
seconds = st.integers(0, 4000)
acd_frames = st.tuples(
    seconds,
    st.sampled_from(sorted(ACD_VERBS)),
    st.sampled_from(("", *REFS)),
    parties,
    parties,
    st.sampled_from((*GROUPS, "3", "0612345678")),
    st.sampled_from(("", "0", "1", "10", "11", "0612345678")),
)
call_frames = st.builds(
    lambda second, kind, station, ref, causes, numbers: (
        second,
        "call",
        {"type": kind, "deviceNumber": station, "callRefID": ref, "causeCode": causes}
        | dict(zip(_NAMES, numbers, strict=True)),
    ),
    seconds,
    st.sampled_from(sorted(CALL_VERBS)),
    st.sampled_from(STATIONS),
    st.sampled_from(("", *REFS)),
    st.sampled_from(("", "3", "10", "11", "22", "27", "48", "52", "62", "65", "103")),
    st.lists(st.sampled_from(NUMBERS), min_size=13, max_size=13),
)
_NAMES = (
    "callingDN", "calledDN", "releasedDN", "holdDN", "retrieveDN", "transferToDN", "transferorDN", "transferedDN",
    "newConfMemberDN", "masterDN", "reroutingDN", "releasedAscDN", "primaryAcdGroup",
)  # fmt: skip
record_frames = st.builds(
    lambda second, ref, station, trunk, letter, minute: (
        second,
        "smdr",
        {
            "callRefID": ref,
            "StationNumber": station,
            "CoNumber": trunk,
            "Duration": "00:00:40",
            "StartTime": f"2026-03-02 08:{minute:02}",
            "Direction": letter,
        },
    ),
    seconds,
    st.sampled_from(("", *REFS)),
    st.sampled_from(("", "CO001", "620", *STATIONS)),
    st.sampled_from(("", "001", "002")),
    st.sampled_from("tIOTHRGESPoXVNnZ"),
    st.integers(0, 59),
)
system_frames = st.one_of(
    st.tuples(seconds, st.just("gap"), st.just({"since": "2026-03-02T08:00:00+00:00"})),
    st.builds(
        lambda second, station, state: (second, "call_state_read", {"station": station, "state": state}),
        seconds,
        st.sampled_from(STATIONS),
        st.sampled_from(("idle", "trk_talk", "hold", "block")),
    ),
)
any_frames = st.one_of(acd_frames, acd_frames, call_frames, call_frames, record_frames, system_frames)
odd_days = st.lists(any_frames, min_size=1, max_size=40).flatmap(
    lambda frames: st.sampled_from((frames, sorted(frames, key=lambda frame: frame[0])))
)
some = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


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
        for earlier, later in zip(phases, phases[1:], strict=False):
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


@given(odd_days)
@some
def test_no_call_outlives_its_trunks_and_stations(frames: list[Any]) -> None:
    idle = [(5000, 18, "", station) for station in (*STATIONS, "620")]
    idle += [(5000, 2, "", trunk) for trunk in TRUNKS]
    reading = Reading(list(read_documents([*frames, *idle], are_odd=True)), repeat([1]))
    for call in reading.calls.open_calls():
        lines = call.course.list_lines()
        assert not any(line.trunks or set(line.legs) - line.named for line in lines), lines
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
