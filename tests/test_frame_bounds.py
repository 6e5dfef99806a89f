"""One frame cannot stop the house: every step on what a host sends takes time in proportion to its length.

Time is that of the thread's own work, so a busy machine changes nothing: a step is judged by how its time grows
with the length, the least of several tries, and only where it takes long enough to be measured.
"""

import gc
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from faults.recording import IS_FULL

from ipecs_mw import logs
from ipecs_mw.cli.printing.event_csv import write_csv
from ipecs_mw.cli.printing.output import write_jsonl
from ipecs_mw.cli.printing.words import describe_event
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.journal.journal import Arrival, Entry
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.configuration.settings import NumberMask
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.model.numbering.masking import erase_number, mask_numbers
from ipecs_mw.model.numbering.numbers import find_readings, find_spellings, read_number
from ipecs_mw.model.writing.plain import escape, escape_json
from ipecs_mw.protocol.events import Decoder, build_undecodable, may_tell_of_host
from ipecs_mw.protocol.host_time import to_utc
from ipecs_mw.protocol.replies import find_missing, read_login, read_reply
from ipecs_mw.protocol.smdr import read_count, read_index, read_records, wrap_record
from ipecs_mw.protocol.values import READERS, to_snake
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.documents import Documents
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.server.connection import Store

MEBIBYTE = 1024 * 1024
LONG, SHORT = 8 * 1024, 1024
FAST_SECONDS = 0.02
"""What a long input may take without being looked at closer; a step that grows with the square takes more."""

MOST_GROWTH = 24
"""How much longer the eightfold length may take: 8 is in proportion, 64 the square."""

HELD_SECONDS = 0.05
"""How long the interpreter may be held at a time."""

PART = 1 if IS_FULL else 5
"""Of the samples of the greatest length one in so many is tried, and of the runs those of few values."""

ZONE = ZoneInfo("Asia/Singapore")
CODES = parse_codes(read_json("codes.json"))
COMMAND = next(
    parse_command(row) for row in read_json("commands.json")["commands"] if row["id"] == "smdr.get"
)
DECODER = Decoder(read_json("codes.json"), ZONE)
TEXTS = shipped_texts("en-GB")
AT = datetime(2026, 3, 2, 8, 0, 6, tzinfo=UTC)
RULES = [NumberMask("0????*", 2), NumberMask("*1*2?", 0), NumberMask("+*")]
PLAN = NumberSettings(country="49", trunk_prefix="0")
SAMPLES = [
    case["frame"]
    for file in sorted((Path(__file__).parent / "protocol/cases").glob("*.json"))
    for case in json.loads(file.read_text("utf-8")).values()
    if isinstance(case["frame"], dict)
]
SIGNS = b' \t\n"\\/:;,.+-_[](){}<>@%*#019aAeP\x00\x1b\xa0\xff'
"""What patterns and readers look for, and what they do not."""

Step = Callable[[bytes], object]


class Nowhere(io.TextIOBase):
    """Takes what is written and keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


def bytes_of(length: int, unit: bytes) -> bytes:
    return (unit * (length // len(unit) + 1))[:length]


def text_of(body: bytes) -> str:
    return body.decode("latin-1")


def tolerate(step: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a step that may refuse its input, as long as it does so in time."""

    def run(given: Any) -> object:
        try:
            return step(given)
        except (ValueError, TypeError, OverflowError, RecursionError, IpecsMwError):
            return None

    return run


def reply(status: int) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        value = read_reply(COMMAND, status, body, CODES, "main")
        return find_missing(COMMAND, value), read_records(value), read_count(value), read_login(value, "main")

    return read


def build(body: bytes) -> Any:
    entry = Entry(1, Arrival(1, AT, "frame", body))
    return [item.document for item in Documents("main", "j").build(entry, DECODER.decode)]


def document_of(body: bytes) -> dict[str, Any]:
    return build_document("id", "main", 1, DECODER.decode(body, AT))


def log_line(text: str) -> None:
    logs.get_logger().info("probe", detail=text)


