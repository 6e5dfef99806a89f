"""Frames as no host should send them: whatever comes is an event, which MongoDB's format takes or refuses."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import bson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.store.events.event_log import build_document

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Europe/Zurich"))
RECEIVED_AT = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
FRAMES: list[Any] = [
    case["frame"]
    for file in sorted(Path(__file__).parent.glob("cases/*.json"))
    for case in json.loads(file.read_text("utf-8")).values()
    if isinstance(case["frame"], dict)
]
BODIES = [json.dumps(frame, ensure_ascii=False).encode() for frame in FRAMES]
KINDS = {"acd", "call", "presence", "smdr", "unknown", "undecodable"}
REFUSALS = (bson.errors.BSONError, OverflowError, RecursionError, ValueError, TypeError)
BOUNDED = settings(
    max_examples=1000 if os.environ.get("CI") else 200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["$ne", "\x00", "1001"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def check(body: bytes) -> None:
    event = DECODER.decode(body, RECEIVED_AT)
    assert event.kind in KINDS
    assert event.type
    assert len(event.type) <= 64
    assert all(isinstance(station, str) and station.strip() for station in event.stations)
    document = build_document("id", "main", 1, event)
    assert None not in document.values()
    try:
        bson.encode(document)
    except REFUSALS:
        assert event.kind != "undecodable", "bytes are always taken"


@BOUNDED
@given(st.sampled_from(FRAMES), st.data())
def test_a_frame_with_any_value_in_any_field_is_an_event(frame: Any, data: st.DataObject) -> None:
    inner = frame.get("data")
    content = dict(inner if isinstance(inner, dict) else frame)
    for name in data.draw(st.lists(st.sampled_from(sorted(content)), max_size=3)):
        content[name] = data.draw(VALUES)
    content |= data.draw(st.dictionaries(st.text(max_size=5), VALUES, max_size=2))
    mutated = {**frame, "data": content} if isinstance(inner, dict) else content
    check(json.dumps(mutated).encode())


@BOUNDED
@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=4))
def test_a_frame_with_any_bytes_in_any_place_is_an_event(body: bytes, edits: list[tuple[int, bytes]]) -> None:
    for place, content in edits:
        place %= len(body) + 1  # noqa: PLW2901 - a place within what is there
        body = body[:place] + content + body[place + len(content) :]
    check(body)


@BOUNDED
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event(body: bytes) -> None:
    check(body)
