"""The frames that every figure is measured with: those of calls at a busy contact centre, numbered from 1.

Those of `build_frames` are for the log alone: frame `n` carries `n` as its call reference, so that a stored event
tells which frame it was. One in four is a call event, with a serial number without holes, as the host counts them;
the rest is ACD. Those of `build_openings` open a call each, those of `build_calls` are calls from ring to end.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

_STATIONS = 200
_FRAMES_A_SECOND = 1000  # by the host's own clock, which shows the time of now as those of hosts do
_CALL_EVERY = 4
_CALL_TYPES = ("ringing", "connected", "released")
_ACD = (
    {"eventCode": 66, "eventString": "STATION RING", "data1": "620", "data2": "620"},
    {"eventCode": 42, "eventString": "SEIZE_ACK/CONNECT/ANSWER"},
    {"eventCode": 49, "eventString": "HOLD"},
    {"eventCode": 72, "eventString": "INCOMING CALLER INFO", "data1": "0211234567", "data2": "Tan Wei Ming"},
    {"eventCode": 44, "eventString": "DISCONNECT", "data1": "1"},
)

_ZONE = ZoneInfo("Asia/Singapore")  # of the hosts in the settings that ship
_BEGIN = datetime.now(_ZONE)
_GROUP = "620"

LANES = 500
"""So many calls go on at once in `build_calls`, unless it is told otherwise."""

_CALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("line", {"eventCode": 3, "eventString": "CO IN RING", "destNumber": _GROUP, "data1": "1", "data2": "5"}),
    ("line", {"eventCode": 72, "eventString": "INCOMMING CALLER INFO", "destNumber": _GROUP}),
    ("station", {"eventCode": 66, "eventString": "STATION RING", "data1": "1", "data2": "1"}),
    ("call", {"type": "ringing", "causeCode": 65}),
    ("station", {"eventCode": 42, "eventString": "SEIZE_ACK/CONNECT/ANSWER"}),
    ("call", {"type": "connected", "causeCode": 0}),
    ("line", {"eventCode": 44, "eventString": "DISCONNECT", "data1": "1", "data2": "10"}),
    ("call", {"type": "released", "causeCode": 48}),
    ("free", {"eventCode": 18, "eventString": "STATION IDLE", "sourceType": "Station"}),
    ("free", {"eventCode": 2, "eventString": "CO IDLE", "sourceType": "CO"}),
)

CALL_FRAMES = len(_CALL)
"""So many frames a call of `build_calls` has."""

_SERIALS = [number for number, (kind, _) in enumerate(_CALL) if kind == "call"]


def build_frames(count: int, first: int = 1) -> Iterator[str]:
    """Yield frames `first` to `first + count - 1`."""
    for number in range(first, first + count):
        build = _build_acd if number % _CALL_EVERY else _build_call
        yield json.dumps(build(number), separators=(",", ":"))


def _build_acd(number: int) -> dict[str, Any]:
    data = {
        "time": _tell_time(_BEGIN, number // _FRAMES_A_SECOND),
        "callRefID": number,
        "sourceType": "CO",
        "sourceNumber": f"{number % 30 + 1:03}",
        "destType": "Station",
        "destNumber": str(1000 + number % _STATIONS),
        **_ACD[number % len(_ACD)],
    }
    return {"event": "acd", "data": data}


def _build_call(number: int) -> dict[str, Any]:
    station = str(1000 + number % _STATIONS)
    data = {
        "type": _CALL_TYPES[number % len(_CALL_TYPES)],
        "evtSerialNum": number // _CALL_EVERY,
        "callRefID": number,
        "deviceNumber": station,
        "callingDN": f"0{number % 10**9:09}",
        "calledDN": station,
        "causeCode": "0",
    }
    return {"event": "call", "data": data}


def build_openings(count: int, first: int = 1, *, begin: datetime, rate: float) -> Iterator[str]:
    """Yield frames that open an incoming call each, its reference their number; so many a second from `begin`."""
    _, opening = _CALL[0]
    for number in range(first, first + count):
        data = {"time": _tell_time(begin, number / rate), "callRefID": number, **opening}
        ends = {"sourceType": "CO", "sourceNumber": f"{number:06}", "destType": "Station"}
        yield _dump("acd", data | ends)


def build_logins(agents: int, group_bin: str, *, begin: datetime) -> Iterator[str]:
    """Yield the frames of agents who log in to a group at the first stations, each under the station's number."""
    for lane in range(agents):
        ends = {
            "sourceType": "Station",
            "sourceNumber": _name_station(lane),
            "destType": "",
            "destNumber": "",
        }
        facts = {"data1": group_bin, "data2": _name_station(lane)}
        yield _dump(
            "acd", {"time": _tell_time(begin, 0), **ends, "eventCode": 11, "eventString": "", **facts}
        )