TEXT_STEPS: dict[str, Callable[[str], object]] = {
    **{f"reader {name}": reader for name, reader in READERS.items()},
    "name": to_snake,
    "time": lambda text: to_utc(text, ZONE, AT),
    "number": read_number,
    "readings": lambda text: (find_readings(text or "0", PLAN), find_spellings(text or "0", PLAN)),
    "terminal": escape,
    "terminal JSON": escape_json,
    "secrets": logs.mask,
    "secrets of a URI": logs.mask_uri,
    "log line": log_line,
    "command line": lambda text: describe_event({"data": {"a": text}, "problems": [text]}, TEXTS),
    "index": lambda text: read_index({"Index": text}),
    "record": lambda text: wrap_record({"a": text}),
    "masked": lambda text: mask_numbers({"data": {"a": text, text: 1}, "raw": {"b": text}}, RULES, PLAN),
    "erased": lambda text: erase_number({"a": text, text: 1, "name": text}, "0305550142", plan=PLAN),
    "printed as JSON": lambda text: list(write_jsonl([{"raw": text, "data": {"a": text}}])),
    "printed as CSV": lambda text: list(write_csv([{"raw": text, "data": {"a": text}}], ("raw", "data.a"))),
}
BYTE_STEPS: dict[str, Step] = {
    "decoded": lambda body: DECODER.decode(body, AT),
    "looked at": may_tell_of_host,
    "undecodable": lambda body: build_undecodable(body, AT, "why"),
    "built": build,
    "noted": lambda body: CallState(lambda: None).note(DECODER.decode(body, AT)),
    "masked": lambda body: mask_numbers({"raw": body}, RULES, PLAN),
    "erased": lambda body: erase_number({"raw": body}, "0305550142"),
    "reply": reply(200),
    "refusal": reply(401),
}
HEADS = (
    b"",
    b'{"eventCode":',
    b'{"event":"acd","data":{"eventCode":72,"data1":"',
    b'{"event":"call","data":{"type":"ringing","callingDN":"',
    b'{"event":"call","data":{"',
    b'{"event":"smdr","data":{"AccountCode":"STA-P[',
    b'{"error":{"code":1,"message":"',
)
TAILS = (b"", b'"}}')


def seconds_of(step: Step, given: bytes, tries: int = 1) -> float:
    found = []
    for _ in range(tries):
        began = time.thread_time()
        step(given)
        found.append(time.thread_time() - began)
    return min(found)


def grows_evenly(step: Step, make: Callable[[int], bytes]) -> bool:
    """Tell whether a step's time grows as the length does."""
    if seconds_of(step, make(LONG)) < FAST_SECONDS:
        return True
    return any(
        seconds_of(step, make(LONG), 2) < max(FAST_SECONDS, MOST_GROWTH * seconds_of(step, make(SHORT), 2))
        for _ in range(4)
    )


@pytest.fixture(autouse=True)
def _no_other_work() -> Iterator[None]:
    """Have the collector look only at what a step itself makes, and log lines go nowhere."""
    logs.configure(TEXTS, level="INFO", stream=Nowhere())
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", TEXT_STEPS)
def test_the_time_of_a_step_on_text_grows_with_its_length_alone(name: str) -> None:
    step = tolerate(TEXT_STEPS[name])
    units = [bytes((byte,)) for byte in range(256)] + [bytes(pair) for pair in permutations(SIGNS, 2)][::13]
    units += [
        b"STA-P[",
        b"STA-P[]",
        b"//:",
        b"//a:",
        b"aA",
        b"2026-11-28 ",
        b"030-555-0142 ",
        b"(0)",
        b"sip:1@",
    ]
    uneven = [
        unit
        for unit in units
        if not grows_evenly(
            lambda body: step(text_of(body)), lambda length, unit=unit: bytes_of(length, unit)
        )
    ]
    assert uneven == []


@pytest.mark.parametrize("name", BYTE_STEPS)
@pytest.mark.parametrize("head", HEADS)
def test_the_time_of_a_step_on_bytes_grows_with_their_length_alone(name: str, head: bytes) -> None:
    step = tolerate(BYTE_STEPS[name])
    units = [bytes((byte,)) for byte in (range(256) if head == b"" else SIGNS)]
    units += [
        b"STA-P[",
        b"STA-P[]",
        b'"data1":',
        b"1 ",
        b"aA",
        b'","',
        b'"a":1,',
        b"[]",
        b"{},",
        b"\\u0020",
        b"12345 ",
    ]
    uneven = [
        (unit, tail)
        for unit in units
        for tail in TAILS
        if not grows_evenly(step, lambda length, unit=unit, tail=tail: head + bytes_of(length, unit) + tail)
    ]
    assert uneven == []


