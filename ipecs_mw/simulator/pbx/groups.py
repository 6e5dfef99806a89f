"""ACD groups of the simulated PBX: whom a call is offered to, how it waits, and where it overflows to."""

from ipecs_mw.simulator.pbx.parts import Call, Group, Station, is_free
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.ringing import GROUP_CALL, cause, ring

_GREETING_SECONDS = 5.0
_NOBODY = dict.fromkeys(("primaryAgentId", "primaryAcdGroup", "secondaryAgentId", "secondaryAcdGroup"), "")


def queue(pbx: Pbx, call: Call, group: Group) -> None:
    """Offer a call to the first free agent of a group, else have it wait; an announcement may answer it before."""
    call.group = group.number
    pbx.truth.begin_stay(call, "group", group=group.number)
    if pbx.variants.announcement and call.trunk and not call.is_greeted and call.answered_seconds is None:
        _greet(pbx, call, group, pbx.variants.announcement)
        return
    number = next(iter(find_ready(pbx, call, group)), None)
    if number is None:
        wait(pbx, call, group)
    else:
        ring(pbx, call, number, GROUP_CALL)


def find_ready(pbx: Pbx, call: Call, group: Group) -> list[str]:
    """Return the agents who can take a call, those last whom it has already rung in vain."""
    there = dict.fromkeys((*group.members, *pbx.stations))
    ready = [number for number in there if is_ready(pbx.stations[number], group.number)]
    return sorted(ready, key=lambda number: number in call.tried)


def wait(pbx: Pbx, call: Call, group: Group) -> None:
    """Have a call wait in a group."""
    group.queue.append(call)
    pbx.truth.begin_stay(call, "queue", group=group.number)
    say_waiting(pbx, call, group)


def say_waiting(pbx: Pbx, call: Call, group: Group) -> None:
    """Tell that a call waits in a group."""
    caller = next(iter(call.legs), "")
    pbx.acd(62, call.co or caller, "", pbx.bin_of(group), call=call)
    facts = {
        "callingDN": call.outside or caller,
        "calledDN": group.number,
        "qCount": len(group.queue),
        **_NOBODY,
        "primaryAcdGroup": group.number,
        **cause(23),
    }
    pbx.tell(group.number, "queueing", call, **facts)
    if caller:
        pbx.tell(caller, "queued", call, **facts)


def _greet(pbx: Pbx, call: Call, group: Group, device: str) -> None:
    """Have an announcement answer, which is no person, and go on after it."""
    call.is_greeted = True
    pbx.acd(42, device, call.co, call=call)
    pbx.truth.begin_stay(call, "announcement", place=device)

    def go_on() -> None:
        if not call.is_over:
            pbx.truth.end_stay(call, "announcement", how="ended")
            queue(pbx, call, group)

    pbx.timetable.after(_GREETING_SECONDS, go_on)


def leave(pbx: Pbx, call: Call, how: str, *kinds: str) -> None:
    """Take a call out of every queue."""
    for group in pbx.groups.values():
        if call in group.queue:
            group.queue.remove(call)
    pbx.truth.end_stay(call, *(kinds or ("queue",)), how=how)


def overflow(pbx: Pbx, call: Call, to: str) -> None:
    """Have a call that waits in a group, or rang there in vain, go to another group or to a station."""
    group, other = pbx.groups[call.group], pbx.groups.get(to)
    leave(pbx, call, "overflowed", "queue", "group")
    pbx.acd(61, call.co or next(iter(call.legs), ""), to, pbx.bin_of(other or group))
    call.tried.clear()
    if other is not None:
        queue(pbx, call, other)
    else:
        call.group = ""
        ring(pbx, call, to)


def go_on_unanswered(pbx: Pbx, call: Call, number: str) -> None:
    """Go on with a group's call that an agent did not answer, in the way that this host has."""
    group, way = pbx.groups[call.group], pbx.variants.unanswered
    call.tried.add(number)
    other = next((n for n in pbx.groups if n != group.number), "")
    taken = {n for g in pbx.groups.values() for n in g.members}
    free = next((n for n, s in pbx.stations.items() if is_free(s) and n not in taken and s.agent is None), "")
    if way == "overflow_group" and other:
        overflow(pbx, call, other)
        return
    if way == "overflow_station" and free:
        overflow(pbx, call, free)
        return
    if way == "no_answer":
        pbx.acd(60, number, call.co, call=call)
    if way == "queue":
        say_waiting(pbx, call, group)
    queue(pbx, call, group)


def is_ready(station: Station, group: str) -> bool:
    """Tell whether an agent of `group` at the station can take a call."""
    agent = station.agent
    return (
        agent is not None
        and agent.is_on_duty
        and not agent.is_wrapping_up
        and group in agent.groups
        and is_free(station)
    )


def serve_queue(pbx: Pbx, station: Station) -> None:
    """Give an agent who became free the call that waits longest."""
    for group in pbx.groups.values():
        if group.queue and is_ready(station, group.number):
            call = group.queue[0]
            leave(pbx, call, "offered")
            ring(pbx, call, station.number, GROUP_CALL)
            return
