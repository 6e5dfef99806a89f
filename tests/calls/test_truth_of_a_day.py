"""What is read of a simulated day against what the PBX knows of it: every call and every state, to the second."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

import pytest
from faults.recording import IS_FULL
from msgspec import Struct
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
)

from ipecs_mw.simulator.variants import Variants

BINS = {"1": "620", "2": "621"}
SEEDS = (1, 2, 3, 4) if IS_FULL else (1,)
VARIANT_HOURS = 10.0 if IS_FULL else 1.5


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


def assert_calls_are_true(
    day: Day, kinds: Collection[str] = ALL_KINDS, *, is_end_told: bool = True, **options: Any
) -> None:
    records = list_records(read(day, kinds, **options))
    sent = {*kinds, "43"} if is_end_told else kinds
    wrong = [
        (call, record, differences)
        for call, record in match(day, records)
        if (differences := list_differences(call, record, sent))
    ]
    assert not wrong, (len(wrong), wrong[0])


@pytest.fixture(scope="module", params=SEEDS)
def day(request: pytest.FixtureRequest) -> Day:
    return play(24.0, request.param)


@pytest.mark.parametrize("kinds", ["acd call smdr", "acd call", "acd"])
def test_every_call_of_a_day_is_one_record_with_every_second_in_it(day: Day, kinds: str) -> None:
    assert_calls_are_true(day, kinds.split(), bins=BINS)


@pytest.mark.parametrize("kinds", ["acd call smdr", "acd call"])
def test_every_agent_s_states_of_a_day_are_true_to_the_second(day: Day, kinds: str) -> None:
    true, found = list_true_states(day), list_read_states(read(day, kinds.split(), bins=BINS))
    assert found.keys() == true.keys()
    for station, states in true.items():
        assert found[station] == states, station


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
    assert_calls_are_true(day, is_end_told=variants.release_order != "trunk_only", **options)
    assert list_read_states(read(day, **options)) == list_true_states(day)
