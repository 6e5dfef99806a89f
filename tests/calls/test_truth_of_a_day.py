"""What is read of a simulated day against what the PBX knows of it: every call and every state, to the second."""

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import Any

import pytest
from faults.recording import IS_FULL
from msgspec import Struct
from simulated_day import BEGIN
from true_day import (
    ALL_KINDS,
    Day,
    Document,
    expect,
    list_read_states,
    list_records,
    list_true_states,
    play,
    read,
    show,
    tell,
)

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.simulator.pbx.pbx import VOICE_MAIL
from ipecs_mw.simulator.wire.variants import Variants

BINS = {"1": "620", "2": "621"}
SEEDS = (1, 2, 3, 4) if IS_FULL else (1,)
SHORT_HOURS = 24.0 if IS_FULL else 4.0
VARIANT_HOURS = 10.0 if IS_FULL else 1.0


class Tolerance(Struct):
    """What the wire does not tell: where none of the `lacking` is sent, a field has one value for another."""

    lacking: str
    direction: str
    field: str
    true: Any
    found: Any
    why: str


_VAIN = "43 alone tells that a phone does not ring: it is busy, or undisturbed"
TOLERANCES = (
    Tolerance("smdr", "inbound", "outcome", "refused", "busy", _VAIN),
    Tolerance("call", "internal", "outcome", "refused", "busy", _VAIN),
    Tolerance("call smdr", "inbound", "outcome", "no_answer", "abandoned", "2 alone tells of the end"),
    Tolerance("43", "inbound", "outcome", "busy", "abandoned", "2 alone tells of the end"),
    Tolerance("43", "inbound", "ended_by", "outside", None, "2 alone tells of the end"),
    Tolerance("43", "outbound", "ended_by", "outside", None, "2 alone tells of the end"),
)
LATE = timedelta(seconds=45)
"""Without call events nothing tells that nobody answered a consultation: it ends when its station talks again."""


