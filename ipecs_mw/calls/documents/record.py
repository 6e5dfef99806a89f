"""A call that was joined → its document of `calls`: who, when, how long, and with what outcome."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw.calls.course.course import Course, Segment
from ipecs_mw.calls.documents.found_by import list_beginnings
from ipecs_mw.calls.documents.outcome import find_direction, judge_outcome
from ipecs_mw.calls.joining.index import Joined
from ipecs_mw.calls.joining.records import find_span, is_recorded_only, read_parties
from ipecs_mw.calls.steps.steps import Moment, Step
from ipecs_mw.model.days import list_days

KINDS = ("queue", "ring", "talk", "hold", "park", "consult")
"""The phases that `seconds` counts; beside them `wrap_up` and `total`."""

_NOT_ANSWERED = frozenset({"no_answer", "forwarded", "overflowed", "refused"})
_RECORDED_KINDS = {"answered": "talk", "lost_on_hold": "talk", "voicemail": "voicemail"}


def build_record(joined: Joined, host: str) -> dict[str, Any]:
    """Return the document of a call without `revision` and `updated_at`; what is not known is absent."""
    course = joined.course
    document = _describe(joined, host)
    recorded = [step for step in course.steps if step.verb == "record"]
    letters = [str(step.facts.get("direction") or "") for step in recorded]
    direction = find_direction(course, letters)
    document["direction"] = direction
    document["caller"] = _find_caller(course, direction)
    document["dialed"] = _find_dialed(course, direction)
    document["found_by"] = list_beginnings(document)
    document["records"] = [_clean(step.facts) for step in recorded]
    if course.end is not None:
        document["outcome"] = judge_outcome(course, direction, letters)
        document["ended_by"] = course.ended_by
        document["quality"]["closed_by"] = course.closed_by
        if course.seen_over is not None:
            document["quality"]["ended_between"] = [course.end.at, course.seen_over.at]
    if recorded and is_recorded_only(joined):
        _fill_from_records(document, recorded)
    if document["ended_at"] is not None:
        document["days"] = list_days(document["began_at"], document["ended_at"])
    return _clean(document)


def _describe(joined: Joined, host: str) -> dict[str, Any]:
    """Return what is read off the course as it stands."""
    course = joined.course
    seconds, clock = _measure(course)
    firsts = _find_firsts(course)
    cause = course.line_cause if course.call_cause is None else course.call_cause
    return {
        "_id": joined.id,
        "host": host,
        "first": course.steps[0].order,
        "call_refs": sorted(joined.refs),
        "is_open": joined.is_open,
        "began_at": course.steps[0].moment.at,
        "queued_at": firsts.get("queue"),
        "rang_at": firsts.get("ring"),
        "answered_at": _at(course.answered_at),
        "ended_at": _end(course.end, course.steps[0].moment),
        "answered_by": _describe_answer(course),
        "trunks": [trunk.removeprefix("CO") for trunk in course.trunks],
        "stations": list(course.stations),
        "groups": list(course.groups),
        "cause": cause,
        "seconds": seconds,
        "counts": _count(course),
        "segments": [_describe_segment(segment, course) for segment in course.segments],
        "account_code": course.known.get("account_code"),
        "quality": {
            "is_complete": not course.gaps and not joined.marks and course.seen_over is None,
            "gaps": list(course.gaps),
            "inferred": list(joined.marks),
            "clock": clock,
        },
    }


def _at(moment: Moment | None) -> Any:
    return None if moment is None else moment.at


def _end(moment: Moment | None, begins: Moment) -> Any:
    """Return when something ended that began then: an event that tells a whole second may seem to be before it."""
    return None if moment is None else max(moment.at, begins.at)


def _clean(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without what is absent: no nulls, no blanks, nothing empty; numbers and truths stay."""
    cleaned: dict[str, Any] = {}
    for key, each in value.items():
        kept = _clean(each) if type(each) is dict else each
        if kept or kept == 0:
            cleaned[key] = kept
    return cleaned


def _find_firsts(course: Course) -> dict[str, Any]:
    firsts: dict[str, Any] = {}
    for segment in course.segments:
        firsts.setdefault(segment.kind, segment.begins.at)
    return firsts


