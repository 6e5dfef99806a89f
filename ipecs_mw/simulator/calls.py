"""Calls of the simulated PBX: how they come, ring, are answered, and end, with the events of each step."""

from ipecs_mw.simulator.pbx import GROUP_PICKUP, PAGING, Call, Group, Pbx, Station, agent_fields, is_free
from ipecs_mw.simulator.refusals import refuse
from ipecs_mw.simulator.smdr import clock_face
from ipecs_mw.simulator.spelling import Data

NEW_CALL, BUSY, NO_ANSWER, DND, NORMAL, GROUP_CALL, TRUNK_CALL = 22, 3, 10, 14, 48, 65, 59
FORWARDED = {"uncondition": 6, "busy": 7, "no_answer": 8, "busy_noans": 7}
_ANSWER_SECONDS = 4.0
_WRAP_UP_SECONDS = (10.0, 40.0)
_WORDS = {3: "busy", 6: "forward", 7: "forward", 8: "forward", 10: "no answer", 14: "dnd", 48: "normal"}


def cause(code: int) -> Data:
    """Return the two fields in which call events carry a cause."""
    return {"causeCode": code, "causeMsg": _WORDS.get(code, "")}


def _parties(call: Call, number: str) -> Data:
    """Return who calls whom, seen from a station in the call."""
    if call.direction == "I":
        return {"callingDN": call.outside, "calledDN": number}
    caller = next(iter(call.legs), number)
    return {"callingDN": caller, "calledDN": call.outside or call.dialed}


def arrive(pbx: Pbx, outside: str, did: str, target: str, name: str = "") -> Call | None:
    """Have a call come in on a free trunk for a group or a station; None when all trunks are busy."""
    trunk = next((number for number, call in pbx.trunks.items() if call is None), None)
    if trunk is None:
        return None
    call = pbx.new_call(trunk=trunk, outside=outside, did=did, direction="I", dialed=target)
    pbx.trunks[trunk] = call
    group = pbx.groups.get(target)
    pbx.acd(3, call.co, target, group.bin if group else "", "5" if group else "2", call)
    pbx.acd(71, call.co, target, did[-7:], "", call)
    pbx.acd(72, call.co, target, outside[:18], name[:24], call)
    pbx.acd(1, call.co, target, call=call)
    pbx.show_trunk(trunk)
    send_to(pbx, call, target)
    return call


def send_to(pbx: Pbx, call: Call, target: str, code: int = NEW_CALL) -> None:
    """Take a call to a group or a station, following its forwarding. The target has been checked."""
    if (group := pbx.groups.get(target)) is not None:
        call.group = target
        queue(pbx, call, group)
        return
    station = _follow(pbx, call, pbx.stations[target])
    reason = _obstacle(station)
    if reason:
        _fail(pbx, call, station, reason)
    else:
        ring(pbx, call, station.number, code)


def _follow(pbx: Pbx, call: Call, station: Station) -> Station:
    """Return the station where forwarding ends; at most five steps, inside only."""
    for _ in range(5):
        is_busy = bool(station.calls)
        applies = station.forward_type == "uncondition" or (
            is_busy and station.forward_type in ("busy", "busy_noans")
        )
        onward = pbx.stations.get(station.forward_to)
        if not applies or onward is None:
            break
        pbx.acd(48, station.number, onward.number, call=call)
        call.diversion = station.number
        station = onward
    return station


def _obstacle(station: Station) -> int:
    if station.is_dnd:
        return DND
    return BUSY if station.calls or not station.is_registered else 0


def _fail(pbx: Pbx, call: Call, station: Station, code: int) -> None:
    """Tell the caller that there is no way in; a call from outside is given up."""
    for number in list(call.legs):
        busy = {"busySvcList": ["callback", "campon", "callwait", "intrude"]} if code == BUSY else {}
        pbx.tell(number, "fail", call, callingDN=number, calledDN=station.number, **busy, **cause(code))
        pbx.stations[number].busy_number = station.number
        call.legs[number] = "dialing"
        pbx.show(number)
    if not call.legs:
        pbx.acd(43, call.co, station.number)
        end(pbx, call, 31 if code == BUSY else 21)


