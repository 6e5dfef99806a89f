"""What each verb does to the line that it is about."""

from collections.abc import Callable, Collection, Iterable, Mapping

from ipecs_mw.calls.course import Course, Segment
from ipecs_mw.calls.line import OUTSIDE, Line
from ipecs_mw.calls.steps import ELSEWHERE_CAUSES, Step, is_trunk

_REOPENS = frozenset({"arrive", "seize", "ring", "answer", "queue", "offer", "recall"})
_AT_ONCE_SECONDS = 1.0
_RINGS = ("ringing", "recalled")


def apply(course: Course, step: Step) -> None:
    """Take the next step of a call into its course."""
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


def replay(steps: Iterable[Step], machines: Collection[str] = ()) -> Course:
    """Return the course that steps in order add up to."""
    course = Course(machines)
    for step in steps:
        apply(course, step)
    return course


def _arrive(course: Course, line: Line, step: Step) -> None:
    course.origin = course.origin or "trunk"
    if is_trunk(step.who):
        course.put(line, step.who, "")
        line.caller = line.caller or step.who


def _seize(course: Course, line: Line, step: Step) -> None:
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


def _alert(_course: Course, line: Line, step: Step) -> None:
    line.has_outside = line.has_outside or bool(step.outside)


def _offer(_course: Course, line: Line, step: Step) -> None:
    line.group = step.group or line.group
    if not line.is_connected or line.is_moving:
        line.is_waiting, line.is_moving = True, False


def _queue(course: Course, line: Line, step: Step) -> None:
    if not step.group:
        return
    for station, state in list(line.legs.items()):
        if state == "ringing" and not _has_just_begun(course, station, step):
            line.drop(station)
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


def _ring(course: Course, line: Line, step: Step) -> None:
    rings, caller = step.who, step.other
    if is_trunk(rings) or (line.legs.get(rings) == "dialing" and caller and not is_trunk(caller)):
        rings, caller = caller, rings
    _bring_caller(course, line, caller, step)
    if line.legs.get(rings) == "playing":
        return
    if rings and rings not in course.machines:
        line.is_voicemail = False
    if rings and line.legs.get(rings) not in ("talking", "holding"):
        course.put(line, rings, "ringing", is_told=step.is_told)
    if step.group:
        line.group, line.is_waiting = step.group, line.is_waiting or not line.is_connected or line.is_moving
    line.is_moving = False


def _answer(course: Course, line: Line, step: Step) -> None:
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
        if state in _RINGS:
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
    if is_trunk(step.other):
        course.put(line, step.other, "")


def _note_answer(course: Course, line: Line, winner: str, step: Step) -> None:
    """Note when somebody answered first, and the first person of ours who did."""
    course.answered_at = course.answered_at or step.moment
    if course.answered is None and winner:
        course.answered = Segment("answer", step.moment, winner, line.group if line.is_waiting else "")


def _hold(course: Course, line: Line, step: Step) -> None:
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


def _recall(course: Course, line: Line, step: Step) -> None:
    line.is_parked = False
    line.pass_on()
    for station, state in list(line.legs.items()):
        if state == "ringing":
            line.drop(station)
    course.put(line, step.who, "recalled")


def _park(course: Course, line: Line, step: Step) -> None:
    line.drop(step.who)
    line.is_parked = line.is_connected = True
    line.turn("talking", "held")
    if is_trunk(step.other):
        course.put(line, step.other, "")


def _divert(_course: Course, line: Line, step: Step) -> None:
    if line.legs.get(step.who) in _RINGS:
        line.drop(step.who)
        line.pass_on()


def _overflow(_course: Course, line: Line, step: Step) -> None:
    """Have a call leave its group; the event names the group that it leaves, or the one that it enters."""
    for party, state in list(line.legs.items()):
        if state == "ringing":
            line.drop(party)
    if step.group and step.group != line.group:
        line.group, line.is_waiting = step.group, True
    else:
        line.is_waiting = False
        line.pass_on()


def _pick_up(course: Course, _line: Line, step: Step) -> None:
    course.picker = step.who


def _no_answer(_course: Course, line: Line, step: Step) -> None:
    if line.legs.get(step.who) == "ringing":
        line.drop(step.who)


def _leave(course: Course, line: Line, step: Step) -> None:
    """Have a party leave a conference; the call goes on while two are left."""
    line.drop(step.who)
    course.close_if_deserted(step, step.who)


def _disband(_course: Course, line: Line, _step: Step) -> None:
    line.is_conference = False


def _hang_up(course: Course, line: Line, step: Step) -> None:
    course.line_cause = step.cause if step.cause is not None else course.line_cause
    if step.who in line.trunks or step.who in line.legs:
        line.drop(step.who)
    elif is_trunk(step.who):
        line.has_outside = False
    else:
        line.drop(step.other)
    course.close_if_deserted(step, step.who)


def _release(course: Course, line: Line, step: Step) -> None:
    state = line.legs.get(step.who)
    if step.outside and (state not in (None, "ringing") or not step.who):
        line.has_outside = False
    line.drop(step.who)
    if step.cause in ELSEWHERE_CAUSES:
        _lose_sight(course, step)
        return
    if state is not None:
        course.call_cause = step.cause if step.cause is not None else course.call_cause
    course.close_if_deserted(step, step.outside or step.other or step.who)