def _measure(course: Course) -> tuple[dict[str, float], str]:
    """Return the seconds of each phase, and by which clock they were counted."""
    seconds = dict.fromkeys((*KINDS, "wrap_up"), 0.0)
    clocks: set[bool] = set()
    for phase in course.phases:
        if phase.ends is not None and phase.kind in seconds:
            seconds[phase.kind] += phase.ends.seconds_since(phase.begins)
            clocks.add(phase.ends.host is not None and phase.begins.host is not None)
    for segment in course.segments:
        if segment.kind == "wrap_up" and segment.ends is not None:
            seconds["wrap_up"] += segment.ends.seconds_since(segment.begins)
    if course.end is not None:
        seconds["total"] = course.end.seconds_since(course.steps[0].moment) + seconds["wrap_up"]
    clock = "mixed" if len(clocks) > 1 else "host" if True in clocks else "received"
    return {kind: round(each, 3) for kind, each in seconds.items()}, clock


def _count(course: Course) -> dict[str, int]:
    rings = [segment.result for segment in course.segments if segment.kind == "ring"]
    return {
        "offered": len(rings),
        "no_answer": sum(result in _NOT_ANSWERED for result in rings),
        "holds": course.holds,
        "transfers": course.transfers,
        "conferences": course.conferences,
    }


def _describe_segment(segment: Segment, course: Course) -> dict[str, Any]:
    described: dict[str, Any] = {"kind": segment.kind, "from": segment.begins.at}
    agent = course.agents.get(segment.station, "")
    facts = (
        ("station", segment.station),
        ("agent", agent),
        ("group", segment.group),
        ("until", _end(segment.ends, segment.begins)),
        ("result", segment.result),
    )
    described.update((name, value) for name, value in facts if value)
    return described


def _describe_answer(course: Course) -> dict[str, Any]:
    answered = course.answered
    if answered is None:
        return {}
    return {
        "station": answered.station,
        "agent": course.agents.get(answered.station, ""),
        "group": answered.group,
    }


def _find_caller(course: Course, direction: str) -> dict[str, Any]:
    known = course.known
    if direction in ("inbound", "tandem"):
        return {
            "number": known.get("caller_number") or known.get("outside"),
            "name": known.get("caller_name"),
        }
    for step in course.steps:
        if step.verb == "seize":
            return {"station": step.who}
        if step.verb == "ring" and step.other:
            return {"station": step.other}
        if step.verb == "answer" and direction != "unknown":
            return {"station": str(step.facts.get("calling_dn") or "")}
    return {}


def _find_dialed(course: Course, direction: str) -> dict[str, Any]:
    steps, group = course.steps, next(iter(course.groups), "")
    if direction in ("inbound", "tandem"):
        target = next((s.other for s in steps if s.verb in ("arrive", "inbound") and s.other), "")
        target = target or next((s.who for s in steps if s.verb == "ring"), "")
        return {"did": course.known.get("did_number"), "group": group, "station": "" if group else target}
    number = course.known.get("number_dialed") or course.known.get("dial_digit")
    if direction == "outbound":
        return {"number": number or course.known.get("outside")}
    called = next(
        (s.other for s in steps if s.verb == "seize" and s.other and not s.other.startswith("CO")), ""
    )
    called = called or next((s.who for s in steps if s.verb == "ring"), "")
    return {"number": number, "station": "" if called in course.groups else called, "group": group}


def _fill_from_records(document: dict[str, Any], steps: list[Step]) -> None:
    """Fill in what call records alone tell: their start, duration, numbers, stations."""
    durations = [int(step.facts.get("duration_seconds") or 0) for step in steps]
    seconds = dict.fromkeys((*KINDS, "wrap_up"), 0.0)
    if (kind := _RECORDED_KINDS.get(document["outcome"], "ring")) in seconds:
        seconds[kind] = float(sum(durations))
    parties = [read_parties(step.facts) for step in steps]
    side = "caller" if document["direction"] in ("inbound", "tandem") else "dialed"
    document |= {
        "seconds": seconds | {"total": float(sum(durations))},
        "ended_at": max(find_span(step)[1] for step in steps),
        "trunks": list(dict.fromkeys(trunk.removeprefix("CO") for trunk, _ in parties if trunk)),
        "stations": list(dict.fromkeys(station for _, station in parties if station)),
        side: {**document[side], "number": steps[0].facts.get("number1")},
    }
    document["quality"]["clock"] = "host"
