"""A journal's note of how its frames are read decodes them as the configuration did that it was made of."""

import json
from datetime import UTC, datetime

import pytest
from support import START_AT

from ipecs_mw.model.definitions import parse_codes
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.decoding import Reading, build_decode, decode_reading, encode_reading

CODES = parse_codes(read_json("codes.json"))
RING = json.dumps({"event": "acd", "data": {"eventCode": 66, "time": "2026/03/02 16:00:00"}}).encode()
RECORD = json.dumps(
    {"event": "smdr", "data": {"StationNumber": "1001", "StartTime": "2026-03-02 16:00:00", "Called": "620"}}
).encode()


def test_a_note_is_read_as_it_was_written() -> None:
    reading = Reading("main", "Asia/Singapore", ("Called", "번호"))
    assert decode_reading(encode_reading(reading)) == reading


@pytest.mark.parametrize(
    "note",
    [
        None,
        "",
        "{",
        "[]",
        '{"host": "main"}',
        '{"host": "main", "timezone": "Mars/Base"}',
        '{"host": "main", "timezone": "../etc"}',
        '{"host": "main", "timezone": ""}',
        '{"host": "main", "timezone": "Asia\\u0000"}',
        '{"host": "main", "timezone": "Asia"}',
    ],
)
def test_a_note_that_cannot_be_used_counts_as_none(note: str | None) -> None:
    assert decode_reading(note) is None


def test_times_and_number_fields_are_read_as_noted() -> None:
    decode = build_decode(Reading("main", "Asia/Singapore", ("Dialled", "Called")), CODES)
    assert decode(RING, START_AT).at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert decode(RECORD, START_AT).data["number2"] == "620"


def test_without_a_note_an_event_has_no_time_of_the_host_and_says_why() -> None:
    decode = build_decode(None, CODES)
    event = decode(RING, START_AT)
    assert (event.type, event.at, event.received_at) == ("station_ring", None, START_AT)
    assert event.problems == ("the time zone of the host is not known",)
    assert event.raw["data"]["time"] == "2026/03/02 16:00:00"
    assert decode(b'{"eventCode": 66}', START_AT).problems == (), "it told no time"
