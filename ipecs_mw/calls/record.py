"""A call that was joined → its document of `calls`: who, when, how long, and with what outcome."""

from collections.abc import Iterable, Mapping
from typing import Any

from ipecs_mw.calls.course import Course, Segment, is_trunk, total_seconds
from ipecs_mw.calls.joining import Joined
from ipecs_mw.calls.steps import Moment, Step

_KINDS = ("queue", "ring", "talk", "hold", "park", "consult")
_LONGEST_EXTENSION = 4
_BUSY_CAUSES, _REFUSED_CAUSES, _UNANSWERED_CAUSES = {3, 33}, {14, 35, 103}, {10, 22, 48, 56}
_LINE_BUSY, _LINE_REFUSED, _LINE_UNANSWERED = {17, 34}, {21}, {16, 18, 19, 20, 31}
_RECORDED = {
    "t": ("inbound", "answered"),
    "I": ("inbound", "answered"),
    "O": ("outbound", "answered"),
    "T": ("outbound", "answered"),
    "H": ("inbound", "lost_on_hold"),
    "R": ("inbound", "abandoned"),
    "G": ("inbound", "abandoned"),
    "E": ("internal", "answered"),
    "o": ("outbound", "no_answer"),
    "V": ("inbound", "voicemail"),
    "N": ("outbound", "answered"),
    "n": ("inbound", "answered"),
}
"""What each letter of a call record says of direction and outcome (inferred from the vendor's call types 1 to 15)."""


def build_record(joined: Joined, host: str) -> dict[str, Any]:
    """Return the document of a call without `revision` and `updated_at`; what is not known is absent."""
    course = joined.course
    steps = course.steps
    letters = [str(step.facts.get("direction") or "") for step in steps if step.verb == "record"]
    is_recorded_only = all(step.verb == "record" for step in steps)
    direction = _find_direction(course, letters)
    began = steps[0].moment
    seconds, clock = _measure(course, joined)
    document: dict[str, Any] = {
        "_id": joined.id,
        "host": host,
        "call_refs": sorted({step.ref for step in steps if step.ref is not None}),
        "direction": direction,
        "is_open": joined.is_open,
        "began_at": began.at,
        "queued_at": _at(course.first.get("queue")),
        "rang_at": _at(course.first.get("ring")),
        "answered_at": _at(course.answered_at),
        "ended_at": _at(course.end),
        "caller": _find_caller(course, direction),
        "dialed": _find_dialed(course, direction),
        "answered_by": _describe_answer(course),
        "trunks": [trunk.removeprefix("CO") for trunk in course.trunks],
        "stations": list(course.stations),
        "groups": list(course.groups),
        "outcome": _judge(course, direction, letters) if course.end is not None else None,
        "ended_by": course.ended_by.removeprefix("CO") if course.end is not None else None,
        "cause": course.call_cause if course.cause is None else course.cause,
        "seconds": seconds,
        "counts": _count(course),
        "segments": [_describe(segment) for segment in course.segments],
        "records": [_clean(step.facts) for step in steps if step.verb == "record"],
        "quality": {
            "is_complete": not course.gaps and not joined.is_begun_before and not joined.is_ambiguous,
            "gaps": course.gaps,
            "closed_by": course.closed_by if course.end is not None else "",
            "inferred": ["began_before"] * joined.is_begun_before + ["ambiguous"] * joined.is_ambiguous,
            "clock": clock,
        },
    }
    if is_recorded_only:
        _fill_from_records(document, steps)
    return _clean(document)


def _at(moment: Moment | None) -> Any:
    return None if moment is None else moment.at


