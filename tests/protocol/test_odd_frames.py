"""Bytes that are no proper JSON: read where they can be read, kept where they cannot."""

import json
import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest

from ipecs_mw.model.configuration.formats import FormatSettings
from ipecs_mw.protocol.events import Decoder, build_undecodable
from ipecs_mw.seeds import read_json
from ipecs_mw.store.events.event_log import build_document

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
        (frame("“Kim”").encode(), "“Kim”", None),
        (b" \r\n" + frame("Kim").encode() + b"\n", "Kim", None),
    ],
)
def test_what_can_be_read_is_read_with_a_note(body: bytes, name: str, problem: str | None) -> None:
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.type) == ("acd", "incoming_caller_info")
    assert event.data["caller_name"] == name
    assert event.problems == (() if problem is None else (problem,))


NAMES = {
    "cp949": "홍길동",
    "cp1251": "Иванов",
    "iso-8859-1": "Müller",
    "cp1252": "Müller",
    "gb2312": "李",
    "tis-620": "มานะ",
}


@pytest.mark.parametrize(("encoding", "name"), NAMES.items())
def test_a_name_in_another_code_page_is_read_by_the_setting_and_never_guessed(
    encoding: str, name: str
) -> None:
    body = frame(name).encode(encoding)
    told = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"), (), FormatSettings(encoding=encoding))
    event = told.decode(body, RECEIVED_AT)
    assert (event.data["caller_name"], event.data["caller_number"]) == (name, "0170123")
    assert event.raw["data"]["data2"] == name
    assert event.problems == (f"{encoding.upper()} instead of UTF-8",)
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.type, event.data) == (
        "acd",
        "incoming_caller_info",
        {"caller_number": "0170123"},
    )
    assert event.problems == ("text that is not UTF-8", "data2: not text in UTF-8")
    assert event.raw["data"]["data2"].encode().decode("unicode_escape").encode("latin-1") == name.encode(
        encoding
    )
    bson.encode(build_document("id", "main", 1, event))


def test_one_text_in_another_code_page_leaves_those_in_utf_8_alone() -> None:
    texts = b'"callingDN": "1001", "a": "Z\xc3\xbcrich", "b": "M\xfcller"'
    data = b'{"event": "call", "data": {"type": "ringing", ' + texts + b"}}"
    formats = FormatSettings(encoding="iso-8859-1")
    event = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"), (), formats).decode(
        data, RECEIVED_AT
    )
    assert (event.data["a"], event.data["b"]) == ("Zürich", "Müller")
    event = DECODER.decode(data, RECEIVED_AT)
    assert (event.data["a"], "b" in event.data, event.raw["data"]["b"]) == ("Zürich", False, "M\\xfcller")
    assert event.data["calling_dn"] == "1001"


@pytest.mark.parametrize("name", ['"M\\ud800ller"', '"\\udcfc"', '["a", "\\udfff"]'])
def test_half_a_character_spoils_its_text_alone(name: str) -> None:
    body = f'{{"event": "acd", "data": {{"eventCode": 72, "data1": "0170123", "data2": {name}}}}}'.encode()
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.data) == ("acd", {"caller_number": "0170123"})
    bson.encode(build_document("id", "main", 1, event))


