"""Calls of the simulated PBX: how they come, ring, are answered, and end, with the events of each step."""

from ipecs_mw.simulator.pbx.endings import end
from ipecs_mw.simulator.pbx.groups import go_on_unanswered, queue
from ipecs_mw.simulator.pbx.parts import Call, Station, agent_fields, is_free
from ipecs_mw.simulator.pbx.pbx import GROUP_PICKUP, PAGING, VOICE_MAIL, VOICE_MAIL_BIN, Pbx
from ipecs_mw.simulator.pbx.ringing import (
    BUSY,
    DND,
    ELSEWHERE,
    NEW_CALL,
    NO_ANSWER,
    NORMAL,
    RECALL,
    REJECTED,
    TRUNK_CALL,
    cause,
    release,
    ring,
)
from ipecs_mw.simulator.wire.refusals import refuse

FORWARDED = {"uncondition": 6, "busy": 7, "no_answer": 8, "busy_noans": 7}
_ANSWER_SECONDS = 4.0


def arrive(pbx: Pbx, outside: str, did: str, target: str, name: str = "") -> Call | None:
    """Have a call come in on a free trunk for a group or a station; None when all trunks are busy."""
    trunk = next((number for number, call in pbx.trunks.items() if call is None), None)
    if trunk is None:
        return None
    call = pbx.new_call(trunk=trunk, outside=outside, name=name, did=did, direction="I", dialed=target)
    pbx.trunks[trunk] = call
    group = pbx.groups.get(target)
    pbx.acd(3, call.co, target, pbx.bin_of(group) if group else "", "5" if group else "2", call)
    pbx.acd(71, call.co, target, did[-7:], "", call)
    pbx.acd(72, call.co, target, outside[:18], name[:24], call)
    pbx.acd(1, call.co, target, call=call)
    pbx.show_trunk(trunk)
    send_to(pbx, call, target)
    return call


def send_to(pbx: Pbx, call: Call, target: str, code: int = NEW_CALL) -> None:
    """Take a call to a group or a station, following its forwarding. The target has been checked."""
    if (group := pbx.groups.get(target)) is not None:
        queue(pbx, call, group)
        return
    station = _follow(pbx, call, pbx.stations[target])
    reason = _obstacle(station)
    if _goes_to_voice_mail(station, is_busy=bool(reason)):
        to_voice_mail(pbx, call, station)
    elif reason:
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
    pbx.truth.fail(call, "refused" if code == DND else "busy")
    for number in list(call.legs):
        pbx.acd(43, station.number, number)
        busy = {"busySvcList": ["callback", "campon", "callwait", "intrude"]} if code == BUSY else {}
        pbx.tell(number, "fail", call, callingDN=number, calledDN=station.number, **busy, **cause(code))
        pbx.stations[number].busy_number = station.number
        pbx.set_leg(call, number, "dialing")
        pbx.show(number)
    if not call.legs:
        end(pbx, call, 31 if code == BUSY else 21, say=lambda: pbx.acd(43, call.co, station.number))


def _goes_to_voice_mail(station: Station, *, is_busy: bool) -> bool:
    kinds = ("uncondition", "busy", "busy_noans") if is_busy else ("uncondition",)
    return station.forward_to == VOICE_MAIL and station.forward_type in kinds


def to_voice_mail(pbx: Pbx, call: Call, station: Station) -> None:
    """Have voice mail answer for a station."""
    call.is_in_voice_mail, call.handler = True, call.handler or VOICE_MAIL
    call.recorded_seconds = pbx.timetable.now_seconds
    pbx.acd(48, station.number, VOICE_MAIL, call=call)
    pbx.acd(63, VOICE_MAIL, "", VOICE_MAIL_BIN, "01", call)
    pbx.acd(42, VOICE_MAIL, call.co or next(iter(call.legs), ""), call=call)
    pbx.truth.end_stay(call, "group", how="voice_mail")
    pbx.truth.begin_stay(call, "voice_mail", station=VOICE_MAIL, place=station.number)
    for number in list(call.legs):
        pbx.set_leg(call, number, "connected")
        pbx.tell(number, "connected", call, callingDN=number, calledDN=VOICE_MAIL, **cause(NEW_CALL))
        pbx.show(number)
    pbx.on_voice_mail(call, station.number)


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
    held = next((call for call in station.calls if call.legs[number] == "holding"), None)
    call = pbx.new_call(
        held,
        dialed=dialed,
        handler=number,
        direction="O" if is_outside else "",
        outside=dialed if is_outside else "",
    )
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
        pbx.truth.fail(call, "failed")
        pbx.tell(number, "fail", call, callingDN=number, calledDN=dialed, **cause(33))
        end(pbx, call, 34)
        raise refuse("resourceBusy")
    pbx.trunks[trunk] = call
    call.trunk = trunk
    pbx.truth.note(call)
    pbx.acd(41, number, call.co, call=call)
    pbx.acd(1, call.co, number, call=call)
    pbx.acd(67, number, call.co, "", dialed[:32], call)
    pbx.tell(number, "alerting", call, callingDN=number, calledDN=dialed, **cause(TRUNK_CALL))
    pbx.show(number)
    pbx.show_trunk(trunk)
    reply = pbx.answer_of_outside(call)
    if reply == "answers":
        pbx.timetable.after(_ANSWER_SECONDS, lambda: answer_outside(pbx, call))
    elif reply == "is busy":
        pbx.timetable.after(_ANSWER_SECONDS, lambda: refuse_outside(pbx, call))


