"""How a call arrives: who calls, where it waits and rings, and who or what answers."""

from ipecs_mw.calls.course.course import Course, Segment
from ipecs_mw.calls.course.line import OUTSIDE, Line
from ipecs_mw.calls.steps.steps import Step, is_trunk

_AT_ONCE_SECONDS = 1.0
_ENDS_WITH_ANSWER = ("ringing", "recalled", "playing")


def arrive(course: Course, line: Line, step: Step) -> None:
    """Have a call come in on a trunk."""
    course.origin = course.origin or "trunk"
    if is_trunk(step.who):
        course.put(line, step.who, "")
        line.caller = line.caller or step.who


def seize(course: Course, line: Line, step: Step) -> None:
    """Have a station dial, or a trunk be taken."""
    if not line.legs and not line.trunks:
        course.origin = course.origin or ("trunk" if is_trunk(step.who) else "station")
        line.caller = line.caller or step.who
    if is_trunk(step.who):
        course.put(line, step.who, "")
    elif step.who and step.who not in line.legs:
        course.put(line, step.who, "dialing", is_told=step.is_told)
        line.is_consult = line.is_consult or course.is_holding(step.who, line)
    elif step.is_told:
        line.named.discard(step.who)
    if is_trunk(step.other):
        course.put(line, step.other, "")


def alert(_course: Course, line: Line, step: Step) -> None:
    """Have a number outside ring."""
    line.has_outside = line.has_outside or bool(step.outside)


def offer(_course: Course, line: Line, step: Step) -> None:
    """Have a call be at a group."""
    line.group = step.group or line.group
    if line.call_again() or not line.is_connected:
        line.is_waiting, line.is_moving = True, False


def queue(course: Course, line: Line, step: Step) -> None:
    """Have a call wait in a group; whoever of it still rings has not answered."""
    if not step.group:
        return
    for station, state in list(line.legs.items()):
        if state == "ringing" and not _has_just_begun(course, station, step):
            line.drop(station)
    course.forget_refusal()
    line.call_again()
    line.group, line.is_waiting, line.is_moving = step.group, True, False
    _bring_caller(course, line, step.who, step)


def _has_just_begun(course: Course, station: str, step: Step) -> bool:
    segment = course.running.get(station)
    return segment is not None and step.moment.seconds_since(segment.begins) < _AT_ONCE_SECONDS


def _bring_caller(course: Course, line: Line, caller: str, step: Step) -> None:
    """Have who called be there, where nothing told of him before."""
    if is_trunk(caller):
        course.origin = course.origin or "trunk"
        course.put(line, caller, "")
    elif caller:
        course.origin = course.origin or "station"
        if caller not in line.legs and not line.trunks:
            course.put(line, caller, "dialing", is_told=step.is_other_told)
    else:
        course.origin = course.origin or "outside"
        line.has_outside = True
        caller = OUTSIDE
    line.caller = line.caller or caller


def ring(course: Course, line: Line, step: Step) -> None:
    """Have one station ring; two stations are named in either order."""
    rings, caller = step.who, step.other
    if is_trunk(rings) or (line.legs.get(rings) == "dialing" and caller and not is_trunk(caller)):
        rings, caller = caller, rings
    _bring_caller(course, line, caller, step)
    if line.legs.get(rings) == "playing":
        return
    course.forget_refusal()
    if rings and rings not in course.machines:
        line.is_voicemail = False
        line.turn("recording", "dialing")
    if rings and line.legs.get(rings) not in ("talking", "holding"):
        course.put(line, rings, "ringing", is_told=step.is_told)
    is_called_again = line.call_again()
    if step.group:
        line.group = step.group
        line.is_waiting = line.is_waiting or not line.is_connected or is_called_again
    line.is_moving = False


def answer(course: Course, line: Line, step: Step) -> None:
    """Have two parties talk; whoever else rings has lost, and whoever was held is back."""
    parties = [party for party in (step.who, step.other) if party]
    winner = _find_winner(line, parties)
    if machine := _find_machine(course, line, parties) or (winner if line.is_voicemail else ""):
        _play(course, line, machine, step)
        return
    is_back = any(line.legs.get(party) in ("holding", "recalled") for party in parties) or line.is_parked
    if course.is_holding(step.who, line):
        line.is_consult = True
    if not line.is_consult and not is_back:
        _note_answer(course, line, winner, step)
    course.put(line, step.who, "talking", is_told=step.is_told)
    if step.other in line.legs or is_trunk(step.other) or step.other == winner or step.is_other_told:
        course.put(line, step.other, "talking", is_told=step.is_other_told)
    if step.outside and not line.trunks:
        line.has_outside = True
    line.turn("held", "talking")
    line.turn("dialing", "talking")
    for party, state in list(line.legs.items()):
        if state in _ENDS_WITH_ANSWER:
            line.drop(party)
    line.is_connected, line.is_waiting, line.is_parked = True, False, False
    line.is_moving = line.is_passed_on = False


def _find_winner(line: Line, parties: list[str]) -> str:
    """Return the station that answered; blank where the other side is outside."""
    stations = [party for party in parties if not is_trunk(party)]
    rang = [party for party in stations if line.legs.get(party) == "ringing"]
    new = [party for party in stations if party not in line.legs]
    return next(iter(rang or new), "")


def _find_machine(course: Course, line: Line, parties: list[str]) -> str:
    """Return the party that is no person: a device that is listed, a group's own number, or voice mail."""
    machines = (course.machines, course.groups)
    is_machine = (p for p in parties if line.legs.get(p) == "playing" or any(p in each for each in machines))
    return next(is_machine, "")


def _play(course: Course, line: Line, machine: str, step: Step) -> None:
    """Have a machine answer: whoever waits goes on waiting."""
    if machine not in course.groups:
        line.put(machine, "playing", is_told=False)
        course.stations.pop(machine, None)
    if line.is_voicemail:
        line.turn("dialing", "recording")
        line.turn("held", "recording")
    if is_trunk(step.other):
        course.put(line, step.other, "")


def _note_answer(course: Course, line: Line, winner: str, step: Step) -> None:
    """Note when somebody answered first, and the first person of ours who did."""
    course.answered_at = course.answered_at or step.moment
    if course.answered is None and winner:
        course.answered = Segment("answer", step.moment, winner, line.group if line.is_waiting else "")


def pick_up(course: Course, _line: Line, step: Step) -> None:
    """Note who took the call from a phone that rings."""
    course.picker = step.who


def no_answer(_course: Course, line: Line, step: Step) -> None:
    """Have a phone stop to ring."""
    if line.legs.get(step.who) == "ringing":
        line.drop(step.who)


def voicemail(course: Course, line: Line, step: Step) -> None:
    """Have voice mail take the call."""
    course.has_voicemail = line.is_voicemail = True
    line.is_waiting = line.is_moving = False
    state = line.legs.get(step.who)
    if state == "ringing":
        line.drop(step.who)
    elif state is None and step.who:
        line.put(step.who, "playing", is_told=False)
