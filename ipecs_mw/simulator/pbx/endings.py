"""How calls of the simulated PBX end: for everybody in them, for their trunk, in call records, in wrap-up."""

from collections.abc import Callable

from ipecs_mw.simulator.pbx.groups import leave, serve_queue
from ipecs_mw.simulator.pbx.parts import Call, Station, agent_fields
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.ringing import NORMAL, release
from ipecs_mw.simulator.wire.smdr import clock_face

_WRAP_UP_SECONDS = (10.0, 40.0)
_PASSED_ON = {"I": "t", "O": "T"}
_UNANSWERED = {"I": "R", "O": "o"}


def end(
    pbx: Pbx,
    call: Call,
    disconnect: int,
    by: str = "",
    code: int = NORMAL,
    say: Callable[[], None] | None = None,
) -> None:
    """End a call for everybody in it, free its trunk, and write its record.

    `say` sends the event that tells of it, 43 or 44, where this host has it stand.
    """
    if call.is_over:
        return
    order = pbx.variants.release_order if call.trunk else "before_trunk"
    if say is not None and order == "before_trunk":
        say()
    call.is_over = True
    legs = dict(call.legs)
    is_left = _is_left(call, by)
    letter = _find_letter(pbx, call, is_left=is_left)
    pbx.truth.end(call, by, is_left=is_left)
    for number in legs:
        release(pbx, call, number, by or call.other(number), code)
    leave(pbx, call, "ended")
    for place in [place for place, parked in pbx.parked.items() if parked is call]:
        del pbx.parked[place]
    del pbx.calls[call.ref]
    if call.trunk:
        pbx.trunks[call.trunk] = None
        pbx.acd(2, call.co)
        if say is not None and order == "after_trunk":
            say()
        pbx.show_trunk(call.trunk)
        _write_record(pbx, call, call.handler, disconnect, letter)
    for number, state in legs.items():
        _after_call(pbx, pbx.stations[number], call, has_talked=state not in ("ringing", "dialing"))


def _is_left(call: Call, by: str) -> bool:
    """Tell whether a call ends while nobody talks in it: on hold, parked, or in a transfer."""
    is_talking = call.is_in_voice_mail or any(state == "connected" for state in call.legs.values())
    return not is_talking and not call.is_consultation and call.legs.get(by) != "holding"


def _find_letter(pbx: Pbx, call: Call, *, is_left: bool) -> str:
    """Return the letter of a call record."""
    if call.is_in_voice_mail:
        return "V"
    if call.answered_seconds is None:
        is_waiting = any(call in group.queue for group in pbx.groups.values())
        return "G" if is_waiting else _UNANSWERED.get(call.direction, "")
    if is_left and call.direction == "I":
        return "H"
    return _PASSED_ON.get(call.direction, "") if call.is_passed_on else call.direction


def end_segment(pbx: Pbx, call: Call, number: str) -> None:
    """Write the record of a station that passes a trunk call on, where this host has one a station segment."""
    if pbx.variants.records == "segment" and call.trunk and call.recorded_seconds is not None:
        letter = _PASSED_ON[call.direction] if call.is_passed_on else call.direction
        _write_record(pbx, call, number, 16, letter)
        call.is_passed_on = True
        call.recorded_at, call.recorded_seconds = pbx.local_now(), None


def _write_record(pbx: Pbx, call: Call, station: str, disconnect: int, letter: str) -> None:
    """Write the record of a trunk call: events 69, 85 and 86, and the record itself, all saying the same."""
    now = pbx.timetable.now_seconds
    seconds = 0 if call.recorded_seconds is None else int(now - call.recorded_seconds)
    if station:
        pbx.acd(69, station, call.co, clock_face(seconds), call.outside[:32], call)
    account = call.account_code
    if call.account_code:
        pbx.acd(85, "", "", call.account_code, call=call)
    if call.authorization_code:
        pbx.acd(86, "", "", call.authorization_code, call=call)
        account = f"STA-P[{call.authorization_code}]"
    record = pbx.records.add(
        call_ref=call.ref,
        station=station or call.co,
        trunk=call.trunk,
        began_at=call.recorded_at or call.began_at,
        duration_seconds=seconds,
        direction=letter,
        numbers=(call.outside, call.did),
        account=account,
        cause=disconnect,
    )
    call.conversation.records.append(record["Index"])
    pbx.tell_record(record)


def _after_call(pbx: Pbx, station: Station, call: Call, *, has_talked: bool) -> None:
    """Have an agent wrap up after a group's call, and take the next one that waits."""
    agent = station.agent
    is_caller = call.conversation.caller.get("station") == station.number
    if agent is None or not call.group or not has_talked or is_caller or station.calls:
        serve_queue(pbx, station)
        return
    stop_wrap_up(pbx, station)
    agent.is_wrapping_up = True
    agent.wrap_up = wrap_up = pbx.truth.wrap_up(call, station.number)
    pbx.look(station.number)
    pbx.acd(15, station.number)
    pbx.tell(station.number, "agent_work", **agent_fields(station))

    def finish() -> None:
        if station.agent is agent and agent.wrap_up is wrap_up:
            stop_wrap_up(pbx, station)
            pbx.acd(16, station.number)
            kind = "agent_ready" if agent.is_on_duty else "agent_notready"
            pbx.tell(station.number, kind, **agent_fields(station))
            serve_queue(pbx, station)

    pbx.timetable.after(pbx.random.uniform(*_WRAP_UP_SECONDS), finish)


def stop_wrap_up(pbx: Pbx, station: Station) -> None:
    """Have the agent at a station wrap up no longer, without a word."""
    agent = station.agent
    if agent is not None and agent.wrap_up is not None:
        pbx.truth.end_wrap_up(agent.wrap_up)
        agent.wrap_up = None
        agent.is_wrapping_up = False
        pbx.look(station.number)
