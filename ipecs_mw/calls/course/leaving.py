"""How a call ends: who leaves it, and when nobody is left."""

from ipecs_mw.calls.course.course import Course
from ipecs_mw.calls.course.line import Line
from ipecs_mw.calls.steps.steps import ELSEWHERE_CAUSES, Step, is_trunk

_NORMAL_CLEARING = 48
_NOBODY_HELD = frozenset({"holding", "playing"})
"""What others do in a line who cannot be the one that is held there: a machine is nobody."""


def leave(course: Course, line: Line, step: Step) -> None:
    """Have a party leave a conference; the call goes on while two are left."""
    line.drop(step.who)
    course.close_if_deserted(step, step.who)


def hang_up(course: Course, line: Line, step: Step) -> None:
    """Have the party that hung up go."""
    course.line_cause = step.cause if step.cause is not None else course.line_cause
    if step.who in line.trunks or step.who in line.legs:
        line.drop(step.who)
    elif is_trunk(step.who):
        line.has_outside = False
    else:
        line.drop(step.other)
    course.close_if_deserted(step, step.who)


def release(course: Course, line: Line, step: Step) -> None:
    """Have a station go, or the party outside."""
    state = line.legs.get(step.who)
    has_given_up = state == "ringing" and not line.is_connected and step.cause == _NORMAL_CLEARING
    if has_given_up or (step.outside and (state not in (None, "ringing") or not step.who)):
        line.has_outside = False
    line.drop(step.who)
    if step.cause in ELSEWHERE_CAUSES:
        _lose_sight(course, step)
        return
    if state is not None:
        course.call_cause = step.cause if step.cause is not None else course.call_cause
    course.close_if_deserted(step, step.outside or step.other or str(step.facts.get("released_dn") or ""))
    if line.is_waiting and course.end is None:
        course.forget_refusal()


def _lose_sight(course: Course, step: Step) -> None:
    """End a call that was answered where nothing is heard of it."""
    if not any(line.is_alive() for line in course.list_lines()):
        course.answered_at = course.answered_at or step.moment
        course.close(step.moment, "out_of_sight")


def fail(course: Course, line: Line, step: Step) -> None:
    """Have a call fail before it rang or was answered."""
    course.call_cause = step.cause if step.cause is not None else course.call_cause
    line.drop(step.who)
    course.close_if_deserted(step, step.other or step.who)


def abandon(course: Course, line: Line, step: Step) -> None:
    """Have the caller give up, or the called side refuse: busy where it did not ring."""
    if line.is_connected and not (line.is_moving or line.is_waiting or "ringing" in line.legs.values()):
        return
    is_own_phone = step.who == step.other  # to which the phone that was called is forwarded
    is_caller = (step.who == line.caller and not is_own_phone) or (
        is_trunk(step.who) and line.caller not in line.legs
    )
    if not is_caller and step.who:
        course.refusal = "refused" if line.legs.get(step.who) == "ringing" else "busy"
        line.drop(step.who)
        if is_trunk(line.caller) or line.is_waiting or (line.is_connected and not line.is_moving):
            course.close_if_deserted(step, step.who)
            return
    elif course.is_in_vain(step) and not line.is_waiting and "ringing" not in line.legs.values():
        course.refusal = "busy"
        course.close(step.moment, "abandon")
        return
    course.close(step.moment, "abandon", step.who)


def trunk_idle(course: Course, _line: Line, step: Step) -> None:
    """Have a trunk be free; with the last one the call is over, unless stations confer."""
    lines = course.list_lines()
    for line in lines:
        line.drop(step.who)
    if any(line.trunks for line in lines):
        course.close_if_deserted(step, course.find_last_hang_up(step))
    elif not any(line.is_conference and len(line.legs) > 1 for line in lines):
        course.close(step.moment, "trunk_idle", course.find_last_hang_up(step))


def station_idle(course: Course, _line: Line, step: Step) -> None:
    """Have a station be in no call, except one that it holds."""
    is_lost = step.verb == "state_read"
    for line in course.list_lines():
        others = (state for party, state in line.legs.items() if party != step.who)
        holds_nobody = not line.trunks and all(state in _NOBODY_HELD for state in others)
        if is_lost or holds_nobody or line.legs.get(step.who) != "holding":
            line.drop(step.who)
    if is_lost:
        _close_unseen(course, step)
    else:
        course.close_if_deserted(step, course.find_last_hang_up(step))


def _close_unseen(course: Course, step: Step) -> None:
    """End a call of which a gap took the end: it ended between what was last heard of it and what was read."""
    if not any(line.is_alive() for line in course.list_lines()):
        told = [
            each for each in course.steps[:-1] if each.verb not in ("gap", "state_read", "record", "note")
        ]
        course.close(told[-1].moment if told else step.moment, "state_read")
        course.seen_over = step.moment


def close(course: Course, _line: Line, step: Step) -> None:
    """End what nothing has told the end of; `to` says how that was found out."""
    course.close(step.moment, step.to)


def wrap_up(course: Course, _line: Line, step: Step) -> None:
    """Begin the wrap-up of a station."""
    course.wrap_up(step)


def end_wrap_up(course: Course, _line: Line, step: Step) -> None:
    """End the wrap-up of a station."""
    course.end_wrap_up(step)
