"""What a station does with a call that it has: hold, transfer, conference, park, pick up, and the like."""

from ipecs_mw.simulator.pbx.calls import check_target, clear, make, send_to, take
from ipecs_mw.simulator.pbx.endings import end, end_segment
from ipecs_mw.simulator.pbx.groups import leave, serve_queue
from ipecs_mw.simulator.pbx.parts import Call
from ipecs_mw.simulator.pbx.pbx import PARK_END, PARK_START, Pbx
from ipecs_mw.simulator.pbx.ringing import BLIND, NEW_CALL, NORMAL, PICKED_UP, REROUTED, WAITING, cause, ring
from ipecs_mw.simulator.wire.refusals import refuse


def hold(pbx: Pbx, number: str, ref: int, code: int = 49) -> Call:
    """Hold a call that a station talks in. Raises CommandRefused."""
    call = pbx.leg(number, ref, "connected")
    pbx.set_leg(call, number, "holding")
    pbx.acd(code, number, call.other_side(number), call=call)
    pbx.tell(number, "hold", call, holdDN=call.other(number))
    for other, state in call.legs.items():
        if other != number and state == "connected":
            pbx.set_leg(call, other, "held")
            pbx.tell(other, "held", call, holdDN=number)
    pbx.show(*call.legs)
    return call


def retrieve(pbx: Pbx, number: str, ref: int, *, is_return: bool = False) -> None:
    """Take a call off hold; where that is a return from another call, the station is connected again.

    Raises CommandRefused.
    """
    call = pbx.leg(number, ref, "holding", otherwise="NoHeldCall")
    if any(other.legs[number] == "connected" for other in pbx.stations[number].calls):
        raise refuse("invalidConnectionState")
    pbx.set_leg(call, number, "connected")
    pbx.acd(42, number, call.other_side(number), call=call)
    if is_return:
        parties = {"callingDN": number, "calledDN": call.other(number)}
        pbx.tell(number, "connected", call, **parties, **cause(NEW_CALL))
    else:
        pbx.tell(number, "retrieve", call, retrieveDN=call.other(number))
    _free_held(pbx, call, number)
    pbx.show(*call.legs)


def _free_held(pbx: Pbx, call: Call, number: str) -> None:
    for other, state in list(call.legs.items()):
        if state == "held":
            pbx.set_leg(call, other, "connected")
            pbx.tell(other, "retrieved", call, retrieveDN=number)


def consult(pbx: Pbx, number: str, ref: int, dialed: str) -> Call:
    """Hold a call and make another beside it. Raises CommandRefused."""
    pbx.leg(number, ref, "connected")
    check_target(pbx, dialed, number)
    hold(pbx, number, ref, 58)
    return make(pbx, number, dialed)


def _pair(pbx: Pbx, number: str, ref: int) -> tuple[Call, Call]:
    """Return a station's held and active call, one of which is `ref`. Raises CommandRefused."""
    pbx.leg(number, ref)
    calls = pbx.stations[number].calls
    held = next((call for call in calls if call.legs[number] == "holding"), None)
    active = next((call for call in calls if call.legs[number] in ("connected", "dialing")), None)
    if held is None or active is None or ref not in (held.ref, active.ref):
        raise refuse("invalidConnectionIdentifier")
    return held, active


def _join(pbx: Pbx, held: Call, active: Call, number: str) -> None:
    """Move everybody but `number` from the active call to the held one, under the reference that is kept."""
    pbx.truth.unite(active, held)
    active_ref = active.ref
    pbx.drop_leg(active, number)
    for other in list(active.legs):
        pbx.move_leg(active, held, other)
    if active.trunk and not held.trunk:
        held.trunk, held.outside, held.direction = active.trunk, active.outside, active.direction
        held.did, pbx.trunks[active.trunk], active.trunk = active.did, held, ""
        held.answered_seconds, held.recorded_seconds = active.answered_seconds, active.recorded_seconds
    for group in pbx.groups.values():  # where the active call waits for an agent, the held one does now
        group.queue[:] = [held if call is active else call for call in group.queue]
    held.group = active.group or held.group
    pbx.truth.move_stays(active, held)
    for other, state in list(held.legs.items()):
        if state == "held":
            pbx.set_leg(held, other, "connected")
    active.is_consultation = True
    end(pbx, active, 16)
    _renumber(pbx, held, active_ref)


def _renumber(pbx: Pbx, call: Call, active_ref: int) -> None:
    refs = {"held": call.ref, "active": active_ref}
    ref = refs.get(pbx.variants.transfer_ref)
    pbx.rename(call, pbx.next_ref() if ref is None else ref)


