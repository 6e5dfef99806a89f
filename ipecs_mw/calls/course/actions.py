"""What each verb does to a call, and the course that its steps so add up to."""

from collections.abc import Callable, Collection, Iterable, Mapping

from ipecs_mw.calls.course import arriving, leaving, passing
from ipecs_mw.calls.course.course import Course
from ipecs_mw.calls.course.line import Line
from ipecs_mw.calls.steps.steps import Step

_REOPENS = frozenset({"arrive", "seize", "ring", "answer", "queue", "offer", "recall"})
_AFTER_THE_END = frozenset({"wrap_up", "wrapped_up"})

Action = Callable[[Course, Line, Step], None]

ACTIONS: Mapping[str, Action] = {
    "arrive": arriving.arrive,
    "seize": arriving.seize,
    "alert": arriving.alert,
    "offer": arriving.offer,
    "queue": arriving.queue,
    "ring": arriving.ring,
    "answer": arriving.answer,
    "hold": passing.hold,
    "recall": passing.recall,
    "park": passing.park,
    "divert": passing.divert,
    "overflow": passing.overflow,
    "pick_up": arriving.pick_up,
    "no_answer": arriving.no_answer,
    "leave": leaving.leave,
    "disband": passing.disband,
    "hang_up": leaving.hang_up,
    "release": leaving.release,
    "fail": leaving.fail,
    "abandon": leaving.abandon,
    "trunk_idle": leaving.trunk_idle,
    "station_idle": leaving.station_idle,
    "out_of_service": leaving.station_idle,
    "state_read": leaving.station_idle,
    "transfer": passing.transfer,
    "conference": passing.conference,
    "voicemail": arriving.voicemail,
    "close": leaving.close,
    "wrap_up": leaving.wrap_up,
    "wrapped_up": leaving.end_wrap_up,
}
"""The action of each verb; a verb without one only names who and what is involved."""


def apply(course: Course, step: Step) -> None:
    """Take the next step of a call into its course."""
    step = course.name_group(step)
    course.steps.append(step)
    course.note(step)
    act = ACTIONS.get(step.verb)
    if act is None:
        return
    if course.end is not None and step.verb not in _AFTER_THE_END:
        if step.verb not in _REOPENS:
            course.learn_of_end(step)
            return
        course.reopen()
    act(course, course.find_line(step), step)
    course.follow(step)
    if step.verb == "answer":
        course.picker = ""


def replay(steps: Iterable[Step], machines: Collection[str] = ()) -> Course:
    """Return the course that steps in order add up to."""
    course = Course(machines)
    for step in steps:
        apply(course, step)
    return course


def revive(course: Course, step: Step, inferred: Collection[str], machines: Collection[str] = ()) -> Course:
    """Return the course of a call without its end, which was inferred, since a step shows that it lives.

    A trunk that is free now shows only when a call that had nobody else has ended.
    """
    told = [each for each in course.steps if each.verb not in inferred]
    if step.verb == "trunk_idle" and replay([*told, step], machines).end is None:
        return course
    revived = replay(told, machines)
    revived.agents = course.agents
    return revived
