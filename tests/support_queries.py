"""A morning at a small call centre, as the host's frames and what the middleware noted meanwhile."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.model.event import Event
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.store.events.event_log import build_document

_CALLER = "0612345678"


def at(clock: str) -> datetime:
    """Return the instant `hh:mm:ss` of the day, UTC; the host's clock is eight hours ahead."""
    return datetime.fromisoformat(f"2026-11-24T{clock}+00:00").astimezone(UTC)


def _acd(code: int, source: str = "", dest: str = "", call: int | None = None, **data: str) -> dict[str, Any]:
    ends = {}
    for end, name in (("source", source), ("dest", dest)):
        kind, _, number = name.partition(" ")
        ends |= {f"{end}Type": kind, f"{end}Number": number} if number else {}
    reference = {} if call is None else {"callRefID": call}
    return {"event": "acd", "data": {"eventCode": code, **reference, **ends, **data}}


def _call(kind: str, device: str, call: int, **more: str) -> dict[str, Any]:
    data = {"type": kind, "deviceNumber": device, "serviceDN": device, "callRefID": call, **more}
    return {"event": "call", "data": data}


def _smdr(station: str, direction: str, duration: str, cost: str) -> dict[str, Any]:
    data = {"StationNumber": station, "Duration": duration, "Direction": direction, "Cost": cost}
    return {"event": "smdr", "data": data}


MORNING: list[tuple[str, Any]] = [
    ("00:00:00", ("daemon_started", {})),
    ("00:30:00", _acd(11, "station 1001", data1="620")),
    ("00:31:00", _acd(11, "station 1002", data1="620")),
    ("00:50:00", _acd(12, "station 1002", data1="620")),
    ("00:55:00", _acd(11, "station 1004", data1="621")),
    # 101 waits half a minute in the queue, and talks three minutes with 1001
    ("01:00:00", _acd(3, "co 001", call=101, data1="620", data2="5")),
    ("01:00:00", _acd(72, "co 001", "station 1001", 101, data1=_CALLER)),
    ("01:00:01", _acd(62, "co 001", call=101, data1="620")),
    ("01:00:31", _acd(66, "station 1001", "co 001", 101, data1="620")),
    ("01:00:36", _acd(42, "station 1001", "co 001", 101)),
    ("01:00:36", _call("connected", "1001", 101, callingDN=_CALLER, calledDN="1001")),
    ("01:03:36", _acd(44, "station 1001", "co 001", 101)),
    ("01:03:36", _call("released", "1001", 101, releasedDN="1001")),
    # 102, the same caller, gives up in the queue; 103 gives up while 1002 rings
    ("01:20:00", _acd(3, "co 002", call=102, data1="620", data2="5")),
    ("01:20:00", _acd(72, "co 002", "station 1001", 102, data1=_CALLER)),
    ("01:20:00", _acd(62, "co 002", call=102, data1="620")),
    ("01:21:30", _acd(44, "co 002", call=102)),
    ("01:40:00", _acd(3, "co 001", "station 1002", 103)),
    ("01:40:01", _acd(66, "station 1002", "co 001", 103)),
    ("01:40:21", _acd(44, "co 001", "station 1002", 103)),
    # 104 is transferred from 1001 to 1003
    ("02:10:00", _acd(3, "co 001", "station 1001", 104)),
    ("02:10:12", _acd(42, "station 1001", "co 001", 104)),
    ("02:10:12", _call("connected", "1001", 104, callingDN="0698765432", calledDN="1001")),
    ("02:11:12", _call("transferring", "1001", 104, transferorDN="1001", transferToDN="1003")),
    ("02:11:12", _call("released", "1001", 104, releasedDN="1001")),
    # 106: the attendant answers, puts the caller into the queue, and 1001 answers after two minutes
    ("02:20:00", _acd(3, "co 001", "station 1000", 106)),
    ("02:20:05", _acd(42, "station 1000", "co 001", 106)),
    ("02:21:00", _acd(62, "co 001", call=106, data1="620")),
    ("02:21:00", _acd(44, "station 1000", "co 001", 106)),
    ("02:23:00", _acd(42, "station 1001", "co 001", 106)),
    ("02:25:00", _acd(44, "station 1001", "co 001", 106)),
    # 107: a machine answers and puts the caller into the queue, who gives up
    ("02:30:00", _acd(3, "co 002", "station 1999", 107)),
    ("02:30:01", _acd(42, "station 1999", "co 002", 107)),
    ("02:30:20", _acd(62, "co 002", call=107, data1="621")),
    ("02:30:21", _acd(44, "station 1999", "co 002", 107)),
    ("02:32:40", _acd(44, "co 002", call=107)),
    # 109 waits 30 s in one group, overflows into another, waits a minute there, and is answered
    ("02:40:00", _acd(3, "co 004", call=109, data1="620", data2="5")),
    ("02:40:00", _acd(62, "co 004", call=109, data1="620")),
    ("02:40:30", _acd(61, "co 004", call=109, data1="620")),
    ("02:40:30", _acd(62, "co 004", call=109, data1="621")),
    ("02:41:20", _acd(66, "station 1004", "co 004", 109, data1="621")),
    ("02:41:30", _acd(42, "station 1004", "co 004", 109)),
    ("02:42:00", _acd(44, "co 004", "station 1004", 109)),
    # 108 still waits
    ("02:50:00", _acd(3, "co 003", call=108)),
    ("02:50:01", _acd(62, "co 003", call=108, data1="620")),
    ("03:00:00", ("session_down", {"reason": "error.connection_lost"})),
    ("03:05:00", ("gap", {"since": "2026-11-24 03:00:00+00:00", "until": "2026-11-24 03:05:00+00:00"})),
    ("03:10:00", {"event": "acd", "data": {"eventCode": 199, "eventString": "LUNCH BREAK"}}),
    ("03:11:00", {"event": "acd", "data": {"eventCode": 199, "eventString": "LUNCH BREAK"}}),
    ("03:12:00", _call("teleported", "1001", 105)),
    ("03:13:00", b"\xff no JSON"),
    ("04:00:00", _smdr("1001", "O", "00:02:00", "1.50")),
    ("04:01:00", _smdr("1001", "O", "00:01:00", "0.25")),
    ("04:02:00", _smdr("1002", "O", "00:00:30", "2,50")),
    ("04:03:00", _smdr("1003", "I", "00:09:00", "")),
]


