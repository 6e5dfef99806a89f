"""The frames that every figure is measured with: those of calls at a busy contact centre, numbered from 1.

Frame `n` carries `n` as its call reference, so that a stored event tells which frame it was. One in four is a
call event, with a serial number without holes, as the host counts them; the rest is ACD.
"""

import json
from collections.abc import Iterator
from typing import Any

_STATIONS = 200
_FRAMES_A_SECOND = 100  # by the host's own clock
_CALL_EVERY = 4
_CALL_TYPES = ("ringing", "connected", "released")
_ACD = (
    {"eventCode": 66, "eventString": "STATION RING", "data1": "620", "data2": "620"},
    {"eventCode": 42, "eventString": "SEIZE_ACK/CONNECT/ANSWER"},
    {"eventCode": 49, "eventString": "HOLD"},
    {"eventCode": 72, "eventString": "INCOMING CALLER INFO", "data1": "0211234567", "data2": "Tan Wei Ming"},
    {"eventCode": 44, "eventString": "DISCONNECT", "data1": "1"},
)


def build_frames(count: int, first: int = 1) -> Iterator[str]:
    """Yield frames `first` to `first + count - 1`."""
    for number in range(first, first + count):
        build = _build_acd if number % _CALL_EVERY else _build_call
        yield json.dumps(build(number), separators=(",", ":"))


def _build_acd(number: int) -> dict[str, Any]:
    second = number // _FRAMES_A_SECOND
    data = {
        "time": f"2026/11/24 {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}",
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
