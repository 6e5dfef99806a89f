"""An event of the log → a step: what it says of calls and agents, in one vocabulary for all kinds of events.

The tables say which field names whom. What says nothing of a call or an agent is no step.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import Struct

ELSEWHERE_CAUSES = frozenset({11, 61, 62, 101, 102})
"""Call causes by which a phone stops ringing since the call was answered at another one."""

GROUP_CALL = 65
"""The cause by which a phone rings with a group's call."""

Facts = Mapping[str, Any]

_NOTHING: Facts = MappingProxyType({})
_LEAVES_CONFERENCE = {("hang_up", "disconnect_type"), ("conference", "conference_action")}
_LEFT, _TERMINATED = 3, 1
_TRUNK = "CO"


def is_trunk(party: str) -> bool:
    """Tell whether a party is a trunk."""
    return party.startswith(_TRUNK)


def rings_for_group(step: "Step") -> bool:
    """Tell whether a phone rings with a group's call."""
    return step.verb == "ring" and bool(step.bin or step.group or step.cause == GROUP_CALL)


class Moment(Struct, frozen=True, gc=False):
    """When something happened: when it was received, and by the host's clock where the event has a time."""

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


class Step(Struct, frozen=True, gc=False):
    """What an event says. `order` compares as the host sent its events.

    `who` did it and `other` is the other side: stations, or trunks with `CO` before their number; `outside` is the
    other side's number where it is neither. `trunks` are those of the two that are. `to` is where a call goes on.
    `bin` is the group as ACD events name it and `group` its number; both are absent where it is no group's.
    `is_told` and `is_other_told` where the station tells of itself, so that it will tell of its end too.
    """

    verb: str
    event_id: str
    order: Any
    moment: Moment
    ref: int | None = None
    who: str = ""
    other: str = ""
    outside: str = ""
    to: str = ""
    bin: str = ""
    group: str = ""
    cause: int | None = None
    trunks: tuple[str, ...] = ()
    is_told: bool = True
    is_other_told: bool = True
    facts: Facts = _NOTHING


ACD_VERBS: Mapping[int, str] = {
    1: "trunk_busy",
    2: "trunk_idle",
    3: "arrive",
    11: "login",
    12: "logout",
    13: "not_ready",
    14: "ready",
    15: "wrap_up",
    16: "wrapped_up",
    17: "station_busy",
    18: "station_idle",
    19: "dnd_on",
    20: "dnd_off",
    25: "second_login",
    26: "logout",
    41: "seize",
    42: "answer",
    43: "abandon",
    44: "hang_up",
    45: "conference",
    46: "park",
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
    81: "hot_desk_in",
    82: "out_of_service",
    83: "hot_desk_out",
    84: "in_service",
    85: "note",
    86: "note",
    87: "note",
    88: "note",
    89: "note",
    90: "note",
}
"""What each ACD event says; the source did it, the destination is the other side."""

CALL_VERBS: Mapping[str, tuple[str, str, str, str]] = {
    "dialing": ("seize", "device_number", "", ""),
    "proceeding": ("seize", "device_number", "", ""),
    "alerting": ("alert", "called_dn", "device_number", ""),
    "ringing": ("ring", "device_number", "calling_dn", ""),
    "connected": ("answer", "device_number", "calling_dn called_dn", ""),
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
    "dnd": ("dnd_on", "device_number", "", ""),
    "registered": ("in_service", "device_number", "", ""),
    "unregistered": ("out_of_service", "device_number", "", ""),
    "agent_logon": ("login", "device_number", "", ""),
    "agent_logoff": ("logout", "device_number", "", ""),
    "agent_ready": ("ready", "device_number", "", ""),
    "agent_notready": ("not_ready", "device_number", "", ""),
    "agent_work": ("wrap_up", "device_number", "", ""),
}
"""What each call event says: the verb, and which fields name who did it, the other side, and where it goes on."""

SYSTEM_VERBS: Mapping[str, str] = {
    "gap": "gap",
    "call_state_read": "state_read",
    "session_up": "session_up",
    "session_down": "session_down",
    "session_ended": "session_down",
    "daemon_ended": "session_down",
}
"""What each of the middleware's own events says."""

