"""Frames as hosts send them and the events that they are, as data: `cases/*.json`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json

CASES = {
    f"{file.stem}: {name}": case
    for file in sorted(Path(__file__).parent.glob("cases/*.json"))
    for name, case in json.loads(file.read_text("utf-8")).items()
}
RECEIVED_AT = datetime(2026, 3, 2, 8, 0, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_frame_is_the_event_of_its_case(case: dict[str, Any], decoder: Decoder) -> None:
    event = decoder.decode(json.dumps(case["frame"], ensure_ascii=False).encode(), RECEIVED_AT)
    found = {
        "kind": event.kind,
        "type": event.type,
        "code": event.code,
        "call_ref": event.call_ref,
        "serial": event.serial,
        "at": event.at and event.at.isoformat().replace("+00:00", "Z"),
        "stations": list(event.stations),
        "group": event.group,
        "data": event.data,
        "problems": list(event.problems),
    }
    assert {name: found[name] for name in case["event"]} == case["event"]
    if "secret" in case:
        assert case["secret"] not in repr(event)
    else:
        assert event.raw == case["frame"], "what was received is kept as it was"