@pytest.mark.parametrize(
    "padding", ["\0", "\0\0 ", "\t", "\u00a0", " \0", "\u3000", "\u200b", "\ufeff", "\r\n"]
)
def test_padding_of_any_kind_is_no_part_of_a_value(padding: str) -> None:
    def pad(value: object) -> str:
        return f"{padding}{value}{padding}"

    acd = {"time": pad("2026/03/02 16:00:05"), "callRefID": pad("0042"), "eventCode": pad(66)}
    acd |= {"sourceType": pad("Station"), "sourceNumber": pad("1001"), "data1": pad("620")}
    event = DECODER.decode(json.dumps({"event": pad("acd"), "data": acd}).encode(), RECEIVED_AT)
    assert (event.type, event.call_ref, event.stations, event.group) == ("station_ring", 42, ("1001",), "620")
    assert event.at == datetime(2026, 3, 2, 8, 0, 5, tzinfo=UTC)
    call = {"type": pad("ringing"), "deviceNumber": pad("1001"), "memberDN": [pad("1002")], "novel": pad("x")}
    event = DECODER.decode(json.dumps({"event": "call", "data": call}).encode(), RECEIVED_AT)
    assert (event.type, event.stations) == ("ringing", ("1001", "1002"))
    assert event.data["novel"] == "x"
    assert event.problems == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("125:30", 7530),
        ("1:2:3", 3723),
        ("10:5", 605),
        ("00:01:05", 65),
        ("000105", 65),
        ("105:00:00", 378000),
    ],
)
def test_a_duration_is_read_in_each_of_its_forms(text: str, seconds: int) -> None:
    event = DECODER.decode(json.dumps({"event": "smdr", "data": {"Duration": text}}).encode(), RECEIVED_AT)
    assert event.data["duration_seconds"] == seconds


@pytest.mark.parametrize(
    "text", ["90", "000099", "1:60", "1:75:00", "1:2:3:4", "1m30s", ":30", "10.5", "-1:00"]
)
def test_a_doubtful_duration_is_noted_and_not_guessed(text: str) -> None:
    event = DECODER.decode(json.dumps({"event": "smdr", "data": {"Duration": text}}).encode(), RECEIVED_AT)
    assert "duration_seconds" not in event.data
    assert event.raw["data"]["Duration"] == text
    assert [problem.split(":")[0] for problem in event.problems] == ["Duration"]


@pytest.mark.parametrize(
    ("decimal", "text", "amount", "currency"),
    [
        (None, "1.50", "1.50", None),
        (None, "00003.00EUR", "3.00", "EUR"),
        (None, "2,50", None, None),
        (None, "1,200", None, None),
        (None, "1.200", None, None),
        (".", "1,200", "1200", None),
        (".", "€ 1,200.50", "1200.50", "€"),
        (".", "2,50", None, None),
        (",", "2,50", "2.50", None),
        (",", "1.200,50 EUR", "1200.50", "EUR"),
        (",", "1.50", None, None),
        (",", "1'200", "1200", None),
        (".", "free", None, None),
    ],
)
def test_a_cost_is_read_by_the_setting(
    decimal: Any, text: str, amount: str | None, currency: str | None
) -> None:
    decoder = Decoder(read_json("codes.json"), ZoneInfo("UTC"), (), FormatSettings(decimal=decimal))
    event = decoder.decode(
        json.dumps({"event": "smdr", "data": {"Cost": f" {text}\0"}}).encode(), RECEIVED_AT
    )
    assert event.data["cost"] == text
    assert (event.data.get("cost_amount"), event.data.get("cost_currency")) == (amount, currency)
    assert event.problems == (() if amount else ("Cost: unreadable amount",))


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
        (b"\xff\xfe\x80\x81", "not JSON"),
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


@pytest.mark.parametrize(
    "code", [{}, {"eventCode": "six"}, {"eventCode": []}, {"eventCode": None}, {"eventCode": 2**64}]
)
def test_an_acd_event_whose_code_cannot_be_read_is_of_the_type_unknown(code: dict[str, Any]) -> None:
    body = json.dumps({"event": "acd", "data": {**code, "callRefID": 7}}).encode()
    event = DECODER.decode(body, RECEIVED_AT)
    assert (event.kind, event.type, event.code, event.call_ref) == ("unknown", "unknown", None, 7)


@pytest.mark.parametrize(("named", "name"), [({}, "code_9999"), ({"eventString": "NEW ONE"}, "new_one")])
def test_an_acd_event_whose_code_no_table_has_is_named_by_the_host_or_by_its_number(
    named: dict[str, str], name: str
) -> None:
    event = DECODER.decode(
        json.dumps({"event": "acd", "data": {"eventCode": 9999, **named}}).encode(), RECEIVED_AT
    )
    assert (event.kind, event.type, event.code) == ("unknown", name, 9999)


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
