"""How a call is passed on: held, parked, forwarded, transferred, made a conference."""

from ipecs_mw.calls.course.course import Course
from ipecs_mw.calls.course.line import Line
from ipecs_mw.calls.steps.steps import Step, is_trunk

_RINGS = ("ringing", "recalled")


def hold(course: Course, line: Line, step: Step) -> None:
    """Have a station hold the others; a trunk may be named first."""
    holder, other = (step.other, step.who) if is_trunk(step.who) else (step.who, step.other)
    if holder and not is_trunk(holder):
        if line.legs.get(holder) != "holding":
            course.holds += 1
            course.put(line, holder, "holding", is_told=step.is_told)
        if not line.is_conference:
            line.turn("talking", "held")
        line.is_connected = True
    if is_trunk(other):
        course.put(line, other, "")


def recall(course: Course, line: Line, step: Step) -> None:
    """Have a call that was held or passed on ring where it came from."""
    line.is_parked = False
    line.pass_on()
    for station, state in list(line.legs.items()):
        if state == "ringing":
            line.drop(station)
    course.put(line, step.who, "recalled")


def park(course: Course, line: Line, step: Step) -> None:
    """Have a station put the call where anybody can take it."""
    line.drop(step.who)
    line.is_parked = line.is_connected = True
    line.turn("talking", "held")
    if is_trunk(step.other):
        course.put(line, step.other, "")


def divert(_course: Course, line: Line, step: Step) -> None:
    """Have a phone that rings pass the call on."""
    if line.legs.get(step.who) in _RINGS:
        line.drop(step.who)
        line.pass_on()


def overflow(_course: Course, line: Line, step: Step) -> None:
    """Have a call leave its group; the event names the group that it leaves, or the one that it enters."""
    for party, state in list(line.legs.items()):
        if state == "ringing":
            line.drop(party)
    if step.group and step.group != line.group:
        line.group, line.is_waiting = step.group, True
    else:
        line.is_waiting = False
        line.pass_on()


def transfer(course: Course, _line: Line, step: Step) -> None:
    """Have the transferor (`who`) step out and the others talk; `to` is where the call goes."""
    if not any(step.who in each.legs for each in course.lines.values()):
        return
    course.transfers += 1
    joined = course.unite()
    course.lines[step.ref] = joined
    joined.drop(step.who)
    joined.is_consult = joined.is_parked = False
    if step.to not in course.groups:
        joined.group = "" if not joined.is_waiting else joined.group
    if "ringing" in joined.legs.values():
        joined.turn("held", "dialing")
    else:
        joined.turn("dialing", "talking")
        if "talking" in joined.legs.values():
            joined.turn("held", "talking")
    parties = len(joined.legs) + (len(joined.trunks) or int(joined.has_outside))
    joined.is_moving = parties < 2 or not {"talking", "ringing"} & set(joined.legs.values())
    joined.is_connected = True
    joined.is_passed_on = "talking" not in joined.legs.values()


def conference(course: Course, _line: Line, step: Step) -> None:
    """Have all parties of all lines talk with each other."""
    joined = course.unite()
    course.conferences += not joined.is_conference
    joined.is_conference, joined.is_consult, joined.is_connected = True, False, True
    course.put(joined, step.who, "talking", is_told=step.is_told)
    if step.other and not is_trunk(step.other) and step.other != step.outside:
        course.put(joined, step.other, "talking", is_told=step.is_other_told)
    for state in ("holding", "held", "dialing"):
        joined.turn(state, "talking")


def disband(_course: Course, line: Line, _step: Step) -> None:
    """Have a conference be an ordinary call again."""
    line.is_conference = False
