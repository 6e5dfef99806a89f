"""Bytes that are no proper JSON: read where they can be read, kept where they cannot."""

import json
import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.protocol.events import Decoder, build_undecodable
from ipecs_mw.seeds import read_json

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))
RECEIVED_AT = datetime(2026, 3, 2, 8, 0, 6, tzinfo=UTC)


def frame(name: str) -> str:
    data = {"eventCode": 72, "data1": "0170123", "data2": name}
    return json.dumps({"event": "acd", "data": data}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("body", "name", "problem"),
    [
        (frame("Kim").encode(), "Kim", None),
        (frame("KIM").replace("KIM", "K\x01I\tM").encode(), "K\x01I\tM", "control characters in a string"),
        (b"\xef\xbb\xbf" + frame("Kim").encode(), "Kim", "byte order mark"),
        (frame("홍길동").encode("cp949"), "홍길동", "CP949 instead of UTF-8"),
        (frame("“Kim”").encode(), "“Kim”", None),
        (b" \r\n" + frame("Kim").encode() + b"\n", "Kim", None),
    ],
)
def test_what_can_be_read_is_read_with_a_note(body: bytes, name: str, problem: str | None) -> None:
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.type) == ("acd", "incoming_caller_info")
    assert event.data["caller_name"] == name
    assert event.problems == (() if problem is None else (problem,))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty frame"),
        (b" \n", "empty frame"),
        (b'{"event": "acd", "data": {"eventCode": 66,}}', "not JSON"),
        ("{“event”: “acd”}".encode(), "not JSON"),
        (b'{"event": "acd"}{"event": "acd"}', "not JSON: Extra data"),
        (b'{"event": "acd", "data": {"eventC', "not JSON"),
        (b"\x00\x01\x02", "not JSON"),
        (b"\xff\xfe\x80\x81", "not text"),
        (b"[" * 5000 + b"]" * 5000, "not JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_cannot_be_read_is_kept_as_bytes_with_the_reason(body: bytes, reason: str) -> None:
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.type, event.raw) == ("undecodable", "undecodable", body)
    assert event.problems[0].startswith(reason)
    assert len(event.problems[0]) <= 200


def test_a_value_that_is_no_number_is_kept_and_noted() -> None:
    event = DECODER.decode(b'{"event": "acd", "data": {"eventCode": 2, "callRefID": NaN}}', RECEIVED_AT)
    assert (event.type, event.call_ref) == ("co_idle", None)
    assert math.isnan(event.raw["data"]["callRefID"])
    assert event.problems == ("not strict JSON", "callRefID: unexpected value")


@pytest.mark.parametrize(
    "body",
    [
        b'{"event": "acd", "data": {"eventCode": 86, "data1": "918273", "data2": ',
        b'{"data1": 918273, "eventCode" : " 086", ',
        b'{"event": "acd", "data": {"eventString": "SMDR AUTHORIZATION CODE", "data1": "918273',
        b'{"event": "smdr", "data": {"AccountCode": "STA-P[918273]", ',
        b'{"event": "smdr", "data": {"AccountCode": "SYS-P[918273',
        b'\xff{"AccountCode": "SYS-P[918273]"}',
    ],
)
def test_an_authorization_code_is_masked_in_bytes_too(body: bytes) -> None:
    for event in (DECODER.decode(body, RECEIVED_AT), build_undecodable(body, RECEIVED_AT, "refused")):
        assert event.kind == "undecodable"
        assert b"918273" not in event.raw
        assert b"***" in event.raw


def test_a_type_that_nobody_knows_is_not_longer_than_a_name() -> None:
    event = DECODER.decode(json.dumps({"event": "call", "data": {"type": "x" * 5000}}).encode(), RECEIVED_AT)
    assert event.type == "x" * 64


@pytest.mark.parametrize("value", [None, True, [], {}, "", 1.5, "-", ["1001", {}], [[]], 2**70, "9" * 5000])
def test_no_field_can_upset_the_decoder(value: Any) -> None:
    tables = read_json("codes.json")
    for event, names in (
        (
            "acd",
            ["time", "callRefID", "eventCode", "sourceType", "sourceNumber", "destNumber", "data1", "data2"],
        ),
        ("call", ["type", *(row["code"] for row in tables["call_fields"])]),
        ("smdr", [row["code"] for row in tables["smdr_fields"]]),
    ):
        for code in (13, 44, 66, 69, 86) if event == "acd" else ("ringing",):
            data = {"eventCode": code, "type": "ringing"}
            for name in names:
                body = json.dumps({"event": event, "data": {**data, name: value}}).encode()
                assert DECODER.decode(body, RECEIVED_AT).raw is not None