def ring(pbx: Pbx, call: Call, number: str, code: int = NEW_CALL) -> None:
    """Ring a station."""
    group = pbx.groups.get(call.group)
    own = next((g.bin for g in pbx.groups.values() if number in g.members), "00")
    caller = call.co or next(iter(call.legs), "")
    if group is not None:
        order = group.members.index(number) + 1 if number in group.members else 0
        pbx.acd(59, number, call.outside or call.other(number), group.bin, f"{order:02}", call)
    parties = _parties(call, number)
    pbx.set_leg(call, number, "ringing")
    pbx.acd(66, number, caller, group.bin if group else "00", own, call)
    diversion = {"diversionNum": call.diversion} if call.diversion else {}
    pbx.tell(number, "ringing", call, **parties, **diversion, **cause(code))
    for other, state in call.legs.items():
        if other != number and state in ("dialing", "connected"):
            pbx.tell(other, "alerting", call, callingDN=other, calledDN=number, **cause(code))
    pbx.show(number)
    pbx.on_ringing(call, number)


def queue(pbx: Pbx, call: Call, group: Group) -> None:
    """Offer a call to the first free agent of a group, else have it wait."""
    number = next((n for n in group.members if is_ready(pbx.stations[n], group.number)), None)
    if number is not None:
        ring(pbx, call, number, GROUP_CALL)
        return
    group.queue.append(call)
    caller = next(iter(call.legs), "")
    pbx.acd(62, call.co or caller, "", group.bin, call=call)
    nobody = dict.fromkeys(("primaryAgentId", "primaryAcdGroup", "secondaryAgentId", "secondaryAcdGroup"), "")
    facts = {
        "callingDN": call.outside or caller,
        "calledDN": group.number,
        "qCount": len(group.queue),
        **nobody,
        "primaryAcdGroup": group.number,
        **cause(23),
    }
    pbx.tell(group.number, "queueing", call, **facts)
    if caller:
        pbx.tell(caller, "queued", call, **facts)


def is_ready(station: Station, group: str) -> bool:
    """Tell whether an agent of `group` at the station can take a call."""
    agent = station.agent
    return (
        agent is not None
        and agent.is_on_duty
        and not agent.is_wrapping_up
        and group in (agent.primary_group, agent.secondary_group)
        and is_free(station)
    )


def serve_queue(pbx: Pbx, station: Station) -> None:
    """Give an agent who became free the call that waits longest."""
    for group in pbx.groups.values():
        if group.queue and is_ready(station, group.number):
            ring(pbx, group.queue.pop(0), station.number, GROUP_CALL)
            return


def make(pbx: Pbx, number: str, dialed: str) -> Call:
    """Call `dialed` from a station. Raises CommandRefused."""
    station = pbx.station(number)
    if any(call.legs[number] in ("connected", "dialing", "ringing") for call in station.calls):
        raise refuse("InvalidState")
    if dialed in (GROUP_PICKUP, PAGING):
        call = pbx.new_call(dialed=dialed)
        pbx.acd(52, number)
        end(pbx, call, 16)
        return call
    is_outside = check_target(pbx, dialed, number)
    call = pbx.new_call(dialed=dialed, handler=number)
    pbx.set_leg(call, number, "dialing")
    if station.kind == "slt":  # an analogue phone has to be lifted first
        pbx.tell(number, "ringing", call, callingDN=number, calledDN=dialed, **cause(NEW_CALL))
        pbx.tell(number, "dialing", call)
    pbx.acd(17, number, "", call=call)
    pbx.tell(number, "proceeding", call, dialDigit=dialed)
    if is_outside:
        _seize_trunk(pbx, call, number, dialed)
    else:
        pbx.acd(41, number, dialed, call=call)
        pbx.show(number)
        send_to(pbx, call, dialed)
    return call


def check_target(pbx: Pbx, dialed: str, caller: str = "") -> bool:
    """Tell whether a number is outside. Raises CommandRefused for one that nothing answers to."""
    if dialed in pbx.stations or dialed in pbx.groups:
        if dialed == caller:
            raise refuse("invalidDestination")
        return False
    if is_outside(dialed):
        return True
    raise refuse("invalidDestination")


