"""What a receiver asks of a call beside its document: the one person whom it concerns, and the numbers."""

from collections.abc import Mapping
from typing import Any, Final

Document = Mapping[str, Any]

FACTS: Final = (
    "call_id",
    "number",
    "called",
    "station",
    "agent",
    "group",
    "is_answered",
    "total_seconds",
    "talk_seconds",
)
"""Names of what `find_facts` knows of a call, beside the fields of its document."""

NUMBERS: Final = frozenset({"number", "called"})
"""Those that are phone numbers."""

_TALKS = ("talk", "conference")


def find_facts(call: Document) -> dict[str, Any]:
    """Return name → value of what is known of a call; what is not known is absent.

    `number` is the one outside, `called` what was dialled. `station` is the person: who answered, else the called
    one, else the only one that rings. While several phones ring for a group it is nobody.
    """
    direction = call.get("direction")
    caller, dialed = call.get("caller") or {}, call.get("dialed") or {}
    seconds = call.get("seconds") or {}
    answered = call.get("answered_by") or {}
    outside = dialed.get("number") if direction == "outbound" else caller.get("number")
    station = _find_station(call)
    found = {
        "call_id": call.get("id"),
        "number": outside,
        "called": dialed.get("did") or dialed.get("number") or dialed.get("group") or dialed.get("station"),
        "station": station,
        "agent": _find_agent(call, station) or answered.get("agent"),
        "group": answered.get("group") or dialed.get("group") or next(iter(call.get("groups") or ()), None),
        "is_answered": "answered_at" in call,
        "total_seconds": _round(seconds.get("total")),
        "talk_seconds": _round(seconds.get("talk")),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _find_station(call: Document) -> Any:
    caller, dialed = call.get("caller") or {}, call.get("dialed") or {}
    segments = call.get("segments") or ()
    if call.get("direction") in ("outbound", "internal"):
        return caller.get("station")
    if "answered_by" in call:
        talking = [
            each.get("station") for each in segments if each.get("kind") in _TALKS and "until" not in each
        ]
        stations = [station for station in talking if station]
        return stations[-1] if stations else (call["answered_by"] or {}).get("station")
    rings = [each for each in segments if each.get("kind") == "ring" and each.get("station")]
    ringing = {each["station"] for each in rings if "until" not in each} or {
        each["station"] for each in rings
    }
    if len(ringing) == 1:
        return next(iter(ringing))
    return dialed.get("station")


def _find_agent(call: Document, station: Any) -> str | None:
    agents = [
        each["agent"]
        for each in call.get("segments") or ()
        if station and each.get("station") == station and each.get("agent")
    ]
    return agents[-1] if agents else None


def _round(seconds: Any) -> int | None:
    return round(seconds) if isinstance(seconds, int | float) else None