def _clean(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without what is absent: no nulls, no blanks, nothing empty; numbers and truths stay."""
    cleaned = {key: _clean(each) if isinstance(each, Mapping) else each for key, each in value.items()}
    return {key: each for key, each in cleaned.items() if each not in (None, "", [], {}, ())}


def _measure(course: Course, joined: Joined) -> tuple[dict[str, float], str]:
    seconds: dict[str, float] = {}
    clocks: set[bool] = set()
    for kind in _KINDS:
        seconds[kind], of_kind = total_seconds(course, kind)
        clocks |= of_kind
    wrapped = [s for s in course.segments if s.kind == "wrap_up" and s.ends is not None]
    seconds["wrap_up"] = sum(s.ends.seconds_since(s.begins) for s in wrapped if s.ends is not None)
    if course.end is not None:
        seconds["total"] = course.end.seconds_since(course.steps[0].moment) + seconds["wrap_up"]
    clock = "mixed" if len(clocks) > 1 else "host" if True in clocks else "received"
    return {kind: round(each, 3) for kind, each in seconds.items()}, clock


def _count(course: Course) -> dict[str, int]:
    rings = [segment for segment in course.segments if segment.kind == "ring"]
    return {
        "offered": len(rings),
        "no_answer": sum(
            segment.result in ("no_answer", "forwarded", "overflowed", "refused") for segment in rings
        ),
        "holds": course.holds,
        "transfers": course.transfers,
        "conferences": course.conferences,
    }


def _describe(segment: Segment) -> dict[str, Any]:
    return _clean(
        {
            "kind": segment.kind,
            "station": segment.station,
            "group": segment.group,
            "from": segment.begins.at,
            "until": _at(segment.ends),
            "result": segment.result,
        }
    )


def _describe_answer(course: Course) -> dict[str, Any]:
    answered = course.answered
    return {} if answered is None else {"station": answered.station, "group": answered.group}


def _facts(steps: Iterable[Step], name: str) -> Any:
    return next((step.facts[name] for step in steps if step.facts.get(name)), None)


def _find_direction(course: Course, letters: list[str]) -> str:
    """Return whose call it is: by its first trunk or station, else by its record, else by the numbers told."""
    for step in course.steps:
        if step.verb in ("arrive", "inbound"):
            return "inbound"
        if step.verb == "seize" and is_trunk(step.who):
            return "tandem" if is_trunk(step.other) else "inbound"
        if step.verb == "queue" and is_trunk(step.who):
            return "inbound"
        if step.verb == "ring" and is_trunk(step.other):
            return "inbound"
        if step.verb == "record" and (known := _RECORDED.get(str(step.facts.get("direction") or ""))):
            return known[0]
        if step.verb == "ring" and step.other:
            return "inbound" if _is_outside(step.other, course) else "internal"
        if step.verb in ("seize", "dialed"):
            return _judge_dialed(course)
    return next((_RECORDED[letter][0] for letter in letters if letter in _RECORDED), "unknown")


def _judge_dialed(course: Course) -> str:
    """Return the direction of a call that a station made."""
    if course.trunks:
        return "outbound"
    dialed = _facts(course.steps, "number_dialed") or _facts(course.steps, "dial_digit") or ""
    called = next(
        (step.other for step in course.steps if step.verb in ("seize", "alert") and step.other), dialed
    )
    return "outbound" if _is_outside(str(called), course) else "internal" if called else "unknown"


def _is_outside(number: str, course: Course) -> bool:
    longest = max(map(len, course.stations), default=_LONGEST_EXTENSION)
    return number not in course.stations and len(number) > longest


def _find_caller(course: Course, direction: str) -> dict[str, Any]:
    if direction in ("inbound", "tandem"):
        told = next((s.other for s in course.steps if s.verb == "ring" and not is_trunk(s.other)), "")
        number = _facts(course.steps, "caller_number") or told
        return {"number": number, "name": _facts(course.steps, "caller_name")}
    station = next((s.who for s in course.steps if s.verb == "seize" and not is_trunk(s.who)), "")
    station = station or next((s.other for s in course.steps if s.verb == "ring" and s.other), "")
    return {"station": station}


def _find_dialed(course: Course, direction: str) -> dict[str, Any]:
    steps = course.steps
    if direction in ("inbound", "tandem"):
        first = next((s.other for s in steps if s.verb in ("arrive", "inbound") and s.other), "")
        group = next(iter(course.groups), "")
        return {"did": _facts(steps, "did_number"), "group": group, "station": "" if group else first}
    number = _facts(steps, "number_dialed") or _facts(steps, "dial_digit")
    station = next((s.other for s in steps if s.verb == "seize" and s.other and not is_trunk(s.other)), "")
    if direction == "internal":
        called = next((s.who for s in steps if s.verb == "ring"), "")
        return {"number": number, "station": station or called, "group": next(iter(course.groups), "")}
    return {"number": number or next((s.other for s in steps if s.verb == "alert"), "")}


def _judge(course: Course, direction: str, letters: list[str]) -> str:
    """Return the outcome of a call that has ended."""
    if course.answered_at is None and "V" in letters:
        return "voicemail"
    if course.has_voicemail and course.answered is None:
        return "voicemail"
    if course.answered_at is not None:
        is_left = course.end_phase in ("hold", "park") and not _is_station(course.ended_by)
        return "lost_on_hold" if is_left or "H" in letters else "answered"
    if all(step.verb == "record" for step in course.steps):
        return next((_RECORDED[letter][1] for letter in letters if letter in _RECORDED), "unknown")
    if course.closed_by in ("time_limit", "trunk_taken", "reference_reused"):
        return "unknown"
    return _judge_unanswered(course, direction)


def _judge_unanswered(course: Course, direction: str) -> str:
    cause, line_cause = course.call_cause, course.cause
    if cause in _BUSY_CAUSES or line_cause in _LINE_BUSY:
        return "busy"
    if cause in _REFUSED_CAUSES or line_cause in _LINE_REFUSED:
        return "refused"
    if direction in ("inbound", "tandem"):
        return "no_answer" if cause == 10 else "abandoned"  # noqa: PLR2004 - cause "no answer"
    if (
        cause in _UNANSWERED_CAUSES
        or line_cause in _LINE_UNANSWERED
        or (cause is None and line_cause is None)
    ):
        rang = any(segment.kind == "ring" for segment in course.segments) or course.trunks
        return "no_answer" if rang else "busy" if course.has_abandon else "unknown"
    return "failed"


def _is_station(party: str) -> bool:
    return bool(party) and not is_trunk(party) and len(party) <= _LONGEST_EXTENSION


def _fill_from_records(document: dict[str, Any], steps: list[Step]) -> None:
    """Fill in what call records alone tell: their start, duration, numbers, stations."""
    first = steps[0].facts
    durations = [int(step.facts.get("duration_seconds") or 0) for step in steps]
    outcome = document["outcome"]
    seconds = dict.fromkeys((*_KINDS, "wrap_up"), 0.0)
    seconds["talk" if outcome in ("answered", "lost_on_hold", "voicemail") else "ring"] = float(
        sum(durations)
    )
    number = first.get("number1")
    side = "caller" if document["direction"] == "inbound" else "dialed"
    stations = [str(s.facts.get("station_number") or "") for s in steps]
    document |= {
        "seconds": seconds | {"total": float(sum(durations))},
        "trunks": sorted({str(s.facts["co_number"]) for s in steps if s.facts.get("co_number")}),
        "stations": [s for s in dict.fromkeys(stations) if s and not is_trunk(s)],
        side: {**document[side], "number": number},
    }
    document["quality"]["clock"] = "host"
