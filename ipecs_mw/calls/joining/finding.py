"""Which of the calls in the index a step speaks of, where its reference alone does not say, and by what."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from ipecs_mw.calls.course.course import CLOSERS, RANKS
from ipecs_mw.calls.joining.index import Index, Joined
from ipecs_mw.calls.joining.logins import Logins
from ipecs_mw.calls.steps import verbs
from ipecs_mw.calls.steps.steps import GROUP_CALL, Step, is_trunk

OPENS_ANEW = frozenset({"arrive", "seize", "inbound"})
"""What opens a call, so that on a reference that another call had it is a new one."""

MAY_OPEN_ANEW = OPENS_ANEW | {"ring"}
"""What may open a call on a reference that another call had: a ring only where its cause says so."""

_WRAP_UP_WITHIN = timedelta(seconds=10)
_JUST_ENDED = timedelta(seconds=3)  # a consultation may be over a moment before its transfer is told
_NEW_CALL = 22
_RENAMES = frozenset(
    {
        "ring", "answer", "hold", "offer", "recall", "park", "divert", "voicemail", "queue", "transfer",
        "conference",
    }
)  # fmt: skip
_BEGINS_AS = {"arrive": "ring", "seize": "dial"}
_GOES_ON_FROM = {
    "arrive": ("ring",),
    "seize": ("dial",),
    "ring": ("ring",),
    "answer": ("ring", "dial", "talk"),
}
_BEFORE_ANSWER = frozenset({"abandon", "overflow", "no_answer"})


def age_of(call: Joined) -> Any:
    """Return by what calls are put in the order in which they began."""
    return call.course.steps[0].order


def is_anew(call: Joined, step: Step) -> bool:
    """Tell whether a step opens a new call on a reference that an earlier call had."""
    if step.verb not in OPENS_ANEW and step.cause != _NEW_CALL:
        return False
    if not call.is_open:
        is_late = step.verb == "inbound" and step.moment.received - call.heard_at <= _JUST_ENDED
        return not is_late
    course = call.course
    if step.verb == "arrive":
        return any(each.verb == "arrive" for each in course.steps)
    parties = [party for party in (step.who, step.other, step.outside) if party]
    return not any(
        party in course.trunks or party in course.stations or party in call.numbers for party in parties
    )


def is_anew_on_trunk(call: Joined | None, step: Step) -> bool:
    """Tell whether a ring or a seizure without a reference begins a new call on a trunk that has this one."""
    if call is None or not call.is_open:
        return True
    if step.verb == "arrive":
        return any(each.verb == "arrive" for each in call.course.steps)
    return any(p not in call.course.stations for p in (step.who, step.other) if p and not is_trunk(p))


def find_dialing(index: Index, station: str) -> Joined | None:
    """Return the call in which a station dials: it can dial in one alone."""
    return next((c for c in index.open_at(station) if c.course.find_doing(station)[0] == "dial"), None)


def find_without_trunk(index: Index, step: Step) -> Joined | None:
    """Return the call of which a station has told by its reference, and whose trunk tells of it without one."""
    doing = _BEGINS_AS[step.verb]
    found = [
        call
        for station in (step.who, step.other)
        for call in index.open_at(station)
        if not call.course.trunks
        and call.course.find_doing(station)[0] == doing
        and (doing == "dial" or call.course.known.get("outside"))
    ]
    return found[0] if len(found) == 1 else None


def find_unnamed(index: Index, step: Step) -> Joined | None:
    """Return the call that a reference not known yet is another name of: its trunk's, or its caller's."""
    if step.verb in _BEGINS_AS:
        return _find_nameless(index, step)
    if step.verb not in _RENAMES:
        return None
    for party in (step.who, step.other):
        if is_trunk(party) and (call := index.by_trunk(party)) is not None and call.is_open:
            return call
    if step.verb == "ring" and step.outside and (call := index.by_number(step.outside)) is not None:
        return call if call.is_open and not call.refs else None
    return _find_nameless(index, step)


def _find_nameless(index: Index, step: Step) -> Joined | None:
    """Return the call without any reference in which a station is by now: only one can be meant."""
    found = [
        call
        for call in index.open_at(step.who)
        if not call.refs and call.course.find_doing(step.who)[0] in _GOES_ON_FROM.get(step.verb, RANKS)
    ]
    return found[0] if len(found) == 1 else None


def find_between(index: Index, step: Step) -> list[Joined]:
    """Return the open calls between two stations that a step without a reference can be about."""
    calls = {call.id: call for party in (step.who, step.other) if party for call in index.open_at(party)}
    if (
        step.verb in ("divert", "voicemail")
        and (call := index.by_number(step.who)) is not None
        and call.is_open
    ):
        calls[call.id] = call
    return [call for call in calls.values() if _is_between(call, step)]


def _is_between(call: Joined, step: Step) -> bool:
    course = call.course
    is_answered = course.answered_at is not None
    if is_answered and any(line.is_passed_on or line.is_waiting for line in course.list_lines()):
        is_answered = False  # by nobody there yet
    if step.verb in _BEFORE_ANSWER and is_answered:
        return False
    ends = (
        (step.who,) if step.verb == "divert" else (step.who, step.other)
    )  # where it goes on is not known yet
    parties = [party for party in ends if party]
    return all(party in course.stations or party in call.numbers for party in parties)


def find_caller(index: Index, step: Step) -> Joined | None:
    """Return the newest call that waits for an answer of a caller: a station, or a number outside."""
    if step.who:
        waiting = [call for call in index.open_at(step.who) if call.course.answered_at is None]
        return max(waiting, key=age_of, default=None)
    call = index.by_number(step.outside)
    return call if call is not None and call.is_open else None


def find_wrapped(index: Index, step: Step) -> Joined | None:
    """Return the last group's call of a station, if the station left it at most 10 s before."""
    left = [
        (last.ends.received, call)
        for call in index.by_station(step.who)
        if call.course.groups
        and (last := call.course.find_last(step.who)) is not None
        and last.ends is not None
        and step.moment.received - last.ends.received <= _WRAP_UP_WITHIN
    ]
    return max(left, key=lambda each: each[0])[1] if left else None


