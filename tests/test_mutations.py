"""Frames of every kind, damaged in every way: each is exactly one document that MongoDB's format takes.

FRAMES says how many (20,000 where it is not set), SEED where to begin: a failure names both.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.protocol.events import Decoder, build_undecodable
from ipecs_mw.seeds import read_json
from ipecs_mw.store.events.event_log import _NOT_BSON, _encode, build_document

CODES = read_json("codes.json")
DECODER = Decoder(CODES, ZoneInfo("Europe/Zurich"))
RECEIVED_AT = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
CASES = [
    case["frame"]
    for file in sorted((Path(__file__).parent / "protocol" / "cases").glob("*.json"))
    for case in json.loads(file.read_text("utf-8")).values()
    if isinstance(case["frame"], dict) and isinstance(case["frame"].get("data"), dict)
]
_ACD = {"time": "2026/10/25 02:30:00", "callRefID": 17, "sourceType": "Station", "sourceNumber": "1001"}
_ACD |= {"destType": "CO", "destNumber": "003", "data1": "0620", "data2": "1001"}
SAMPLES: list[dict[str, Any]] = [
    *CASES,
    *(
        {"event": "acd", "data": {**_ACD, "eventCode": row["code"], "eventString": row["wire"]}}
        for row in CODES["acd_events"]
    ),
    *(
        {
            "event": "call",
            "data": {
                "type": row["code"],
                **{
                    name.rstrip("[]?"): ["1001", "1002"] if "[]" in name else "1001"
                    for name in row.get("fields", ())
                },
            },
        }
        for row in CODES["call_events"]
    ),
]
KINDS = {"acd", "call", "presence", "smdr", "unknown", "undecodable"}
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 31, 1 << 63, -(1 << 63) - 1, 10**400, 1.5, 1e308, float("nan"), float("inf"),
    "", " ", "0", "-0", "1e5", "9" * 5000, "\x00", "\x1b[2J", "\ud800", "\udfff\ud800", "홍", "\u202e", "=cmd()",
    "$ne", "٣", "²", "2026/13/45 25:61:61", "0000/00/00 00:00:00", "9999/12/31 23:59:59", "0001/01/01 00:00:00",
    "99:99:99", "FFFFFFFFFFFFFFFFF", "STA-P[12", "{", "on", [], {}, [[]], [None], {"": ""}, {"$ne": None},
    {"a.b": 1}, {"a\x00b": 1}, {"\ud800": 1},
)  # fmt: skip
_ODD_NAMES = (
    "",
    "$set",
    "a.b",
    "a\x00b",
    "\ud800",
    "_id",
    "data",
    "event",
    "type",
    "eventCode",
    "evtSerialNum",
)
_ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"[",
    b"}",
    b",",
    b"\xb0\xa1",
)

Content = dict[str, Any]


def swap_value(content: Content, random: Random) -> None:
    content[random.choice(list(content))] = random.choice(_ODD_VALUES)


def change_type(content: Content, random: Random) -> None:
    name = random.choice(list(content))
    value = content[name]
    content[name] = random.choice(
        (str(value), [value], {name: value}, [value, [value]], repr(value), len(str(value)))
    )


def leave_out(content: Content, random: Random) -> None:
    del content[random.choice(list(content))]


def add_field(content: Content, random: Random) -> None:
    content[random.choice(_ODD_NAMES)] = random.choice(_ODD_VALUES)


def borrow_field(content: Content, random: Random) -> None:
    other = random.choice(SAMPLES)["data"]
    name = random.choice(list(other) or ["type"])
    content[name] = other.get(name)


def pad(content: Content, random: Random) -> None:
    name = random.choice(list(content))
    content[name] = random.choice((" {0} ", "000{0}", "{0}\n", "\x00{0}", "{0}" * 50)).format(
        str(content[name])[:300]
    )


def nest(content: Content, random: Random) -> None:
    name = random.choice(list(content))
    for level in range(random.choice((2, 50, 99, 101, 200))):
        content[name] = [content[name]] if level % 2 else {name: content[name]}


def flip(body: bytearray, random: Random) -> None:
    body[random.randrange(len(body))] ^= 1 << random.randrange(8)


def delete(body: bytearray, random: Random) -> None:
    at = random.randrange(len(body))
    del body[at : at + random.choice((1, 1, 2, 8, 200))]


def insert(body: bytearray, random: Random) -> None:
    at = random.randrange(len(body) + 1)
    body[at:at] = random.choice((*_ODD_BYTES, random.randbytes(3), b"[" * 2000, b'{"a":' * 400))


def repeat(body: bytearray, random: Random) -> None:
    begin, end = sorted((random.randrange(len(body)), random.randrange(len(body) + 1)))
    body[end:end] = body[begin:end]


IN_CONTENT: tuple[Callable[[Content, Random], None], ...] = (
    swap_value, swap_value, change_type, leave_out, add_field, borrow_field, pad, nest
)  # fmt: skip
IN_BYTES: tuple[Callable[[bytearray, Random], None], ...] = (flip, delete, insert, repeat)


def mutate(random: Random) -> bytes:
    """Return a frame that a good one became by one to four mutations of its values, its bytes or both."""
    frame = random.choice(SAMPLES)
    content = dict(frame["data"])
    for _ in range(random.randrange(4)):
        if content:
            random.choice(IN_CONTENT)(content, random)
    envelope = {**frame, "data": content} if random.random() < 0.9 else content
    if random.random() < 0.1:
        swap_value(envelope, random) if envelope else None
    # a surrogate may come as an escape or as the three bytes that no UTF-8 has
    if random.random() < 0.5:
        body = bytearray(json.dumps(envelope), "ascii")
    else:
        body = bytearray(json.dumps(envelope, ensure_ascii=False), "utf-8", "surrogatepass")
    for _ in range(random.randrange(3)):
        if body:
            random.choice(IN_BYTES)(body, random)
    return bytes(body)


def store(body: bytes) -> dict[str, Any]:
    """Return the document that the forwarder would store of a frame."""
    event = DECODER.decode(body, RECEIVED_AT)
    document = build_document("id", "main", 1, event)
    try:
        _encode(document)
    except _NOT_BSON as error:
        document = build_document(
            "id", "main", 1, build_undecodable(body, RECEIVED_AT, f"not BSON: {error}"[:200])
        )
        _encode(document)
    return document


def test_the_samples_are_of_every_kind() -> None:
    events = [DECODER.decode(json.dumps(frame).encode(), RECEIVED_AT) for frame in SAMPLES]
    types = {event.type for event in events if event.kind in ("acd", "call", "presence", "smdr")}
    assert types >= {row["name"] for table in ("acd_events", "call_events") for row in CODES[table]} | {
        "smdr"
    }


def test_every_damaged_frame_is_one_document() -> None:
    count, seed = int(os.environ.get("FRAMES", "20000")), int(os.environ.get("SEED", "1"))
    kinds: dict[str, int] = dict.fromkeys(KINDS, 0)
    for number in range(seed, seed + count):
        body = mutate(Random(number))
        try:
            document = store(body)
        except Exception as error:
            raise AssertionError(f"SEED={number} FRAMES=1: {body!r}") from error
        assert document["kind"] in KINDS, f"SEED={number} FRAMES=1: {body!r}"
        assert document["type"]
        assert None not in document.values()
        assert document["received_at"] == RECEIVED_AT
        kinds[document["kind"]] += 1
    assert count < 1000 or all(kinds.values()), f"mutations that reach every kind: {kinds}"