def longest_hold(step: Callable[[], object]) -> tuple[float, str]:
    """Return for how long a step held the interpreter at most, by its thread's work, and where.

    Between two calls that Python makes another thread gets its turn; a single call into C is alone.
    """
    longest, where = 0.0, ""
    last = time.thread_time()

    def note(frame: Any, event: str, function: Any) -> None:
        nonlocal last, longest, where
        now = time.thread_time()
        if now - last > longest:
            longest, where = (
                now - last,
                f"{frame.f_code.co_qualname}: {event} {getattr(function, '__name__', '')}",
            )
        last = time.thread_time()

    sys.setprofile(note)
    try:
        step()
    finally:
        sys.setprofile(None)
    return longest, where


def check_hold(step: Callable[[], object], what: object) -> None:
    for _ in range(5):
        held, where = longest_hold(step)
        if held < HELD_SECONDS:
            return
    pytest.fail(f"{what}: {where} held the interpreter for {held:.3f} s")


def everything(store: Store, body: bytes) -> None:
    """Do what the daemon does with a frame, and with a reply of the same bytes."""
    events = EventLog(store)
    may_tell_of_host(body)
    events.append(build(body), is_plain=True)
    tolerate(reply(200))(body)


WHOLE = (
    *(bytes((byte,)) for byte in b' 0"\\[{,\x00\xa0a'),
    b"[],", b"{},", b"[", b'{"a":', b"1,", b'"",', b"\\u0000", b"STA-P[]", b'"data1":"1",', b"aA", b"12345 ",
    b"1e9,", b"a1 ", b"\xec\x9d\xb4", b"\xc3\xbc",
)  # fmt: skip


def test_a_step_that_grows_with_the_square_or_holds_the_interpreter_is_seen() -> None:
    def search(body: bytes) -> object:
        return re.search(rb"\s*x", body)

    # long enough for a fast machine too; a busy one may make the short run slow as well
    assert not all(grows_evenly(search, lambda length: b" " * (2 * length)) for _ in range(5))
    assert longest_hold(lambda: re.sub("(?<=a)(?=A)", "_", "aA" * MEBIBYTE))[0] > HELD_SECONDS


@pytest.mark.parametrize(
    "unit", WHOLE if IS_FULL else [unit for unit in WHOLE if len(unit) == 1 and unit != b"["]
)
def test_no_run_holds_the_interpreter_for_long(store: Store, unit: bytes) -> None:
    run = bytes_of(MEBIBYTE - 100, unit)
    for given in (
        run,
        b'{"event":"call","data":{"type":"' + run + b'"}}',
        b'{"event":"call","data":{"' + run + b'":1}}',
        b'{"event":"smdr","data":{"a":[' + run.rstrip(b",") + b"]}}",
    ):
        check_hold(lambda given=given: everything(store, given), (unit, given[:40]))


@pytest.mark.parametrize("unit", ["a", "0", " ", "\u00a0", "0305550142/"])
def test_no_number_holds_the_interpreter_for_long(unit: str) -> None:
    text = unit * (MEBIBYTE // 8 // len(unit)) if len(unit) > 1 else unit * MEBIBYTE
    for given in ({"data": {"a": text}}, {"raw": text.encode()}):
        check_hold(lambda given=given: mask_numbers(given, RULES, PLAN), unit)


@pytest.mark.parametrize("number", range(0, len(SAMPLES), 3 * PART))
def test_no_sample_of_the_greatest_length_holds_the_interpreter_for_long(store: Store, number: int) -> None:
    sample = SAMPLES[number]
    data = sample["data"] if isinstance(sample.get("data"), dict) else sample
    sign = " 0a\x01é"[number % 5]
    for name in list(data)[number % 3 :: 3]:
        stretched = {**data, name: f"{data[name]}" + sign * (MEBIBYTE - 2000)}
        body = json.dumps(
            {**sample, "data": stretched} if data is not sample else stretched, ensure_ascii=False
        )
        check_hold(lambda body=body: everything(store, body.encode()[:MEBIBYTE]), (name, sign))