def is_outside(number: str) -> bool:
    """Tell whether a number goes out on a trunk: five digits or more."""
    return number.isdecimal() and len(number) >= 5


def _seize_trunk(pbx: Pbx, call: Call, number: str, dialed: str) -> None:
    trunk = next((n for n, used in pbx.trunks.items() if used is None), None)
    if trunk is None:
        pbx.tell(number, "fail", call, callingDN=number, calledDN=dialed, **cause(33))
        end(pbx, call, 34)
        raise refuse("resourceBusy")
    pbx.trunks[trunk] = call
    call.trunk, call.outside, call.direction = trunk, dialed, "O"
    pbx.acd(41, number, call.co, call=call)
    pbx.acd(1, call.co, number, call=call)
    pbx.acd(67, number, call.co, "", dialed[:32], call)
    pbx.tell(number, "alerting", call, callingDN=number, calledDN=dialed, **cause(TRUNK_CALL))
    pbx.show(number)
    pbx.show_trunk(trunk)
    pbx.timetable.after(_ANSWER_SECONDS, lambda: answer_outside(pbx, call))


def answer_outside(pbx: Pbx, call: Call) -> None:
    """Have the party outside answer, if the call still rings there."""
    number = next((n for n, state in call.legs.items() if state == "dialing"), None)
    if number is not None and not call.is_over:
        call.legs[number] = "connected"
        _connect(pbx, call, call.co, number, NEW_CALL)


def answer(pbx: Pbx, number: str, ref: int) -> None:
    """Answer the call that rings at a station. Raises CommandRefused."""
    call = pbx.leg(number, ref, "ringing", otherwise="noCallToAnswer")
    for other, state in list(call.legs.items()):
        if other != number and state == "ringing":
            _release(pbx, call, other, number, 62)
        elif state == "dialing":
            call.legs[other] = "connected"
    call.legs[number] = "connected"
    if call.direction != "O":
        call.handler = call.handler if call.direction == "" else number
    _connect(pbx, call, number, call.other_side(number), NEW_CALL)
    agent = pbx.stations[number].agent
    if agent is not None and call.group:
        pbx.tell(number, "agent_busy", **agent_fields(pbx.stations[number]))


def _connect(pbx: Pbx, call: Call, source: str, dest: str, code: int) -> None:
    """Tell all sides that they talk now."""
    if call.answered_seconds is None:
        call.answered_seconds = pbx.timetable.now_seconds
    pbx.acd(42, source, dest, call=call)
    for number, state in call.legs.items():
        if state == "connected":
            pbx.acd(17, number, call.other_side(number), call=call)
            caller, called = (number, call.other(number))
            if call.direction == "I" or next(iter(call.legs)) != number:
                caller, called = called, caller
            diversion = {"diversionNum": call.diversion} if call.diversion else {}
            pbx.tell(number, "connected", call, callingDN=caller, calledDN=called, **diversion, **cause(code))
    stream = pbx.random.getrandbits(32)
    for voice in (73, 74):
        pbx.acd(voice, source, dest, f"{stream >> 16:04X}", f"{stream & 0xFFFF:04X}", call)
    pbx.show(*call.legs)


def _release(pbx: Pbx, call: Call, number: str, by: str, code: int) -> None:
    """Take one station out of a call and tell it why."""
    pbx.drop_leg(call, number)
    pbx.tell(number, "released", call, releasedDN=by, **cause(code))
    pbx.acd(18, number)
    pbx.show(number)


def clear(pbx: Pbx, number: str, ref: int, code: int = NORMAL) -> None:
    """Hang up at a station; while it rings, this rejects the call. Raises CommandRefused."""
    call = pbx.leg(number, ref)
    station = pbx.stations[number]
    if not call.legs:
        raise refuse("noConnectionToClear")
    if call.legs[number] == "ringing":
        _release(pbx, call, number, number, 103)
        if not any(state == "ringing" for state in call.legs.values()):
            end(pbx, call, 21)
        return
    station.busy_number = ""
    if call.is_conference and len(call.legs) + bool(call.trunk) > 2:
        pbx.acd(44, number, call.other_side(number), "3", "", call)
        _release(pbx, call, number, number, code)
        return
    pbx.acd(44, number, call.other_side(number), "0", "10", call)
    end(pbx, call, 16, number, code)