def build_calls(count: int, *, begin: datetime, rate: float, lanes: int = LANES) -> Iterator[str]:
    """Yield the frames of calls to a group as a host sends them, many at once; so many a second from `begin`.

    `lanes` of them go on at once, each on a trunk and at a station that have no other. Of `lanes * CALL_FRAMES`
    frames or a multiple every call has ended. The references count from 1; the last `lanes` calls end last.
    """
    for number in range(count):
        block, lane = divmod(number, lanes)
        turn, place = divmod(block, CALL_FRAMES)
        earlier = turn * len(_SERIALS) + sum(each < place for each in _SERIALS)
        ref, at = turn * lanes + lane + 1, _tell_time(begin, number / rate)
        kind, fields = _CALL[place]
        yield _WRITERS[kind](fields, ref, lane, at, earlier * lanes + lane + 1)


def _write_line(fields: dict[str, Any], ref: int, lane: int, at: str, _serial: int) -> str:
    known = {} if fields["eventCode"] != 72 else {"data1": _name_caller(ref), "data2": "Tan Wei Ming"}
    ends = {"sourceType": "CO", "sourceNumber": f"{lane + 1:03}", "destType": "Station"}
    station = {"destNumber": _name_station(lane)}
    return _dump("acd", {"time": at, "callRefID": ref, **ends, **station, **fields, **known})


def _write_station(fields: dict[str, Any], ref: int, lane: int, at: str, _serial: int) -> str:
    ends = {"sourceType": "Station", "sourceNumber": _name_station(lane), "destType": "CO"}
    return _dump("acd", {"time": at, "callRefID": ref, **ends, "destNumber": f"{lane + 1:03}", **fields})


def _write_call(fields: dict[str, Any], ref: int, lane: int, _at: str, serial: int) -> str:
    station, caller = _name_station(lane), _name_caller(ref)
    ends = {"deviceNumber": station, "serviceDN": station, "callingDN": caller, "calledDN": station}
    return _dump("call", {**fields, "evtSerialNum": serial, "callRefID": ref, **ends})


def _write_free(fields: dict[str, Any], _ref: int, lane: int, at: str, _serial: int) -> str:
    number = f"{lane + 1:03}" if fields["sourceType"] == "CO" else _name_station(lane)
    return _dump("acd", {"time": at, **fields, "sourceNumber": number, "destType": "", "destNumber": ""})


_WRITERS = {"line": _write_line, "station": _write_station, "call": _write_call, "free": _write_free}


def _name_station(lane: int) -> str:
    return str(1000 + lane)


def _name_caller(ref: int) -> str:
    return f"6{ref % 10**7:07}"


@lru_cache(maxsize=16)
def _tell_time(begin: datetime, seconds: float) -> str:
    return f"{(begin + timedelta(seconds=seconds)).astimezone(_ZONE):%Y/%m/%d %H:%M:%S}"


def _dump(kind: str, data: dict[str, Any]) -> str:
    return json.dumps({"event": kind, "data": data}, separators=(",", ":"))
