"""What a station does with a call that it has: hold, transfer, conference, park, pick up, and the like."""

from ipecs_mw.simulator.calls import (
    NEW_CALL,
    NORMAL,
    cause,
    check_target,
    clear,
    end,
    make,
    ring,
    send_to,
    serve_queue,
)
from ipecs_mw.simulator.pbx import PARK_END, PARK_START, Call, Pbx
from ipecs_mw.simulator.refusals import refuse

_PICKED_UP, _REROUTED, _BLIND, _WAITING = 11, 58, 52, 99


def hold(pbx: Pbx, number: str, ref: int, code: int = 49) -> Call:
    """Hold a call that a station talks in. Raises CommandRefused."""
    call = pbx.leg(number, ref, "connected")
    call.legs[number] = "holding"
    pbx.acd(code, number, call.other_side(number), call=call)
    pbx.tell(number, "hold", call, holdDN=call.other(number))
    for other, state in call.legs.items():
        if other != number and state == "connected":
            call.legs[other] = "held"
            pbx.tell(other, "held", call, holdDN=number)
    call.is_outside_held = bool(call.trunk)
    pbx.show(*call.legs)
    return call


def retrieve(pbx: Pbx, number: str, ref: int, *, is_return: bool = False) -> None:
    """Take a call off hold; where that is a return from another call, the station is connected again.

    Raises CommandRefused.
    """
    call = pbx.leg(number, ref, "holding", otherwise="NoHeldCall")
    if any(other.legs[number] == "connected" for other in pbx.stations[number].calls):
        raise refuse("invalidConnectionState")
    call.legs[number] = "connected"
    call.is_outside_held = False
    pbx.acd(42, number, call.other_side(number), call=call)
    if is_return:
        parties = {"callingDN": number, "calledDN": call.other(number)}
        pbx.tell(number, "connected", call, **parties, **cause(NEW_CALL))
    else:
        pbx.tell(number, "retrieve", call, retrieveDN=call.other(number))
    for other, state in call.legs.items():
        if state == "held":
            call.legs[other] = "connected"
            pbx.tell(other, "retrieved", call, retrieveDN=number)
    pbx.show(*call.legs)


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
    """Move everybody but `number` from the active call to the held one, whose reference stays."""
    for other, state in list(active.legs.items()):
        pbx.drop_leg(active, other)
        if other != number:
            pbx.set_leg(held, other, state)
    if active.trunk and not held.trunk:
        held.trunk, held.outside, held.direction = active.trunk, active.outside, active.direction
        held.did, pbx.trunks[active.trunk], active.trunk = active.did, held, ""
        held.answered_seconds = active.answered_seconds
    for other, state in held.legs.items():
        if state == "held":
            held.legs[other] = "connected"
    held.is_outside_held = False
    end(pbx, active, 16)


def transfer(pbx: Pbx, number: str, ref: int) -> Call:
    """Join the held call to the active one and step out. Raises CommandRefused."""
    held, active = _pair(pbx, number, ref)
    to = active.other(number)
    kind = "screened" if active.legs[number] == "connected" else "unscreened"
    moved = held.other(number)
    _join(pbx, held, active, number)
    held.handler = to if to in pbx.stations else held.handler
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
    _pass_on(pbx, call, number, moved, to, "blind")
    send_to(pbx, call, to, _BLIND)
    return call


def _pass_on(pbx: Pbx, call: Call, number: str, moved: str, to: str, kind: str) -> None:
    """Tell of a transfer and release the station that made it."""
    parties = {"transferToDN": to, "transferorDN": number}
    pbx.tell(number, "transferring", call, transferedDN=moved, **parties, callType=kind)
    pbx.drop_leg(call, number)
    for other in call.legs:
        pbx.tell(other, "transferred", call, **parties)
    pbx.acd(70, number, to if to in pbx.stations else call.co, call=call)
    pbx.tell(number, "released", call, releasedDN=number, **cause(NORMAL))
    pbx.acd(18, number)
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
        group.queue.remove(call)
    facts = {"calledDN": number, "reroutingDN": to, **cause(_REROUTED)}
    pbx.tell(number, "rerouting", call, **facts)
    if not group:
        pbx.drop_leg(call, number)
    for other in call.legs:
        pbx.tell(other, "rerouted", call, **facts)
    pbx.tell(number, "released", call, releasedDN=number, **cause(_REROUTED))
    call.diversion = number
    pbx.show(number)
    send_to(pbx, call, to, _REROUTED)


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
    _join(pbx, held, active, number)
    held.legs[number] = "connected"
    _tell_conference(pbx, held, number, new)
    return held


def _tell_conference(pbx: Pbx, call: Call, master: str, new: str) -> None:
    call.is_conference = True
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
    pbx.drop_leg(call, number)
    for other in call.legs:
        call.legs[other] = "held"
        pbx.tell(other, "held", call, holdDN=number)
    pbx.tell(number, "released", call, releasedDN=number, **cause(NORMAL))
    pbx.acd(18, number)
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
    pbx.set_leg(call, number, "holding")
    retrieve(pbx, number, call.ref)
    pbx.acd(17, number, call.other_side(number), call=call)
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
    pbx.drop_leg(call, other)
    pbx.tell(other, "released", call, releasedDN=number, **cause(_PICKED_UP))
    pbx.acd(57, number, other)
    pbx.acd(18, other)
    pbx.show(other)
    call.handler = number if call.direction == "I" else call.handler
    pbx.set_leg(call, number, "ringing")
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
        pbx.drop_leg(call, number)
        end(pbx, call, 16)
        pbx.set_leg(talk, number, "connected")
        _tell_conference(pbx, talk, busy.number, number)
        return talk
    else:
        ring(pbx, call, busy.number, _WAITING)
    return call


def cancel_callback(pbx: Pbx, number: str) -> None:
    """Forget a requested call back. Raises CommandRefused where there is none."""
    station = pbx.station(number)
    if not station.callback_to:
        raise refuse("InvalidState")
    station.callback_to = ""