def _lose_sight(course: Course, step: Step) -> None:
    """End a call that was answered where nothing is heard of it."""
    if not any(line.is_alive() for line in course.list_lines()):
        course.answered_at = course.answered_at or step.moment
        course.close(step.moment, "out_of_sight")


def _fail(course: Course, line: Line, step: Step) -> None:
    course.call_cause = step.cause if step.cause is not None else course.call_cause
    line.drop(step.who)
    course.close_if_deserted(step, step.other or step.who)


def _abandon(course: Course, line: Line, step: Step) -> None:
    """Have the caller give up, or the called side refuse: busy where it did not ring."""
    if line.is_connected and not (line.is_moving or line.is_waiting or "ringing" in line.legs.values()):
        return
    is_caller = step.who == line.caller or (is_trunk(step.who) and line.caller not in line.legs)
    if not is_caller and step.who:
        course.refusal = "refused" if line.legs.get(step.who) == "ringing" else "busy"
        line.drop(step.who)
        if is_trunk(line.caller) or line.is_waiting or line.is_connected:
            course.close_if_deserted(step, step.who)
            return
    course.close(step.moment, "abandon", step.who)


def _trunk_idle(course: Course, _line: Line, step: Step) -> None:
    lines = course.list_lines()
    for line in lines:
        line.drop(step.who)
    if any(line.trunks for line in lines):
        course.close_if_deserted(step, step.who)
    elif not any(line.is_conference and len(line.legs) > 1 for line in lines):
        course.close(step.moment, "trunk_idle", step.who)


def _station_idle(course: Course, _line: Line, step: Step) -> None:
    is_lost = step.verb == "state_read"
    for line in course.list_lines():
        holds_nobody = not line.trunks and len(line.legs) == 1
        if is_lost or holds_nobody or line.legs.get(step.who) != "holding":
            line.drop(step.who)
    if is_lost:
        _close_unseen(course, step)
    else:
        course.close_if_deserted(step, step.who)


def _close_unseen(course: Course, step: Step) -> None:
    """End a call of which a gap took the end: it ended between what was last heard of it and what was read."""
    if not any(line.is_alive() for line in course.list_lines()):
        told = [
            each for each in course.steps[:-1] if each.verb not in ("gap", "state_read", "record", "note")
        ]
        course.close(told[-1].moment if told else step.moment, "state_read")
        course.seen_over = step.moment


def _transfer(course: Course, _line: Line, step: Step) -> None:
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
    if "ringing" not in joined.legs.values():
        joined.turn("dialing", "talking")
        if "talking" in joined.legs.values():
            joined.turn("held", "talking")
    parties = len(joined.legs) + (len(joined.trunks) or int(joined.has_outside))
    joined.is_moving = parties < 2 or not {"talking", "ringing"} & set(joined.legs.values())
    joined.is_connected = True
    joined.is_passed_on = "talking" not in joined.legs.values()


def _conference(course: Course, _line: Line, step: Step) -> None:
    joined = course.unite()
    course.conferences += not joined.is_conference
    joined.is_conference, joined.is_consult, joined.is_connected = True, False, True
    course.put(joined, step.who, "talking", is_told=step.is_told)
    if step.other and not is_trunk(step.other) and step.other != step.outside:
        course.put(joined, step.other, "talking", is_told=step.is_other_told)
    for state in ("holding", "held", "dialing"):
        joined.turn(state, "talking")


def _voicemail(course: Course, line: Line, step: Step) -> None:
    course.has_voicemail = line.is_voicemail = True
    line.is_waiting = False
    state = line.legs.get(step.who)
    if state == "ringing":
        line.drop(step.who)
    elif state is None and step.who:
        line.put(step.who, "playing", is_told=False)


def _close(course: Course, _line: Line, step: Step) -> None:
    """End what nothing has told the end of; `to` says how that was found out."""
    course.close(step.moment, step.to)


def _wrap_up(course: Course, _line: Line, step: Step) -> None:
    course.wrap_up(step)


def _end_wrap_up(course: Course, _line: Line, step: Step) -> None:
    course.end_wrap_up(step)


Action = Callable[[Course, Line, Step], None]

ACTIONS: Mapping[str, Action] = {
    "arrive": _arrive,
    "seize": _seize,
    "alert": _alert,
    "offer": _offer,
    "queue": _queue,
    "ring": _ring,
    "answer": _answer,
    "hold": _hold,
    "recall": _recall,
    "park": _park,
    "divert": _divert,
    "overflow": _overflow,
    "pick_up": _pick_up,
    "no_answer": _no_answer,
    "leave": _leave,
    "disband": _disband,
    "hang_up": _hang_up,
    "release": _release,
    "fail": _fail,
    "abandon": _abandon,
    "trunk_idle": _trunk_idle,
    "station_idle": _station_idle,
    "out_of_service": _station_idle,
    "state_read": _station_idle,
    "transfer": _transfer,
    "conference": _conference,
    "voicemail": _voicemail,
    "close": _close,
    "wrap_up": _wrap_up,
    "wrapped_up": _end_wrap_up,
}
"""The action of each verb; a verb without one only names who and what is involved."""

_AFTER_THE_END = frozenset({"wrap_up", "wrapped_up"})