# another phone system, which uses the same references, stations and trunks at the same time
BRANCH: list[tuple[str, Any]] = [
    ("00:20:00", _acd(14, "station 1001", data1="1", data2="620")),
    ("01:00:10", _acd(3, "co 001", call=101, data1="620", data2="5")),
    ("01:00:11", _acd(62, "co 001", call=101, data1="620")),
    ("01:00:31", _acd(42, "station 1001", "co 001", 101)),
    ("01:00:41", _acd(44, "station 1001", "co 001", 101)),
    ("01:20:30", _acd(42, "station 1001", "co 002", 102)),
    ("01:40:30", _acd(42, "station 1001", "co 002", 103)),
]


def build_morning() -> Iterator[dict[str, Any]]:
    """Yield the documents of the morning at both phone systems, made as the forwarder makes them."""
    for host, morning in (("main", MORNING), ("branch", BRANCH)):
        yield from _build(host, morning)


def _build(host: str, morning: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    decoder = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))
    for seq, (clock, content) in enumerate(morning, start=1):
        match content:
            case (name, data):
                event = Event("system", name, at(clock), at=at(clock), data=data)
            case bytes():
                event = decoder.decode(content, at(clock))
            case _:
                event = decoder.decode(json.dumps(content).encode(), at(clock))
        yield build_document(
            f"{host}:test:{seq:012d}:{event.received_at.timestamp():010.0f}000000", host, seq, event
        )
