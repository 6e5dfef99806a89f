"""An event of the log → a step: what it says of a call, in one vocabulary for ACD and call events alike.

The tables say which field names whom. What says nothing of a call is no step.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

ELSEWHERE_CAUSES = frozenset({11, 61, 62, 101, 102})
"""Call causes by which a phone stops ringing since the call was answered at another one."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LEFT_CONFERENCE = 3
_NO_GROUP = frozenset({"", "0", "00"})


class Moment(NamedTuple):
    """When something happened: by the host's clock where the event has a time, and when it was received."""

    received: datetime
    host: datetime | None = None

    @property
    def at(self) -> datetime:
        """The instant to show: the host's where there is one."""
        return self.received if self.host is None else self.host

    def seconds_since(self, earlier: "Moment") -> float:
        """Return the seconds between two moments, by the host's clock where both have it; never below 0."""
        if self.host is not None and earlier.host is not None:
            return max(0.0, (self.host - earlier.host).total_seconds())
        return max(0.0, (self.received - earlier.received).total_seconds())


class Step(NamedTuple):
    """What an event says of a call. `order` compares as the host sent its events.

    `who` did it and `other` is the other side: stations, or trunks with `CO` before their number, or the number
    outside. `to` is where a call goes on. `group` is named as the event names it; absent where it is no group's.
    """

    verb: str
    event_id: str
    order: Any
    moment: Moment
    ref: int | None = None
    who: str = ""
    other: str = ""
    to: str = ""
    group: str = ""
    cause: int | None = None
    facts: Mapping[str, Any] = _NOTHING


_ACD_VERBS = {
    1: "trunk_busy",
    2: "trunk_idle",
    3: "arrive",
    15: "wrap_up",
    16: "wrapped_up",
    17: "station_busy",
    18: "station_idle",
    41: "seize",
    42: "answer",
    43: "abandon",
    44: "hang_up",
    45: "conference",
    48: "divert",
    49: "hold",
    50: "recall",
    51: "offer",
    55: "park",
    56: "park",
    57: "pick_up",
    58: "hold",
    59: "offer",
    60: "no_answer",
    61: "overflow",
    62: "queue",
    63: "voicemail",
    65: "note",
    66: "ring",
    67: "dialed",
    69: "note",
    70: "transfer",
    71: "inbound",
    72: "inbound",
    85: "note",
    86: "note",
    87: "note",
    88: "note",
    89: "note",
    90: "note",
}
"""What each ACD event says; the source did it, the destination is the other side."""

_CALL_VERBS = {
    "dialing": ("seize", "device_number", "", ""),
    "proceeding": ("seize", "device_number", "", ""),
    "alerting": ("alert", "device_number", "called_dn", ""),
    "ringing": ("ring", "device_number", "calling_dn", ""),
    "connected": ("answer", "device_number", "", ""),
    "released": ("release", "device_number", "released_dn", ""),
    "releasedasc": ("release", "released_asc_dn", "device_number", ""),
    "rerouting": ("divert", "device_number", "", "rerouting_dn"),
    "rerouted": ("divert", "called_dn", "device_number", "rerouting_dn"),
    "fail": ("fail", "device_number", "called_dn", ""),
    "hold": ("hold", "device_number", "hold_dn", ""),
    "held": ("hold", "hold_dn", "device_number", ""),
    "retrieve": ("answer", "device_number", "retrieve_dn", ""),
    "retrieved": ("answer", "retrieve_dn", "device_number", ""),
    "transferring": ("transfer", "device_number", "transferred_dn", "transfer_to_dn"),
    "transferred": ("transfer", "transferor_dn", "device_number", "transfer_to_dn"),
    "conferencing": ("conference", "device_number", "new_conf_member_dn", ""),
    "conferenced": ("conference", "master_dn", "new_conf_member_dn", ""),
    "queueing": ("queue", "calling_dn", "", ""),
    "queued": ("queue", "device_number", "", ""),
    "agent_work": ("wrap_up", "device_number", "", ""),
    "agent_ready": ("wrapped_up", "device_number", "", ""),
    "agent_notready": ("wrapped_up", "device_number", "", ""),
    "agent_logoff": ("wrapped_up", "device_number", "", ""),
}
"""What each call event says: the verb, and which fields name who did it, the other side, and where it goes on."""

_SYSTEM_VERBS = {"gap": "gap", "call_state_read": "state_read"}


def read_step(event: Mapping[str, Any], order: Any) -> Step | None:
    """Return the step of a document of the event log; None where it says nothing of a call."""
    kind = event["kind"]
    data = event.get("data") or _NOTHING
    if kind == "acd":
        return _read_acd(event, data, order)
    if kind == "call":
        return _read_call(event, data, order)
    if kind == "smdr":
        return _make("record", event, order, event.get("call_ref"), facts=data)
    verb = _SYSTEM_VERBS.get(event["type"]) if kind == "system" else None
    return None if verb is None else _make(verb, event, order, event.get("call_ref"), facts=data)


def _make(verb: str, event: Mapping[str, Any], order: Any, ref: int | None, **rest: Any) -> Step:
    return Step(verb, event["_id"], order, Moment(event["received_at"], event.get("at")), ref, **rest)


def _read_acd(event: Mapping[str, Any], data: Mapping[str, Any], order: Any) -> Step | None:
    verb = _ACD_VERBS.get(event.get("code", 0))
    if verb is None:
        return None
    if verb == "hang_up" and data.get("disconnect_type") == _LEFT_CONFERENCE:
        verb = "leave"
    elif verb == "conference" and data.get("conference_action") == _LEFT_CONFERENCE:
        verb = "leave"
    group = str(event.get("group") or "")
    return _make(
        verb,
        event,
        order,
        event.get("call_ref"),
        who=_read_party(data, "source"),
        other=_read_party(data, "dest"),
        group="" if group in _NO_GROUP else group,
        cause=data.get("disconnect_cause"),
        facts=data,
    )


def _read_party(data: Mapping[str, Any], side: str) -> str:
    number = str(data.get(f"{side}_number") or "")
    is_trunk = data.get(f"{side}_type") == "co" and not number.startswith("CO")
    return f"CO{number}" if number and is_trunk else number


def _read_call(event: Mapping[str, Any], data: Mapping[str, Any], order: Any) -> Step | None:
    row = _CALL_VERBS.get(event["type"])
    if row is None:
        return None
    verb, *names = row
    who, other, to = (str(data.get(name) or "") for name in names)
    group = str(event.get("group") or "") if verb == "queue" else ""
    cause = data.get("cause_code")
    return _make(
        verb, event, order, event.get("call_ref"),
        who=who, other=other, to=to, group="" if group in _NO_GROUP else group, cause=cause, facts=data,
    )  # fmt: skip