_GROUP_OF_QUEUE = {"queueing": "device_number", "queued": "called_dn"}


KINDS = ("acd", "call", "smdr")
"""The kinds of events that say something of calls or agents, beside the middleware's own in `SYSTEM_VERBS`."""


def read_step(event: Mapping[str, Any], order: Any) -> Step | None:
    """Return the step of a document of the event log; None where it says nothing of a call or an agent."""
    read = _READERS.get(event["kind"])
    return None if read is None else read(event, event.get("data") or _NOTHING, order)


def _read_acd(event: Mapping[str, Any], data: Facts, order: Any) -> Step | None:
    verb = ACD_VERBS.get(event.get("code", 0))
    if verb is None:
        return None
    cause = None
    if verb in ("hang_up", "conference"):
        cause = data.get("disconnect_cause")
        if any(verb == name and data.get(fact) == _LEFT for name, fact in _LEAVES_CONFERENCE):
            verb = "leave"
        elif verb == "conference" and data.get("conference_action") == _TERMINATED:
            verb = "disband"
    who = _read_party(data, "source_type", "source_number")
    other = _read_party(data, "dest_type", "dest_number")
    return Step(
        verb,
        event["_id"],
        order,
        Moment(event["received_at"], event.get("at")),
        event.get("call_ref"),
        who,
        other,
        bin=event.get("group") or "",
        cause=cause,
        trunks=tuple([party for party in (who, other) if party.startswith(_TRUNK)]),
        facts=data,
    )


def _read_party(data: Facts, kind: str, number: str) -> str:
    party = str(data.get(number) or "")
    if not party or data.get(kind) != "co" or party.startswith(_TRUNK):
        return party
    return _TRUNK + party


def _read_call(event: Mapping[str, Any], data: Facts, order: Any) -> Step | None:
    kind = event["type"]
    row = CALL_VERBS.get(kind)
    if row is None:
        return None
    verb, first, others, last = row
    who = str(data.get(first) or "")
    other = next((n for field in others.split() if (n := str(data.get(field) or "")) and n != who), "")
    stations = event.get("stations") or ()
    group = ""
    if verb == "queue":
        group = str(event.get("group") or data.get(_GROUP_OF_QUEUE[kind]) or "")
    elif verb == "dnd_on" and data.get("svc_type") == "disable":
        verb = "dnd_off"
    is_told = first == "device_number"
    is_inside = other in stations
    other, outside = (other, "") if is_inside else ("", other)
    if who not in stations:
        who, outside = "", who or outside
    if verb == "alert":
        verb, who, other, is_told = ("ring", who, other, False) if who else ("alert", other, "", True)
    elif verb == "ring" and data.get("calling_dn") == who:
        verb = "seize"  # a phone without a handset in the hand rings first, then it dials
    return Step(
        verb,
        event["_id"],
        order,
        Moment(event["received_at"], event.get("at")),
        event.get("call_ref"),
        who,
        other,
        outside,
        str(data.get(last) or ""),
        "",
        group,
        data.get("cause_code"),
        (),
        is_told,
        not is_told and bool(other),
        data,
    )


def _read_record(event: Mapping[str, Any], data: Facts, order: Any) -> Step:
    moment = Moment(event["received_at"], event.get("at"))
    return Step("record", event["_id"], order, moment, event.get("call_ref"), facts=data)


def _read_system(event: Mapping[str, Any], data: Facts, order: Any) -> Step | None:
    verb = SYSTEM_VERBS.get(event["type"])
    if verb is None:
        return None
    who = str(data.get("station") or "") if verb == "state_read" else ""
    return Step(verb, event["_id"], order, Moment(event["received_at"]), who=who, facts=data)


_READERS: Mapping[str, Callable[[Mapping[str, Any], Facts, Any], Step | None]] = {
    "acd": _read_acd,
    "call": _read_call,
    "smdr": _read_record,
    "system": _read_system,
}
