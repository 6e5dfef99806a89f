"""Every code and type of the shipped tables is decoded under its own name."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json

TABLES = read_json("codes.json")
DECODER = Decoder(TABLES, ZoneInfo("UTC"))
RECEIVED_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ALIASES = {"muteon": "setmuteon"}  # two spellings of one event
SAMPLES = {
    "account": "4711", "amount": "1.50", "any": [{"a": 1}], "cause": "16-x", "digits": "0170",
    "duration": "000105", "flag": "true", "group": "620", "hex": "10", "int": "1", "keypad": "12",
    "secret": "918273", "station": "1001", "text": "x",
}  # fmt: skip


@pytest.mark.parametrize("row", TABLES["acd_events"], ids=lambda row: str(row["code"]))
def test_an_acd_code_is_decoded_under_its_name_with_its_fields(row: dict[str, Any]) -> None:
    data = {"eventCode": row["code"], "eventString": row["wire"]}
    described = {wire: row[wire] for wire in ("data1", "data2") if wire in row}
    data |= {wire: SAMPLES[field["as"]] for wire, field in described.items()}
    event = DECODER.decode(json.dumps({"event": "acd", "data": data}).encode(), RECEIVED_AT)
    assert (event.kind, event.type, event.code) == ("acd", row["name"], row["code"])
    assert event.problems == ()
    for field in described.values():
        assert field["name"] in event.data


@pytest.mark.parametrize("row", TABLES["call_events"], ids=lambda row: row["code"])
def test_a_call_type_is_decoded_under_its_name_with_its_fields(row: dict[str, Any]) -> None:
    forms = {field["code"]: field for field in TABLES["call_fields"]}
    wires = [wire.rstrip("?").removesuffix("[]") for wire in row["fields"]]
    data = {"type": row["code"], **{wire: SAMPLES[forms[wire]["as"]] for wire in wires}}
    event = DECODER.decode(json.dumps({"event": "call", "data": data}).encode(), RECEIVED_AT)
    assert event.kind == ("presence" if row["code"] == "presence" else "call")
    assert event.type == ALIASES.get(row["code"], row["code"])
    assert event.problems == ()
    assert event.serial == 1
    for wire in set(wires) - {"evtSerialNum", "callRefID"}:
        assert forms[wire]["name"] in event.data


def test_the_tables_have_all_that_the_vendor_lists() -> None:
    assert len(TABLES["acd_events"]) == 67
    assert len({row["name"] for row in TABLES["acd_events"]}) == 67
    assert len({row["name"] for row in TABLES["call_events"]}) == 36


def test_the_captions_of_a_site_name_the_number_fields_whatever_stands_before_them() -> None:
    decoder = Decoder(TABLES, ZoneInfo("UTC"), ("CLI Number", "Dialled"))
    data = {"StationNumber": "1001", "New Field": "x", "Dialled": "0123", "CLI Number": "0999"}
    frame = json.dumps({"event": "smdr", "data": data}).encode()
    event = decoder.decode(frame, datetime(2026, 3, 2, tzinfo=UTC))
    assert (event.data["number1"], event.data["number2"]) == ("0999", "0123")
    assert event.data["new_field"] == "x"
