"""How a phone rings in the simulated PBX, how a station leaves a call, and the causes that call events carry."""

from ipecs_mw.simulator.pbx.parts import Call
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.wire.spelling import Data

NEW_CALL, BUSY, NO_ANSWER, DND, NORMAL, GROUP_CALL, TRUNK_CALL = 22, 3, 10, 14, 48, 65, 59
PICKED_UP, RECALL, REROUTED, BLIND, WAITING, ELSEWHERE, REJECTED = 11, 27, 58, 52, 99, 62, 103
_WORDS = {3: "busy", 6: "forward", 7: "forward", 8: "forward", 10: "no answer", 14: "dnd", 48: "normal"}
_HOW = {NO_ANSWER: "no_answer", ELSEWHERE: "elsewhere", REJECTED: "rejected", PICKED_UP: "picked_up"}


def cause(code: int) -> Data:
    """Return the two fields in which call events carry a cause."""
    return {"causeCode": code, "causeMsg": _WORDS.get(code, "")}


def _parties(call: Call, number: str) -> Data:
    """Return who calls whom, seen from a station in the call."""
    if call.direction == "I":
        return {"callingDN": call.outside, "calledDN": number}
    caller = next(iter(call.legs), number)
    return {"callingDN": caller, "calledDN": call.outside or call.dialed}


def ring(pbx: Pbx, call: Call, number: str, code: int = NEW_CALL) -> None:
    """Ring a station."""
    is_a_persons = code in (BLIND, RECALL) or (call.transferor and code != GROUP_CALL)
    group = None if is_a_persons else pbx.groups.get(call.group)
    own = next((pbx.bin_of(g) for g in pbx.groups.values() if number in g.members), "00")
    caller = call.co or next(iter(call.legs), "")
    if group is not None:
        order = group.members.index(number) + 1 if number in group.members else 0
        pbx.acd(59, number, call.outside or call.other(number), pbx.bin_of(group), f"{order:02}", call)
    parties = _parties(call, number)
    pbx.set_leg(call, number, "ringing", "" if group is None else group.number)
    pbx.acd(66, number, caller, pbx.bin_of(group) if group else "00", own, call)
    diversion = {"diversionNum": call.diversion} if call.diversion else {}
    pbx.tell(number, "ringing", call, **parties, **diversion, **cause(code))
    for other, state in call.legs.items():
        if other != number and state in ("dialing", "connected"):
            pbx.tell(other, "alerting", call, callingDN=other, calledDN=number, **cause(code))
    pbx.show(number)
    pbx.on_ringing(call, number)


def release(pbx: Pbx, call: Call, number: str, by: str, code: int, how: str = "") -> None:
    """Take one station out of a call and tell it why."""
    pbx.drop_leg(call, number, how or _HOW.get(code, ""), by)
    pbx.tell(number, "released", call, releasedDN=by, **cause(code))
    pbx.say_idle(number)
    pbx.show(number)
