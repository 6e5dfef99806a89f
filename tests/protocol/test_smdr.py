"""Questions for call records, pages, and what names a record."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.errors import ReplyUnreadable
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.protocol.replies import read_reply
from ipecs_mw.protocol.smdr import (
    MOST_RECORDS,
    build_filter,
    build_range,
    build_record_id,
    find_number_fields,
    find_runs,
    join_filters,
    next_range,
    read_count,
    read_records,
    wrap_record,
)
from ipecs_mw.seeds import read_json, shipped_texts

ZONE = ZoneInfo("Asia/Singapore")
DECODE = Decoder(read_json("codes.json"), ZONE).decode
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RECORD = {
    "Index": 17,
    "callRefID": 33,
    "StationNumber": "1001",
    "CoNumber": "003",
    "Duration": "00:01:05",
    "StartTime": "2026-03-02 16:00",
    "Direction": "O",
    "CLI Number": "0170123",
    "Cost": "",
    "AccountCode": "STA-P[918273]",
    "Name": "",
    "DisconnectCause": "16-normal call clearing",
}


def name(record: dict[str, Any], body: bytes | None = None) -> str | None:
    return build_record_id("main", DECODE(body or wrap_record(record), AT))


def number(*indexes: int) -> list[dict[str, Any]]:
    return [{"Index": index} for index in indexes]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"station": "10*"}, {"$regex": {"StationNumber": "10*"}}),
        ({"since": AT}, {"$>=": {"StartTime": "2026-03-02 16:00:00"}}),
        ({"until": AT}, {"$<": {"StartTime": "2026-03-02 16:00:00"}}),
        (
            {"numbers": ["0123*"], "number_fields": ("CLI Number", "Name")},
            {"$or": [{"$regex": {"CLI Number": "0123*"}}, {"$regex": {"Name": "0123*"}}]},
        ),
        (
            {"station": "1001", "since": AT},
            {
                "$and": [
                    {"$regex": {"StationNumber": "1001"}},
                    {"$>=": {"StartTime": "2026-03-02 16:00:00"}},
                ]
            },
        ),
    ],
)
def test_plain_options_become_the_vendors_filter(options: Any, expected: Any) -> None:
    assert build_filter(ZONE, **options) == expected


def test_a_range_of_indexes_is_open_where_nothing_is_said() -> None:
    assert build_range(None) == {}
    assert build_range(5) == {"$>": {"Index": 5}}
    assert build_range(None, 9) == {"$<=": {"Index": 9}}
    assert build_range(5, 9) == {"$and": [{"$>": {"Index": 5}}, {"$<=": {"Index": 9}}]}
    assert join_filters([{}, {"a": 1}, {}]) == {"a": 1}


@pytest.mark.parametrize("reply", [None, [], {}, {"items": {}}, {"items": [1]}, {"data": {"about": "x"}}])
def test_a_reply_without_a_list_of_records_is_an_error(reply: Any) -> None:
    with pytest.raises(ReplyUnreadable) as caught:
        read_records(reply)
    assert "smdr.get" in shipped_texts("en-GB").explain(caught.value)
    with pytest.raises(ReplyUnreadable):
        read_count(reply)


def test_a_reply_is_read_with_and_without_its_list_and_its_envelope() -> None:
    assert read_records({"count": 1, "items": [RECORD]}) == [RECORD]
    assert read_records({"data": {"items": [RECORD]}}) == [RECORD]
    assert read_records({"count": 0}) == []
    assert read_count({"count": "0017"}) == 17


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("is_ordered", [True, False])
def test_every_record_is_on_a_page_in_whatever_order_the_host_gives_them(
    step: int, *, is_ordered: bool
) -> None:
    held = list(range(1, 1800 * step, step))
    given = held if is_ordered else [held[at * 1009 % len(held)] for at in range(len(held))]
    assert sorted(given) == held
    found: set[int] = set()
    ahead: tuple[int | None, int | None] | None = (None, None)
    requests = 0
    while ahead is not None:
        after, last = ahead
        fits = [i for i in given if (after is None or i > after) and (last is None or i <= last)]
        page = number(*fits[:MOST_RECORDS])
        found.update(record["Index"] for record in page)
        ahead = next_range(page, after, last)
        requests += 1
        assert requests < 60
    assert found == set(held)


def test_a_full_page_without_indexes_has_no_next_one() -> None:
    with pytest.raises(ReplyUnreadable):
        next_range([{}] * MOST_RECORDS, None, None)
    assert next_range([{}] * 3, None, None) is None


@pytest.mark.parametrize(
    ("indexes", "after", "last"),
    [
        (range(1, MOST_RECORDS + 1), MOST_RECORDS, None),
        (range(MOST_RECORDS, 0, -1), MOST_RECORDS, None),
        ([7] * MOST_RECORDS, 7, None),
        (range(1, MOST_RECORDS + 1), None, 100),
        (range(-MOST_RECORDS, 0), 0, 900),
    ],
)
def test_a_full_page_of_a_host_that_ignores_the_filter_has_no_next_one(
    indexes: Iterable[int], after: int | None, last: int | None
) -> None:
    with pytest.raises(ReplyUnreadable) as caught:
        next_range(number(*indexes), after, last)
    assert caught.value.key == "error.smdr_filter"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_host_answers_within_its_range_reading_ends(seed: int) -> None:
    chance = random.Random(seed)
    ahead: tuple[int | None, int | None] | None = (None, None)
    requests = 0
    while ahead is not None:
        after, last = ahead
        first, final = 0 if after is None else after + 1, 20_000 if last is None else min(last, 20_000)
        indexes = [chance.randint(first, final) for _ in range(MOST_RECORDS)] if first <= final else []
        page = number(*indexes)
        ahead = next_range(page, after, last)
        requests += 1
        assert requests < 5000


def test_runs_have_no_holes() -> None:
    assert find_runs([5, 1, 2, 9, 6, 2]) == [(1, 2), (5, 6), (9, 9)]
    assert find_runs([]) == []


def test_the_number_fields_are_those_that_are_no_other() -> None:
    assert find_number_fields(RECORD) == ("CLI Number", "Name")
    assert find_number_fields({}) == ("DialedNumber1", "DialedNumber2")


@pytest.mark.parametrize(
    "change",
    [
        {"Index": None},
        {"Index": 4711},
        {"callRefID": "0033"},
        {"StationNumber": " 1001 "},
        {"Duration": "000105"},
        {"Cost": "1.50"},
        {"AccountCode": ""},
    ],
)
def test_a_record_keeps_its_id_whatever_way_it_came_and_however_it_is_spelt(change: dict[str, Any]) -> None:
    assert name({**RECORD, **change}) == name(RECORD)


@pytest.mark.parametrize(
    "change",
    [
        {"callRefID": 34},
        {"StationNumber": "1002"},
        {"StartTime": "2026-03-02 16:01"},
        {"Duration": "00:01:06"},
        {"CoNumber": "004"},
        {"Direction": "I"},
        {"CLI Number": "0170124"},
        {"Name": "0170123"},
    ],
)
def test_another_call_has_another_id(change: dict[str, Any]) -> None:
    assert name({**RECORD, **change}) != name(RECORD)


def test_an_id_is_the_documented_hash() -> None:
    assert name(RECORD) == "main:smdr:82bff3db28988129652164633644ead3"


def test_a_record_that_could_be_mistaken_is_the_same_only_in_every_field() -> None:
    anonymous = {**RECORD, "callRefID": ""}
    assert name(anonymous) == name(dict(reversed(anonymous.items())))
    assert name(anonymous) != name({**anonymous, "Index": 18})
    assert name({"x": 1}, b'{"event": "smdr", "data": {"x": 1}}') == name({"x": 1})


def test_a_record_that_is_nested_too_deep_for_an_id_has_none() -> None:
    body = b'{"event": "smdr", "data": {"x": ' + b"[" * 900 + b"]" * 900 + b"}}"
    assert json.loads(body)
    deep = name({}, body)
    assert deep is None or deep.startswith("main:smdr:")


def read(body: bytes) -> Any:
    commands = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
    return read_reply(commands["smdr.get"], 200, body, parse_codes(read_json("codes.json")), "main")


def test_the_authorization_codes_of_a_reply_are_masked_also_where_it_is_cut() -> None:
    body = json.dumps({"count": 1, "items": [RECORD]}).encode()
    assert read(body)["items"] == [{**RECORD, "AccountCode": "STA-P[***]"}]
    with pytest.raises(ReplyUnreadable) as caught:
        read(body[body.index(b"Cost") : -40])
    assert "STA-P[***" in caught.value.facts["excerpt"]
    assert "918273" not in repr(caught.value.facts)


def test_a_reply_that_is_nested_too_deep_is_unreadable() -> None:
    with pytest.raises(ReplyUnreadable):
        read(b'{"items": ' + b"[" * 5000 + b"]" * 5000 + b"}")
