"""The time of each step on a frame grows with its length alone, whatever its bytes."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.journal.journal import Arrival, Entry
from ipecs_mw.protocol.events import Decoder, build_undecodable, may_tell_of_host
from ipecs_mw.protocol.json_frames import parse_frame
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.documents import Documents

DECODE = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode
RECEIVED_AT = datetime(2026, 3, 2, 8, 0, 6, tzinfo=UTC)
LENGTH = 20_000
MOST_SECONDS = 0.25
"""Of the thread alone; a linear step takes a hundredth of it, a quadratic one many times as much."""

HEADS = (
    b'{"eventCode":',
    b'{"eventCode":"',
    b'{"eventCode"',
    b'{"event":"acd","data":{"eventCode":"',
    b'{"event":"acd","data":{"eventCode":86,"data1":"',
    b'{"event":"acd","data":{"eventCode":68,"time":"2026/11/11',
    b'{"event":"acd","data":{"eventCode":68,"time":"2026/11/11 10:10',
    b'{"event":"call","data":{"type":"',
    b'{"event":"call","data":{"deviceNumber":["',
    b'{"event":"call","data":{"',
    b'{"event":"smdr","data":{"Duration":"',
    b'{"event":"smdr","data":{"AccountCode":"STA-P[',
    b'"data1"',
    b"",
)
RUNS = (
    *(byte.to_bytes() for byte in b" \t0123456789aAeETxX\"':;,.+-_[]{}\\/*#\x00\xb0\xff"),
    b'"eventCode":',
    b'"eventCode" ',
    b'"data1":',
    b"STA-P[",
    b"aA",
    b"1e",
    b"6 8",
    b'{"a":',
    b'"",',
    b"\\u0020",
    b"numberin",
)
TAILS = (b"", b"x", b'"}}', b'"]}}', b"}}")


def build(body: bytes) -> object:
    return Documents("host", "journal").build(Entry(1, Arrival(1, RECEIVED_AT, "frame", body)), DECODE)


def parse(body: bytes) -> object:
    try:
        return parse_frame(body)
    except ValueError as error:
        return error


def seconds_of(step: Callable[[bytes], object], body: bytes) -> float:
    began = time.thread_time()
    step(body)
    return time.thread_time() - began


@pytest.mark.parametrize(
    "step", [build, parse, may_tell_of_host, lambda body: build_undecodable(body, RECEIVED_AT, "unread")]
)
@pytest.mark.parametrize("head", HEADS)
def test_a_long_run_of_whatever_bytes_takes_no_more_than_its_length(
    step: Callable[[bytes], object], head: bytes
) -> None:
    for run in RUNS:
        for tail in TAILS:
            body = head + run * (LENGTH // len(run)) + tail
            # the collector of garbage may come in between once, for what others have left
            assert any(seconds_of(step, body) < MOST_SECONDS for _ in range(3)), (head, run, tail)


@pytest.mark.parametrize(
    "body",
    [
        b'{"eventCode":68}',
        b'{"event":"acd","data":{"callRefID":68, "eventCode" : "068"}}',
        b'{"event":"acd","data":{"eventCode"\n:\n" 68"}}',
        b'{"event":"call","data":{"deviceINFO":[]}}',
        b'{"event":"call","data":{"type":"numbering"}}',
    ],
)
def test_a_frame_of_the_hosts_clock_or_numbering_is_told_at_a_glance(body: bytes) -> None:
    assert may_tell_of_host(body)


@pytest.mark.parametrize(
    "body", [b"", b'{"eventCode":680}', b'{"eventCode":6,"callRefID":68}', b'{"eventString":"68"}']
)
def test_other_frames_are_not(body: bytes) -> None:
    assert not may_tell_of_host(body)