def transfer(pbx: Pbx, number: str, ref: int) -> Call:
    """Join the held call to the active one and step out. Raises CommandRefused."""
    held, active = _pair(pbx, number, ref)
    to = active.other(number) or active.group
    if not to:
        raise refuse("invalidConnectionState")  # the other one was busy
    kind = "screened" if active.legs[number] == "connected" else "unscreened"
    moved = held.other(number)
    _join(pbx, held, active, number)
    _pass_on(pbx, held, number, moved, to, kind)
    return held


def transfer_single_step(pbx: Pbx, number: str, ref: int, to: str) -> Call:
    """Send a call that a station talks in to another number, blind. Raises CommandRefused."""
    call = pbx.leg(number, ref, "connected")
    if check_target(pbx, to, number):
        raise refuse("invalidDestination")
    if to in call.legs:
        raise refuse("invalidDestinationDeviceObject")
    moved = call.other(number)
    pbx.acd(58, number, call.other_side(number), call=call)
    _renumber(pbx, call, call.ref)
    _pass_on(pbx, call, number, moved, to, "blind")
    send_to(pbx, call, to, BLIND)
    return call


def _pass_on(pbx: Pbx, call: Call, number: str, moved: str, to: str, kind: str) -> None:
    """Tell of a transfer and release the station that made it."""
    parties = {"transferToDN": to, "transferorDN": number}
    pbx.truth.transfer(call, number, to, kind)
    pbx.tell(number, "transferring", call, transferedDN=moved, **parties, callType=kind)
    pbx.drop_leg(call, number, "transferred")
    for other, state in list(call.legs.items()):
        if kind != "screened" and state == "connected":
            pbx.set_leg(call, other, "dialing")  # hears the other phone ring
        pbx.tell(other, "transferred", call, **parties)
    pbx.acd(70, number, to if to in pbx.stations else call.co, call=call)
    pbx.tell(number, "released", call, releasedDN=number, **cause(NORMAL))
    pbx.say_idle(number)
    end_segment(pbx, call, number)
    if kind == "screened":
        call.recorded_seconds = pbx.timetable.now_seconds if call.is_passed_on else call.recorded_seconds
        call.handler = to if to in pbx.stations else call.handler
    else:
        call.transferor = number
    pbx.show(number, *call.legs)
    serve_queue(pbx, pbx.stations[number])


def reroute(pbx: Pbx, number: str, ref: int, to: str) -> None:
    """Send a call that rings at a station, or waits in a group, elsewhere. Raises CommandRefused."""
    group = pbx.groups.get(number)
    call = pbx.calls.get(ref) if group else pbx.leg(number, ref, "ringing")
    if call is None or (group and call not in group.queue):
        raise refuse("invalidConnectionIdentifier")
    if check_target(pbx, to, number):
        raise refuse("invalidDestination")
    if group:
        leave(pbx, call, "rerouted", "queue", "group")
    facts = {"calledDN": number, "reroutingDN": to, **cause(REROUTED)}
    pbx.tell(number, "rerouting", call, **facts)
    if not group:
        pbx.drop_leg(call, number, "rerouted", to)
    for other in call.legs:
        pbx.tell(other, "rerouted", call, **facts)
    pbx.tell(number, "released", call, releasedDN=number, **cause(REROUTED))
    call.diversion = number
    pbx.show(number)
    send_to(pbx, call, to, REROUTED)


def reconnect(pbx: Pbx, number: str, ref: int) -> None:
    """Drop the active call and return to the held one. Raises CommandRefused."""
    pbx.leg(number, ref)
    held = next((call for call in pbx.stations[number].calls if call.legs[number] == "holding"), None)
    if held is None:
        raise refuse("NoHeldCall")
    active = next((call for call in pbx.stations[number].calls if call is not held), None)
    if active is not None:
        clear(pbx, number, active.ref)
    retrieve(pbx, number, held.ref, is_return=True)


def join_conference(pbx: Pbx, number: str, ref: int) -> Call:
    """Make one conference of the held and the active call. Raises CommandRefused."""
    held, active = _pair(pbx, number, ref)
    if active.legs[number] != "connected":
        raise refuse("invalidConnectionState")
    new = active.other(number)
    if not new:
        raise refuse("invalidConnectionState")  # it talks to a machine
    _join(pbx, held, active, number)
    pbx.set_leg(held, number, "connected")
    _tell_conference(pbx, held, number, new)
    return held


def _tell_conference(pbx: Pbx, call: Call, master: str, new: str) -> None:
    call.is_conference = True
    pbx.truth.confer(call, master, new)
    members = [*call.legs, *([call.outside] if call.trunk else [])]
    pbx.acd(45, master, new if new in pbx.stations else call.co, "2", "", call)
    pbx.tell(master, "conferencing", call, memberDN=members, newConfMemberDN=new)
    for other in call.legs:
        if other != master:
            pbx.tell(other, "conferenced", call, memberDN=members, masterDN=master, newConfMemberDN=new)
    pbx.show(*call.legs)