def match(day: Day, records: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Yield each true call with its record; there is one for each, and none too many."""
    by_ref = {ref: record for record in records for ref in record.get("call_refs", ())}
    by_start: dict[Any, list[Document]] = {}
    for record in records:
        by_start.setdefault(record["began_at"], []).append(record)
    used: set[str] = set()
    for call in day.truth["conversations"]:
        found = {by_ref[ref]["_id"]: by_ref[ref] for ref in call["refs"] if ref in by_ref}
        if not found:
            begun = by_start.get(expect(call)["began_at"], ())
            found = {each["_id"]: each for each in begun if _is_of(each, call)}
        assert len(found) == 1, (call, found)
        ((name, record),) = found.items()
        assert name not in used, (call, record)
        used.add(name)
        yield call, record
    assert len(used) == len(records), [each for each in records if each["_id"] not in used]


def _is_of(record: Document, call: Document) -> bool:
    same = [set(record.get(name, ())) & set(call[name]) for name in ("trunks", "stations")]
    return any(same)


def list_differences(call: Document, record: Document, sent: Collection[str]) -> list[tuple[str, Any, Any]]:
    """Return the fields in which a record differs from the truth, beside what its source cannot tell."""
    true, found = expect(call), show(record)
    if "call" not in sent and true["outcome"] == "no_answer" and true["ended_by"] is None:
        late = found["ended_at"] - true["ended_at"]
        if timedelta() < late <= LATE:
            for name in ("seconds.ring", "seconds.total"):
                true[name] += late.total_seconds()
            true["ended_at"] += late
    if call["is_open"]:
        del true["outcome"]  # the PBX judges it at the end
    return [
        (name, value, found.get(name))
        for name, value in true.items()
        if value != found.get(name) and not _is_untold(call["direction"], name, value, found.get(name), sent)
    ]


def _is_untold(direction: str, name: str, true: Any, found: Any, sent: Collection[str]) -> bool:
    return any(
        (each.direction, each.field, each.true, each.found) == (direction, name, true, found)
        and not set(each.lacking.split()) & set(sent)
        for each in TOLERANCES
    )


def assert_calls_are_true(day: Day, reading: HostReading, sent: Collection[str]) -> None:
    wrong = [
        (call, record, differences)
        for call, record in match(day, list_records(reading))
        if (differences := list_differences(call, record, sent))
    ]
    assert not wrong, (len(wrong), wrong[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_and_states_of_a_day_are_true_to_the_second(seed: int) -> None:
    day = play(24.0, seed)
    reading = read(day, bins=BINS)
    assert_calls_are_true(day, reading, {*ALL_KINDS, "43"})
    true, found = list_true_states(day), list_read_states(reading)
    assert found.keys() == true.keys()
    for station, states in true.items():
        assert found[station] == states, station


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kinds", ["acd call", "acd"])
def test_without_call_records_or_call_events_calls_are_true_as_far_as_anybody_tells(
    kinds: str, seed: int
) -> None:
    day = play(SHORT_HOURS, seed)
    assert_calls_are_true(day, read(day, kinds.split(), bins=BINS), {*kinds.split(), "43"})


def test_a_reading_that_begins_in_mid_day_soon_names_groups_by_their_numbers() -> None:
    reading = read(play(2.0), begin_seconds=3600)
    later = BEGIN + timedelta(seconds=5400)
    states = [document for _, document in reading.states.take_changed() if document["from"] > later]
    calls = [call for call in list_records(reading) if call["began_at"] > later]
    assert {group for each in states + calls for group in each.get("groups") or ()} == set(BINS.values())


VARIANTS = (
    {"records": "segment"},
    {"transfer_ref": "active"},
    {"transfer_ref": "new"},
    {"bins": "number"},
    {"unanswered": "no_answer"},
    {"unanswered": "queue"},
    {"unanswered": "overflow_group"},
    {"unanswered": "overflow_station"},
    {"announcement": "699"},
    {"release_order": "after_trunk"},
    {"release_order": "trunk_only"},
    {"unpark": "acd"},
    {"unpark": "call"},
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: " ".join(map("=".join, each.items())))
def test_calls_and_states_are_true_at_a_host_that_does_something_as_others_do(
    variant: dict[str, str],
) -> None:
    variants = Variants(**variant)  # type: ignore[arg-type]
    day = play(VARIANT_HOURS, 5, variants)
    options = {
        "bins": {} if variants.bins == "number" else BINS,
        "machines": (variants.announcement,) if variants.announcement else (),
    }
    reading = read(day, **options)
    is_end_told = variants.release_order != "trunk_only"
    assert_calls_are_true(day, reading, {*ALL_KINDS, "43"} if is_end_told else ALL_KINDS)
    assert list_read_states(reading) == list_true_states(day)


@pytest.mark.parametrize("kinds", ["acd call smdr", "acd"])
@pytest.mark.parametrize("blank", ["acd", "both"])
def test_at_a_host_that_names_no_calls_each_is_one_and_those_with_a_trunk_are_true(
    blank: str, kinds: str
) -> None:
    day = play(VARIANT_HOURS, 5, Variants(blank_refs=blank))  # type: ignore[arg-type]
    sent = {*kinds.split(), "43"}
    wrong = [
        (call, record, differences)
        for call, record in match(day, list_records(read(day, kinds.split(), bins=BINS)))
        if (differences := [each for each in list_differences(call, record, sent) if each[0] != "refs"])
    ]
    assert not [each for each in wrong if each[0]["direction"] != "internal"]
    internal = [each for each in day.truth["conversations"] if each["direction"] == "internal"]
    assert len(wrong) <= len(internal) // 3, (
        "what stations alone name may be ended or answered by nobody known"
    )


def _find_by_ref(call: Document, records: list[Document]) -> list[Document]:
    return [record for record in records if set(record.get("call_refs", ())) & set(call["refs"])]


SEEN = ("direction", "outcome", "rang_at", "answered_at", "answered_by", "ended_at")
SEEN_SECONDS = ("seconds.talk", "seconds.hold", "seconds.park")


def test_of_one_monitored_station_its_own_part_of_each_call_is_true() -> None:
    station = "1003"
    day = play(SHORT_HOURS, 1)
    records = list_records(read(day, ("call",), station, bins=BINS))
    mine = [call for call in day.truth["conversations"] if station in call["stations"]]
    assert mine
    assert len(records) == len(mine)
    for call in mine:
        (record,) = _find_by_ref(call, records)
        assert _list_rings(record, station, lambda each, name: each.get(name)) == _list_rings(
            call, station, tell
        )
        is_passed_on = call["stations"] != [station] or call["transfers"]
        if not (
            is_passed_on or call["is_open"] or call["outcome"] == "voicemail"
        ):  # that answers like anybody
            true, found = expect(call), show(record)
            for name in (*SEEN, *SEEN_SECONDS):
                assert true[name] == found[name], (name, call, record)
            assert record["caller"].get("number") == call["caller"].get(
                "number"
            )  # the name is told by ACD alone


def _list_rings(call: Document, station: str, at: Callable[[Document, str], Any]) -> list[Any]:
    rings = [each for each in call["segments"] if (each["kind"], each.get("station")) == ("ring", station)]
    return [(at(each, "from"), at(each, "until")) for each in rings]


RECORDED = {("busy", "abandoned"), ("busy", "no_answer"), ("answered", "voicemail")}
"""An outcome, and what the letter of its call record says: no letter is for busy; V also for a call passed on."""


def test_of_call_records_alone_the_rest_is_absent_rather_than_wrong() -> None:
    day = play(SHORT_HOURS, 1)
    records = list_records(read(day, ("smdr",), bins=BINS))
    recorded = [call for call in day.truth["conversations"] if call["records"]]
    by_ref = {record["call_refs"][0]: record for record in records}
    settled = [call for call in recorded if call["refs"][0] in by_ref]
    assert len(records) == len(settled) >= len(recorded) - 20  # the last ones wait for events of theirs
    for call in settled:
        record = by_ref[call["refs"][0]]
        true, found = expect(call), show(record)
        assert found["direction"] == true["direction"]
        assert found["outcome"] == true["outcome"] or (true["outcome"], found["outcome"]) in RECORDED
        assert found["caller"].items() <= true["caller"].items()
        assert found["dialed"].items() <= true["dialed"].items()
        assert found["trunks"] == true["trunks"]
        voice_mail = {VOICE_MAIL} if found["outcome"] == "voicemail" else set()
        assert set(found["stations"]) <= set(true["stations"]) | voice_mail
        assert not {"queued_at", "rang_at", "answered_at", "answered_by", "segments"} & record.keys()
        if found["outcome"] == "answered":
            lasted = (tell(call, "ended") - tell(call, "answered")).total_seconds()
            assert abs(record["seconds"]["total"] - lasted) <= 1, (call, record)  # seconds without a fraction