def answer_outside(pbx: Pbx, call: Call) -> None:
    """Have the party outside answer, if the call still rings there."""
    number = next((n for n, state in call.legs.items() if state == "dialing"), None)
    if number is not None and not call.is_over:
        pbx.truth.answer(call, call.outside)
        pbx.set_leg(call, number, "connected")
        _connect(pbx, call, call.co, number, NEW_CALL)


def refuse_outside(pbx: Pbx, call: Call) -> None:
    """Have the party outside be busy, if the call still rings there."""
    number = next((n for n, state in call.legs.items() if state == "dialing"), None)
    if number is not None and not call.is_over:
        pbx.truth.fail(call, "busy")
        pbx.tell(number, "fail", call, callingDN=number, calledDN=call.outside, **cause(BUSY))
        end(pbx, call, 31, say=lambda: pbx.acd(43, call.co, number))


def answer(pbx: Pbx, number: str, ref: int) -> None:
    """Answer the call that rings at a station. Raises CommandRefused."""
    take(pbx, pbx.leg(number, ref, "ringing", otherwise="noCallToAnswer"), number)


def take(pbx: Pbx, call: Call, number: str) -> None:
    """Connect a station to a call that rings there, or that it has just picked up."""
    pbx.truth.answer(call, number)
    pbx.truth.end_stay(call, "group", how="answered", by=number)
    for other, state in list(call.legs.items()):
        if other != number and state == "ringing":
            release(pbx, call, other, number, ELSEWHERE)
        elif state == "dialing":
            pbx.set_leg(call, other, "connected")
    pbx.set_leg(call, number, "connected")
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
    if call.recorded_seconds is None:
        call.recorded_seconds = pbx.timetable.now_seconds
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


def clear(pbx: Pbx, number: str, ref: int, code: int = NORMAL) -> None:
    """Hang up at a station; while it rings, this rejects the call. Raises CommandRefused."""
    call = pbx.leg(number, ref)
    station = pbx.stations[number]
    if not call.legs:
        raise refuse("noConnectionToClear")
    if call.legs[number] == "ringing":
        release(pbx, call, number, number, REJECTED)
        if not any(state == "ringing" for state in call.legs.values()):
            pbx.truth.fail(call, "refused")
            end(pbx, call, 21, number)
        return
    station.busy_number = ""
    if call.is_conference and len(call.legs) + bool(call.trunk) > 2:
        pbx.acd(44, number, call.other_side(number), "3", "", call)
        release(pbx, call, number, number, code)
        return
    other = call.other_side(number)
    end(pbx, call, 16, number, code, lambda: pbx.acd(44, number, other, "0", "10", call))


def hang_up_outside(pbx: Pbx, call: Call) -> None:
    """Have the party outside hang up: an abandoned call where nothing has answered yet."""
    if call.is_over:
        return
    number = next(iter(call.legs), "")
    answerer = VOICE_MAIL if call.is_in_voice_mail else pbx.variants.announcement if call.is_greeted else ""
    if call.answered_seconds is None and not answerer:
        end(pbx, call, 16, call.outside, say=lambda: pbx.acd(43, call.co, number or call.group))
    else:
        end(
            pbx, call, 16, call.outside, say=lambda: pbx.acd(44, call.co, number or answerer, "1", "10", call)
        )


def miss(pbx: Pbx, call: Call, number: str) -> None:
    """Give up ringing at a station: back to the group, on by forwarding, or lost."""
    if call.legs.get(number) != "ringing":
        return
    station = pbx.stations[number]
    release(pbx, call, number, call.other(number), NO_ANSWER)
    back = pbx.stations.get(call.transferor)
    onward = pbx.stations.get(station.forward_to)
    is_forwarding = station.forward_type in ("no_answer", "busy_noans")
    if is_forwarding and onward is not None and is_free(onward):
        pbx.acd(48, number, onward.number, call=call)
        call.diversion = number
        ring(pbx, call, onward.number, FORWARDED["no_answer"])
    elif is_forwarding and station.forward_to == VOICE_MAIL:
        to_voice_mail(pbx, call, station)
    elif back is not None and is_free(back):
        call.transferor = ""
        pbx.acd(50, back.number, call.other_side(back.number), call=call)
        ring(pbx, call, back.number, RECALL)
    elif call.group:
        go_on_unanswered(pbx, call, number)
    else:
        end(pbx, call, 19)