def dial_digit(pbx: Pbx, number: str, ref: int) -> None:
    """Send tones into a call that a station talks in. Raises CommandRefused."""
    pbx.leg(number, ref, "connected")


def park(pbx: Pbx, number: str, ref: int) -> int:
    """Park a call and return where. Raises CommandRefused."""
    call = pbx.leg(number, ref, "connected")
    if not call.other(number):
        raise refuse("invalidConnectionIdentifier")
    place = next((n for n in range(PARK_START, PARK_END + 1) if n not in pbx.parked), None)
    if place is None:
        raise refuse("resourceBusy")
    pbx.parked[place] = call
    pbx.acd(55, number, call.other_side(number), f"{place}", call=call)
    pbx.truth.begin_stay(call, "park", station=number, place=f"{place}")
    pbx.drop_leg(call, number, "parked")
    for other in list(call.legs):
        pbx.set_leg(call, other, "held")
        pbx.tell(other, "held", call, holdDN=number)
    pbx.tell(number, "released", call, releasedDN=number, **cause(NORMAL))
    pbx.say_idle(number)
    end_segment(pbx, call, number)
    pbx.show(number, *call.legs)
    return place


def unpark(pbx: Pbx, number: str, place: int) -> None:
    """Take a parked call. Raises CommandRefused."""
    station = pbx.station(number)
    call = pbx.parked.get(place)
    if call is None:
        raise refuse("invalidDestination")
    if station.calls:
        raise refuse("generic")
    del pbx.parked[place]
    pbx.truth.end_stay(call, "park", how="taken", by=number)
    pbx.set_leg(call, number, "connected")
    if call.is_passed_on:
        call.recorded_seconds, call.handler = pbx.timetable.now_seconds, number
    way = pbx.variants.unpark
    if way in ("acd", "both"):
        pbx.acd(42, number, call.other_side(number), call=call)
    if way == "both":
        pbx.tell(number, "retrieve", call, retrieveDN=call.other(number))
    _free_held(pbx, call, number)
    pbx.show(*call.legs)
    pbx.acd(17, number, call.other_side(number), call=call)
    if way in ("call", "both"):
        pbx.tell(number, "connected", call, callingDN=call.other(number), calledDN=number, **cause(NEW_CALL))


def pick_up(pbx: Pbx, number: str, picked: str) -> Call:
    """Answer the call that rings elsewhere; a blank `picked` takes whichever rings. Raises CommandRefused."""
    station = pbx.station(number)
    if picked:
        pbx.station(picked)
    if station.calls:
        raise refuse("invalidConnectionState")
    found = next(
        (
            (call, other)
            for call in pbx.calls.values()
            for other, state in call.legs.items()
            if state == "ringing" and picked in ("", other)
        ),
        None,
    )
    if found is None:
        raise refuse("invalidConnectionIdentifier")
    call, other = found
    pbx.drop_leg(call, other, "picked_up", number)
    pbx.tell(other, "released", call, releasedDN=number, **cause(PICKED_UP))
    pbx.acd(57, number, other)
    pbx.say_idle(other)
    pbx.show(other)
    take(pbx, call, number)
    return call


def serve_busy(pbx: Pbx, number: str, ref: int, kind: str) -> Call:
    """Intrude, wait or be called back, right after a call met a busy station. Raises CommandRefused."""
    call = pbx.leg(number, ref, "dialing", otherwise="InvalidState")
    busy = pbx.stations.get(pbx.stations[number].busy_number)
    if busy is None or not busy.calls:
        raise refuse("InvalidState")
    pbx.stations[number].busy_number = ""
    if kind == "callback":
        pbx.stations[number].callback_to = busy.number
        clear(pbx, number, ref)
    elif kind == "intrude":
        talk = next((c for c in busy.calls if c.legs[busy.number] == "connected"), None)
        if talk is None:
            raise refuse("AccessDenied")
        pbx.truth.unite(call, talk)
        pbx.drop_leg(call, number)
        call.is_consultation = True
        end(pbx, call, 16)
        pbx.set_leg(talk, number, "connected")
        _tell_conference(pbx, talk, busy.number, number)
        return talk
    else:
        ring(pbx, call, busy.number, WAITING)
    return call


def cancel_callback(pbx: Pbx, number: str) -> None:
    """Forget a requested call back. Raises CommandRefused where there is none."""
    station = pbx.station(number)
    if not station.callback_to:
        raise refuse("InvalidState")
    station.callback_to = ""