def hang_up_outside(pbx: Pbx, call: Call) -> None:
    """Have the party outside hang up: an abandoned call where nobody has answered yet."""
    if call.is_over:
        return
    number = next(iter(call.legs), "")
    if call.answered_seconds is None:
        pbx.acd(43, call.co, number or call.group)
    else:
        pbx.acd(44, call.co, number, "1", "10", call)
    end(pbx, call, 16, call.outside)


def miss(pbx: Pbx, call: Call, number: str) -> None:
    """Give up ringing at a station: back to the group, on by forwarding, or lost."""
    if call.legs.get(number) != "ringing":
        return
    station = pbx.stations[number]
    _release(pbx, call, number, call.other(number), NO_ANSWER)
    onward = pbx.stations.get(station.forward_to)
    if station.forward_type in ("no_answer", "busy_noans") and onward is not None and is_free(onward):
        pbx.acd(48, number, onward.number, call=call)
        call.diversion = number
        ring(pbx, call, onward.number, FORWARDED["no_answer"])
    elif call.group:
        queue(pbx, call, pbx.groups[call.group])
    else:
        end(pbx, call, 19)


def end(pbx: Pbx, call: Call, disconnect: int, by: str = "", code: int = NORMAL) -> None:
    """End a call for everybody in it, free its trunk, and write its record."""
    if call.is_over:
        return
    call.is_over = True
    numbers = list(call.legs)
    for number in numbers:
        _release(pbx, call, number, by or call.other(number), code)
    for group in pbx.groups.values():
        if call in group.queue:
            group.queue.remove(call)
    for place in [place for place, parked in pbx.parked.items() if parked is call]:
        del pbx.parked[place]
    del pbx.calls[call.ref]
    if call.trunk:
        pbx.trunks[call.trunk] = None
        pbx.acd(2, call.co)
        pbx.show_trunk(call.trunk)
        _write_record(pbx, call, disconnect)
    for number in numbers:
        _after_call(pbx, pbx.stations[number], call)


def _write_record(pbx: Pbx, call: Call, disconnect: int) -> None:
    """Write the record of a trunk call: events 69, 85 and 86, and the record itself, all saying the same."""
    now = pbx.timetable.now_seconds
    seconds = 0 if call.answered_seconds is None else int(now - call.answered_seconds)
    numbers = (call.outside, call.did)
    if call.handler:
        pbx.acd(69, call.handler, call.co, clock_face(seconds), call.outside[:32], call)
    account = call.account_code
    if call.account_code:
        pbx.acd(85, "", "", call.account_code, call=call)
    if call.authorization_code:
        pbx.acd(86, "", "", call.authorization_code, call=call)
        account = f"STA-P[{call.authorization_code}]"
    record = pbx.records.add(
        call_ref=call.ref,
        station=call.handler or call.co,
        trunk=call.trunk,
        began_at=call.began_at,
        duration_seconds=seconds,
        direction=call.direction
        if call.answered_seconds is not None
        else {"I": "R", "O": "o"}[call.direction],
        numbers=numbers,
        account=account,
        cause=disconnect,
    )
    pbx.tell_record(record)


def _after_call(pbx: Pbx, station: Station, call: Call) -> None:
    """Have an agent wrap up after a group's call, and take the next one that waits."""
    agent = station.agent
    if agent is None or not call.group or call.answered_seconds is None:
        serve_queue(pbx, station)
        return
    agent.is_wrapping_up = True
    pbx.acd(15, station.number)
    pbx.tell(station.number, "agent_work", **agent_fields(station))

    def finish() -> None:
        if station.agent is agent and agent.is_wrapping_up:
            agent.is_wrapping_up = False
            pbx.acd(16, station.number)
            pbx.tell(station.number, "agent_ready", **agent_fields(station))
            serve_queue(pbx, station)

    pbx.timetable.after(pbx.random.uniform(*_WRAP_UP_SECONDS), finish)
