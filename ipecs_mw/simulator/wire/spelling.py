"""How the host spells its events: the envelopes, and the documented oddities of real firmware.

Every frame is right JSON in the vendor's names. With `share` above 0 that part of the frames is spelt oddly, each
in one of the ways that the vendor prints or the field has shown; what they say stays the same.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from random import Random
from typing import Any, TypeAlias

import msgspec

from ipecs_mw.seeds import read_json

Data: TypeAlias = dict[str, Any]
_SIDE_WIDTH = 8


@cache
def _wire_names() -> dict[int, tuple[str, str]]:
    return {row["code"]: (row["wire"], row["call_ref"]) for row in read_json("codes.json")["acd_events"]}


def spell_acd(
    code: int, at: datetime, call_ref: int | None, source: str, dest: str, data1: str, data2: str
) -> Data:
    """Return the data of an ACD event; `source` and `dest` are a trunk (`CO001`), a station, or blank."""
    name, has_call_ref = _wire_names()[code]
    data: Data = {"time": at.strftime("%Y/%m/%d %H:%M:%S")}
    if has_call_ref != "never":
        data["callRefID"] = "" if call_ref is None else call_ref
    data["eventCode"] = code
    data["eventString"] = name
    data["sourceType"], data["sourceNumber"] = _split_side(source)
    data["destType"], data["destNumber"] = _split_side(dest)
    data["data1"], data["data2"] = data1, data2
    return data


@cache
def _call_fields() -> dict[str, tuple[str, ...]]:
    return {
        row["code"]: tuple(name.rstrip("?[]") for name in row["fields"])
        for row in read_json("codes.json")["call_events"]
    }


def spell_call(kind: str, fields: Data) -> Data:
    """Return the data of a call event: those of `fields` that the vendor lists for it, in his order."""
    return {"type": kind, **{name: fields[name] for name in _call_fields()[kind] if name in fields}}


def _split_side(side: str) -> tuple[str, str]:
    if side.startswith("CO"):
        return "CO", side[2:]
    return ("Station", side) if side else ("", "")


def encode(event: str, data: Data) -> bytes:
    """Return a frame with the usual envelope."""
    return msgspec.json.encode({"event": event, "data": data})


def _pad_numbers(data: Data) -> Data:
    return {k: v.ljust(_SIDE_WIDTH) if k in ("sourceNumber", "destNumber") else v for k, v in data.items()}


def _blank_with_spaces(data: Data) -> Data:
    return {key: " " if value == "" else value for key, value in data.items()}


def _quote_numbers(data: Data) -> Data:
    return {key: str(value) if type(value) is int else value for key, value in data.items()}


def _indent_type(data: Data) -> Data:
    return {key: f" {value}" if key == "type" else value for key, value in data.items()}


_ODDITIES: dict[str, tuple[Callable[[Data], Data], ...]] = {
    "acd": (_pad_numbers, _blank_with_spaces, _quote_numbers),
    "call": (_indent_type, _quote_numbers),
    "smdr": (_quote_numbers,),
}


class Oddities:
    """Spells the given share of frames (0 to 1) oddly; the same seed gives the same frames."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = Random(seed)  # noqa: S311 - play, not secrets

    def encode(self, event: str, data: Data) -> bytes:
        """Return a frame, oddly spelt once in a while."""
        if self._share and self._random.random() < self._share:
            data = self._random.choice(_ODDITIES[event])(data)
        return encode(event, data)