def find_picked(index: Index, step: Step) -> Joined | None:
    """Return the call that a pickup took; None where several ring there, so that it is not plain."""
    if is_trunk(step.other):
        return index.by_trunk(step.other)
    ringing = [
        call
        for call in index.open_at(step.other)
        if any(line.legs.get(step.other) == "ringing" for line in call.course.lines.values())
    ]
    return ringing[0] if len(ringing) == 1 else None


def find_named(index: Index, step: Step) -> Joined | None:
    """Return the call that a transfer or a conference names, unless its reference is an old one."""
    call = index.by_ref(step.ref)
    return call if call is not None and (call.is_open or call.course.closed_by not in CLOSERS) else None


def find_holder(index: Index, step: Step, named: Joined | None) -> str:
    """Return the station that joins its calls: who holds one of them, by whatever party the event names."""
    for party in (step.who, step.other):
        if party and _holds(index, party):
            return party
    calls = [named] if named is not None else []
    calls += [call for p in (step.who, step.other) if is_trunk(p) and (call := index.by_trunk(p)) is not None]
    stations = [station for call in calls for line in call.course.lines.values() for station in line.legs]
    return next((station for station in stations if _holds(index, station)), step.who)


def _holds(index: Index, station: str) -> bool:
    return any(call.course.is_holding(station) for call in index.open_at(station))


def find_target(step: Step, holder: str) -> str:
    """Return the station that a transfer goes to: the party that is neither the transferor nor a trunk."""
    return next((p for p in (step.other, step.who) if p and p != holder and not is_trunk(p)), "")


def list_parts(index: Index, step: Step, named: Joined | None, holder: str) -> list[Joined]:
    """Return the calls that become one, the oldest first: those of the holder, and the one that is named."""
    mine = [call for call in index.open_at(holder) if _is_in(call, holder)]
    holds = any(call.course.is_holding(holder) for call in mine)
    if holds and len(mine) == 1:
        mine += [call for call in index.by_station(holder) if _has_just_left(call, holder, step, mine[0])]
    parts = {call.id: call for call in (mine if holds or len(mine) == 1 else [])}
    if named is not None and (named.is_open or not parts):
        parts[named.id] = named
    return sorted(parts.values(), key=age_of)


def _is_in(call: Joined, station: str) -> bool:
    return any(station in line.legs for line in call.course.lines.values())


def _has_just_left(call: Joined, station: str, step: Step, held: Joined) -> bool:
    """Tell whether a station ended a consultation a moment ago, beside the call that it holds."""
    last = call.course.find_last(station)
    if call.is_open or last is None or last.ends is None:
        return False
    is_newer = age_of(call) > age_of(held)
    return is_newer and step.moment.received - last.ends.received <= _JUST_ENDED


def guess_group(logins: Logins, call: Joined, step: Step) -> Step:
    """Return a ring with a group's call with the group of who is logged in there, where no group was told."""
    if step.verb != "ring" or step.cause != GROUP_CALL or step.group:
        return step
    groups = logins.groups_at(step.who)
    is_told = any(each.group and (each.bin or each.verb != "ring") for each in call.course.steps)
    return step if is_told or len(groups) != 1 else replace(step, group=groups[0])


def note_numbers(index: Index, call: Joined, step: Step) -> None:
    """Note by which numbers a call may be meant: its caller's, and who is to come into it."""
    number = str(step.facts.get("caller_number") or "") if step.verb == "inbound" else step.outside
    if number and number not in call.numbers:
        index.place_number(number, call)
    if step.verb in verbs.CALLS and step.other and not is_trunk(step.other):
        call.numbers[step.other] = None
        if step.ref is None:
            index.place_number(step.other, call)
    elif step.verb == "pick_up":
        call.numbers[step.who] = None
