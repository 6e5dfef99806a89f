"""Missed calls: which calls are, one item a number, and what closes it."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipecs_mw.calls.documents.missed import Closing, Item, find_missed, list_open
from ipecs_mw.model.configuration.formats import NumberSettings

EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOLLAND = NumberSettings(country="31", trunk_prefix="9")


def after(minutes: float) -> datetime:
    return EIGHT + timedelta(minutes=minutes)


def make_call(
    minutes: float, outcome: str, number: str = "0612345678", direction: str = "inbound", **more: Any
) -> dict[str, Any]:
    total = more.pop("total", 30.0)
    made: dict[str, Any] = {
        "_id": f"main:{minutes:09}",
        "host": "main",
        "direction": direction,
        "outcome": outcome,
        "is_open": False,
        "began_at": after(minutes),
        "ended_at": after(minutes) + timedelta(seconds=total),
        "seconds": {"total": total},
        "caller" if direction == "inbound" else "dialed": {"number": number},
    }
    if outcome in ("answered", "lost_on_hold"):
        made["answered_at"] = after(minutes) + timedelta(seconds=5)
    return made | more


def call_out(minutes: float, outcome: str, number: str = "0612345678") -> dict[str, Any]:
    return make_call(minutes, outcome, number, "outbound")


def find(*records: dict[str, Any], **more: Any) -> list[Item]:
    return find_missed(records, HOLLAND, **more)


@pytest.mark.parametrize("outcome", ["abandoned", "no_answer", "busy", "refused", "failed", "voicemail"])
def test_an_incoming_call_that_nobody_answered_is_missed(outcome: str) -> None:
    (item,) = find(make_call(0, outcome, groups=["620"], caller={"number": "0612345678", "name": "A Caller"}))
    document = item.to_document()
    assert document == {
        "_id": item.id,
        "host": "main",
        "number": "+31612345678",
        "name": "A Caller",
        "group": "620",
        "state": "open",
        "count": 1,
        "attempts": 0,
        "first_at": after(0),
        "last_at": after(0),
        "calls": ["main:000000000"],
    }


@pytest.mark.parametrize(
    "record",
    [
        make_call(0, "answered"),
        make_call(0, "lost_on_hold"),
        make_call(0, "unknown"),
        make_call(0, "abandoned", direction="internal"),
        make_call(0, "no_answer", direction="outbound"),
        make_call(0, "abandoned", total=3.0),
        make_call(0, "abandoned", number=""),
        make_call(0, "abandoned", is_open=True),
    ],
    ids=["answered", "on hold", "unknown", "internal", "outgoing", "short", "withheld", "open"],
)
def test_other_calls_are_not_missed(record: dict[str, Any]) -> None:
    assert find(record) == []


def test_a_short_call_is_by_the_limit_of_its_group() -> None:
    record = make_call(0, "abandoned", total=8.0, groups=["620"])
    assert len(find(record)) == 1
    assert find(record, short_seconds={"620": 10}) == []


def test_calls_of_one_number_are_one_item_however_it_is_told() -> None:
    told = ("0612345678", "+31 6 1234-5678", "0031612345678", "31612345678")
    (item,) = find(*(make_call(minutes, "abandoned", number) for minutes, number in enumerate(told)))
    assert (item.count, item.first_at, item.last_at) == (4, after(0), after(3))


@pytest.mark.parametrize("dialed", ["0612345678", "90612345678", "+31612345678", "9-0031612345678"])
def test_an_answered_callback_closes_the_item(dialed: str) -> None:
    (item,) = find(make_call(0, "abandoned"), call_out(5, "answered", dialed))
    assert (item.closed_by, item.closed_at) == ("callback", after(5) + timedelta(seconds=5))
    assert item.to_document()["state"] == "closed"


def test_a_caller_who_calls_again_and_is_answered_closes_the_item() -> None:
    (item,) = find(make_call(0, "abandoned"), make_call(5, "no_answer"), make_call(9, "answered"))
    assert (item.closed_by, item.count) == ("called_again", 2)


@pytest.mark.parametrize("outcome", ["no_answer", "busy", "failed", "unknown"])
def test_an_attempt_without_an_answer_only_counts(outcome: str) -> None:
    (item,) = find(make_call(0, "abandoned"), call_out(5, outcome), call_out(6, outcome))
    assert (item.closed_at, item.attempts) == (None, 2)


def test_after_it_was_closed_the_next_missed_call_is_a_new_item() -> None:
    first, second = find(make_call(0, "abandoned"), call_out(5, "answered"), make_call(9, "abandoned"))
    assert (first.closed_by, second.closed_at, second.count) == ("callback", None, 1)
    assert first.id != second.id


def test_what_was_answered_before_closes_nothing() -> None:
    (item,) = find(call_out(0, "answered"), make_call(5, "abandoned"))
    assert item.closed_at is None


def test_another_number_or_host_closes_nothing() -> None:
    other = call_out(6, "answered") | {"host": "branch"}
    (item,) = find(make_call(0, "abandoned"), call_out(5, "answered", "0612345679"), other)
    assert item.closed_at is None


def test_nothing_expires_over_a_weekend() -> None:
    (item,) = find(make_call(0, "abandoned"), make_call(3 * 24 * 60, "abandoned"))
    assert (item.count, item.closed_at) == (2, None)


def test_a_person_closes_an_item_and_a_later_call_opens_another() -> None:
    first = find(make_call(0, "abandoned"))[0]
    closings = {first.id: Closing("Anna", after(5))}
    (closed,) = find(make_call(0, "abandoned"), closings=closings)
    assert (closed.closed_by, closed.closed_at) == ("Anna", after(5))
    items = find(make_call(0, "abandoned"), make_call(9, "abandoned"), closings=closings)
    assert [item.closed_by for item in items] == ["Anna", ""]
    assert len(list(list_open(items))) == 1


def test_a_call_that_was_missed_before_a_person_closed_counts_in_the_same_item() -> None:
    first = find(make_call(0, "abandoned"))[0]
    (item,) = find(
        make_call(0, "abandoned"), make_call(3, "abandoned"), closings={first.id: Closing("Anna", after(5))}
    )
    assert (item.count, item.closed_by) == (2, "Anna")


def test_a_masked_number_stands_for_itself_alone() -> None:
    items = find(make_call(0, "abandoned", "06****5678"), call_out(5, "answered", "0612345678"))
    assert [(item.number, item.closed_at) for item in items] == [("06****5678", None)]


def test_without_a_country_a_number_is_the_one_that_was_told() -> None:
    records = [make_call(0, "abandoned"), call_out(5, "answered", "+31612345678"), call_out(6, "answered")]
    (item,) = find_missed(records)
    assert (item.number, item.closed_at) == ("0612345678", after(6) + timedelta(seconds=5))


calls = st.builds(
    make_call,
    st.integers(0, 500),
    st.sampled_from(("abandoned", "answered", "no_answer", "voicemail", "unknown")),
    st.sampled_from(("0612345678", "0612345679", "+31612345678", "", "12")),
    st.sampled_from(("inbound", "outbound", "internal")),
)


@given(st.lists(calls, max_size=30, unique_by=lambda record: record["_id"]), st.integers())
def test_a_number_has_one_open_item_at_most_in_whatever_order_records_come(
    records: list[dict[str, Any]], seed: int
) -> None:
    items = find(*records)
    opened = [item.number for item in list_open(items)]
    assert len(opened) == len(set(opened))
    counted = [call for item in items for call in item.calls]
    assert len(counted) == len(set(counted))
    mixed = list(records)
    Random(seed).shuffle(mixed)
    assert [item.to_document() for item in find(*mixed)] == [item.to_document() for item in items]
