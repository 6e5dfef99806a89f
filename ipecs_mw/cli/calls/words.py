"""Parts of calls and states → words for people."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw.calls.course.course import CLOSERS
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

Document = Mapping[str, Any]

_SHORT_ID = 8
_JUDGED = CLOSERS - {"record"}  # a call record tells an end as well as an event


def spell_seconds(seconds: float | None) -> str:
    """Return a duration as people read it: `0:05`, `12:30`, `1:02:03`; blank where there is none."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shorten_id(name: str) -> str:
    """Return as much of an id as is enough on a narrow screen: without its host, eight signs."""
    return name.partition(":")[2][:_SHORT_ID] or name[:_SHORT_ID]


def name_caller(call: Document) -> str:
    """Return who called: the number with the name, or the station."""
    caller = call.get("caller") or {}
    number, name = caller.get("number"), caller.get("name")
    if number and name:
        return escape(f"{number} ({name})")
    return escape(str(number or name or caller.get("station") or ""))


def name_called(call: Document) -> str:
    """Return who was called: a number outside, a group, a station, else the number that was dialled in."""
    dialed = call.get("dialed") or {}
    return escape(
        str(next((dialed[key] for key in ("number", "group", "station", "did") if key in dialed), ""))
    )


def name_direction(call: Document, texts: Texts) -> str:
    """Return whose a call is."""
    return texts.render(f"cli.direction.{call.get('direction', 'unknown')}")


def name_target(call: Document) -> str:
    """Return who was called, and who answered where that is another one: `620 → 1001 (0042)`."""
    called, answered = name_called(call), call.get("answered_by") or {}
    if not answered or answered.get("station") == called:
        return name_station(answered) or called
    return " → ".join(filter(None, (called, name_station(answered))))


def name_station(document: Document) -> str:
    """Return a station with its agent: `1001 (0042)`."""
    station, agent = document.get("station", ""), document.get("agent")
    return escape(f"{station} ({agent})" if agent and agent != station else str(station))


def name_outcome(call: Document, texts: Texts) -> str:
    """Return what a call was, or that it lasts; `?` behind it where that is not certain."""
    outcome = texts.render("cli.outcome.open")
    if not call.get("is_open"):
        outcome = texts.render(f"cli.outcome.{call.get('outcome', 'unknown')}")
    quality = call.get("quality") or {}
    is_certain = quality.get("is_complete", True) and quality.get("closed_by") not in _JUDGED
    return outcome if is_certain else f"{outcome} ?"


def name_state(document: Document, texts: Texts) -> str:
    """Return the words for a state, with the reason where it has one."""
    state = texts.render(f"cli.state.{document.get('state', 'unknown')}")
    reason = document.get("reason")
    return f"{state} ({escape(str(reason))})" if reason else state
