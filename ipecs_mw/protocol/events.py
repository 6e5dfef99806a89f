"""A frame → an event. Never raises: what is unknown or unreadable is kept as such.

The tables (collection `codes`, seed `codes.json`) say what each code, type and field means; this module only
applies them. Wire rules: interface notes, "WebSocket" and "Field notes".
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ipecs_mw.model.configuration.formats import FormatSettings
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.fields import NOT_FITTING, Field, Found, Row, Tables
from ipecs_mw.protocol.host_time import read_instants, to_utc
from ipecs_mw.protocol.json_frames import parse_frame
from ipecs_mw.protocol.values import (
    MASK,
    READERS,
    read_text,
    strip_padding,
    to_snake,
)

# What repeats in these patterns never gives back what it took, so that their time is linear for whatever bytes.
_AUTHORIZATION_FRAME = re.compile(rb'"eventCode"\s*+:\s*+"?+\s*+0*+86\b|AUTHORIZATION CODE')
_CLOCK_FRAME = re.compile(rb'"eventCode"\s*+:\s*+"?+\s*+0*+68\b')
_ACD_DATA = re.compile(rb'("data1"\s*+:\s*+"?+)[^",}]*+')
_AUTHORIZATION_BYTES = re.compile(rb'((?:STA|SYS)-P\[)[^\]"\\]*+')
_PLAIN = FormatSettings()
_KINDS = frozenset({"acd", "call", "smdr"})
_FEW_LEVELS = 50  # half of what MongoDB takes
_SHORTEST_DEEP_BYTES = 2 * _FEW_LEVELS  # each level has a bracket at its end too
_UNREAD: tuple[str | None, datetime | None] = (None, None)


class _Plan(NamedTuple):
    """How the events of one ACD code are read: their type, and each field of theirs by its name on the wire."""

    type: str
    fields: Sequence[tuple[str, Field]]
    has_secret: bool


def _build_plan(row: Row, tables: Tables) -> _Plan:
    fields = [(wire, Field(row[wire], tables)) for wire in ("data1", "data2") if wire in row]
    return _Plan(row["name"], fields, any(field.read is READERS["secret"] for _, field in fields))


class Decoder:
    """Decodes the frames of one host: built once from the code tables and the host's time zone.

    `captions` are the site's names of the two number fields of a call record, where they are known; `formats` are
    how the host writes.
    """

    def __init__(
        self, tables: Tables, zone: ZoneInfo, captions: Sequence[str] = (), formats: FormatSettings = _PLAIN
    ) -> None:
        self._formats = formats
        self._zone = zone
        self._captions = captions
        self._acd = {row["code"]: _build_plan(row, tables) for row in tables["acd_events"]}
        self._call = {row["code"]: row for row in tables["call_events"]}
        self._call_fields = {row["code"]: Field(row, tables) for row in tables["call_fields"]}
        self._smdr_fields = {row["code"]: Field(row, tables) for row in tables["smdr_fields"]}
        self._last_time = _UNREAD  # as the host wrote it, and when that was; many frames have the same
        self._decoders = {"acd": self._decode_acd, "call": self._decode_call, "smdr": self._decode_smdr}

    def decode(self, body: bytes, received_at: datetime) -> Event:
        """Return the event of a frame."""
        if b"[" in body:
            body = _mask_accounts(body)
        try:
            value, problems = parse_frame(body, self._formats.encoding)
        except ValueError as error:
            return build_undecodable(body, received_at, str(error))
        found = Found(received_at, self._formats, list(problems))
        kind, data = _open_envelope(value)
        decoder = self._decoders.get(kind)
        if decoder is None or not isinstance(data, dict):
            return found.finish("unknown", to_snake(kind) or "unknown", value)
        return decoder(found, data, value)

    def _decode_acd(self, found: Found, data: dict[str, Any], raw: Any) -> Event:
        code = found.code = found.read_int("eventCode", data.get("eventCode"))
        found.call_ref = found.read_int("callRefID", data.get("callRefID"))
        self._read_time(found, "time", data.get("time"))
        found.add_parties(data)
        plan = self._acd.get(code)
        if plan is None:
            text = found.read("eventString", read_text, data.get("eventString"))
            name = to_snake(text or "") or ("unknown" if code is None else f"code_{code}")
            return found.finish("unknown", name, _mask_acd(raw, data) if "authorization" in name else raw)
        for wire, field in plan.fields:
            if (value := data.get(wire)) is not None:
                found.add(wire, field, value)
        found.group = found.data.get("group")
        return found.finish("acd", plan.type, _mask_acd(raw, data) if plan.has_secret else raw)

    def _decode_call(self, found: Found, data: dict[str, Any], raw: Any) -> Event:
        wire_type = found.read("type", read_text, data.get("type")) or ""
        if not wire_type and "deviceINFO" in data:
            wire_type = "numbering"
        row = self._call.get(wire_type) or self._call.get(wire_type.lower())
        name = to_snake(wire_type) or "unknown" if row is None else row["name"]
        if row is not None and "renamed_by" in row:
            for wire, other in row["renamed_by"].items():
                name = other if wire in data else name
        found.add_all(self._call_fields, data, skip="type")
        kind = "unknown" if row is None else "presence" if name == "presence" else "call"
        return found.finish(kind, name, raw)

    def _decode_smdr(self, found: Found, data: dict[str, Any], raw: Any) -> Event:
        self._read_time(found, "StartTime", data.get("StartTime"))
        fields = dict(self._smdr_fields)
        # the captions of the two number fields are the administrator's choice: unless told, their order tells
        captions = self._captions or tuple(wire for wire in data if wire not in fields)
        for wire, name in zip(captions, ("number1", "number2"), strict=False):
            fields[wire] = Field({"name": name, "as": "digits"}, {})
        found.add_all(fields, data)
        reason = found.read("DisconnectCause", read_text, data.get("DisconnectCause"))
        if reason and "-" in reason:
            found.data["disconnect_reason"] = strip_padding(reason.partition("-")[2])
        return found.finish("smdr", "smdr", raw)

    def _read_time(self, found: Found, wire: str, value: Any) -> None:
        text, at = self._last_time
        if value == text:
            found.at = at
            return
        try:
            text = read_text(value)
            if text is None:
                return
            early, late = read_instants(text, self._zone, self._formats.dates)
            if early is late:
                found.at = early
                self._last_time = value, early
            else:
                found.at = to_utc(text, self._zone, found.received_at, self._formats.dates)
        except NOT_FITTING as error:
            found.note(wire, error)


def may_tell_of_host(body: bytes) -> bool:
    """Tell, far quicker than by decoding, whether a frame may be of the host's clock or its numbering plan.

    Of frames with a NUL byte between them, whether any of them may.
    """
    return (
        b"deviceINFO" in body
        or b"numbering" in body
        or (b"68" in body and _CLOCK_FRAME.search(body) is not None)
    )


def may_be_deep(body: bytes) -> bool:
    """Tell, far quicker than by decoding, whether what is in a frame may be in more than a few levels."""
    return len(body) > _SHORTEST_DEEP_BYTES and body.count(b"{") + body.count(b"[") > _FEW_LEVELS


def build_undecodable(body: bytes, received_at: datetime, reason: str) -> Event:
    """Return the event of bytes that are no JSON; authorization codes in them are masked as far as they show."""
    body = _mask_accounts(body)
    if _AUTHORIZATION_FRAME.search(body):
        body = _ACD_DATA.sub(rb"\g<1>" + MASK.encode(), body)
    return Event("undecodable", "undecodable", received_at, body, problems=(reason,))


def _open_envelope(value: Any) -> tuple[str, Any]:
    """Return (kind, data), the kind also where the envelope is missing."""
    if not isinstance(value, dict):
        return "", None
    event = value.get("event")
    if isinstance(event, str) and "data" in value:
        return event if event in _KINDS else strip_padding(event).lower(), value["data"]
    for kind, telling in (
        ("acd", "eventCode"),
        ("call", "type"),
        ("call", "deviceINFO"),
        ("smdr", "StationNumber"),
    ):
        if telling in value:
            return kind, value
    return str(value.get("event", "")), None


def _mask_acd(raw: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    masked = {name: MASK if name in ("data1", "data2") and value else value for name, value in data.items()}
    return masked if raw is data else {**raw, "data": masked}


def _mask_accounts(body: bytes) -> bytes:
    """Return a frame with its authorization codes masked wherever they stand, also in fields that nobody knows."""
    if b"[" not in body or b"-P[" not in body:  # one byte is found far sooner than three
        return body
    return _AUTHORIZATION_BYTES.sub(rb"\g<1>" + MASK.encode(), body)
