"""What a call was: its direction, and its outcome once it has ended."""

from collections.abc import Mapping
from typing import Literal, get_args

from ipecs_mw.calls.course.course import CLOSERS, Course

Direction = Literal["inbound", "outbound", "internal", "tandem", "unknown"]
DIRECTIONS = get_args(Direction)
"""Whose a call is: a caller from outside, one of ours to outside, between two of ours, from trunk to trunk."""

Outcome = Literal[
    "answered", "abandoned", "no_answer", "busy", "refused", "failed", "voicemail", "lost_on_hold", "unknown",
]  # fmt: skip
OUTCOMES = get_args(Outcome)
"""What a call that has ended was."""

RECORDED: Mapping[str, tuple[str, str]] = {
    "t": ("inbound", "answered"),
    "I": ("inbound", "answered"),
    "O": ("outbound", "answered"),
    "T": ("outbound", "answered"),
    "H": ("inbound", "lost_on_hold"),
    "R": ("inbound", "abandoned"),
    "G": ("inbound", "abandoned"),
    "E": ("internal", "answered"),
    "S": ("internal", "unknown"),
    "P": ("internal", "unknown"),
    "o": ("outbound", "no_answer"),
    "X": ("outbound", "unknown"),
    "V": ("inbound", "voicemail"),
    "N": ("outbound", "answered"),
    "n": ("inbound", "answered"),
}
"""What each letter of a call record says of direction and outcome (inferred from the vendor's call types)."""

_STRONGEST = ("lost_on_hold", "answered", "voicemail", "no_answer", "abandoned")
_CAUSES: Mapping[int, str] = {
    3: "busy",
    33: "busy",
    14: "refused",
    35: "refused",
    103: "refused",
    10: "no_answer",
    56: "no_answer",
    13: "failed",
}
"""What a cause of a call event says of a call that nobody answered."""

_LINE_CAUSES: Mapping[int, str] = {
    17: "busy",
    34: "busy",
    42: "busy",
    21: "refused",
    18: "no_answer",
    19: "no_answer",
    20: "no_answer",
    1: "failed",
    3: "failed",
    27: "failed",
    28: "failed",
    38: "failed",
    41: "failed",
    47: "failed",
}
"""What a cause of the line (ACD 44) says of a call that nobody answered."""

_TALKS = frozenset({"talk", "consult", "voicemail", ""})


def find_direction(course: Course, letters: list[str]) -> str:
    """Return whose call it is: by who began it, else by its record."""
    if course.origin == "station":
        return _judge_origin_inside(course)
    if course.origin:
        is_passed_on = len(course.trunks) > 1 and not course.stations
        return "tandem" if is_passed_on else "inbound"
    recorded = next((RECORDED[letter][0] for letter in letters if letter in RECORDED), "")
    return recorded or _judge_unheard(course)


def _judge_origin_inside(course: Course) -> str:
    if course.trunks or course.known.get("outside"):
        return "outbound"
    if len(course.stations) > 1 or course.groups or course.has_voicemail:
        return "internal"
    dialed = str(course.known.get("number_dialed") or course.known.get("dial_digit") or "")
    called = next((s.other for s in course.steps if s.verb == "seize" and s.other), dialed)
    if not called:
        return "unknown"
    longest = max(map(len, course.stations), default=0)
    return "outbound" if len(called) > longest else "internal"


def _judge_unheard(course: Course) -> str:
    """Return the direction of a call whose beginning was not heard, by the numbers of who was connected."""
    for step in course.steps:
        if step.verb == "answer" and step.facts.get("calling_dn"):
            if not step.outside:
                return "internal"
            return "outbound" if step.facts["calling_dn"] == step.who else "inbound"
    return "unknown"


def judge_outcome(course: Course, direction: str, letters: list[str]) -> str:
    """Return the outcome of a call that has ended."""
    recorded = {RECORDED[letter][1] for letter in letters if letter in RECORDED}
    if course.answered_at is not None:
        is_lost = "lost_on_hold" in recorded or _is_lost_on_hold(course)
        return "lost_on_hold" if is_lost else "answered"
    if course.has_voicemail or "voicemail" in recorded:
        return "voicemail"
    if recorded and not (course.segments or course.refusal):
        return _judge_recorded(course, recorded)
    return _judge_unanswered(course, direction, recorded)


def _judge_recorded(course: Course, recorded: set[str]) -> str:
    """Return the outcome that call records tell; their cause says why a caller was not answered."""
    outcome = next((outcome for outcome in _STRONGEST if outcome in recorded), "unknown")
    return (_find_line_outcome(course) if outcome == "abandoned" else "") or outcome


def _is_lost_on_hold(course: Course) -> bool:
    """Whether nobody was talking when the other side gave up, on hold, parked, or in a transfer."""
    if course.end_phase in _TALKS or course.closed_by in CLOSERS:
        return False
    last = course.find_last(course.ended_by)
    return last is None or last.kind != "hold"


def _find_line_outcome(course: Course) -> str:
    """Return what the cause of the line says, by an event or by a call record; blank where it says nothing."""
    recorded = [step.facts.get("disconnect_cause") for step in course.steps if step.verb == "record"]
    told = (_LINE_CAUSES.get(cause or 0) for cause in (course.line_cause, *recorded))
    return next(filter(None, told), "")


def _judge_unanswered(course: Course, direction: str, recorded: set[str]) -> str:
    if course.closed_by in CLOSERS:
        return next((outcome for outcome in _STRONGEST if outcome in recorded), "unknown")
    is_given_up = course.closed_by == "abandon" and not course.refusal
    if is_given_up and direction in ("inbound", "tandem"):
        return "abandoned"
    by_line = _find_line_outcome(course)
    told = _CAUSES.get(course.call_cause or 0) or course.refusal or by_line
    if told == "busy" and by_line == "refused":
        return by_line  # a phone that does not ring may be busy or undisturbed
    if told:
        return told
    if direction in ("inbound", "tandem"):
        return "abandoned"
    return "no_answer" if direction != "unknown" or course.segments else "unknown"
