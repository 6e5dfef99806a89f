"""What people set on their phones: service, do not disturb, forwarding, messages, agents."""

from typing import Any

from ipecs_mw.simulator.pbx.calls import is_outside
from ipecs_mw.simulator.pbx.endings import stop_wrap_up
from ipecs_mw.simulator.pbx.groups import serve_queue
from ipecs_mw.simulator.pbx.parts import Agent, Group, Station, agent_fields
from ipecs_mw.simulator.pbx.pbx import VOICE_MAIL, Pbx
from ipecs_mw.simulator.wire.refusals import refuse

_FORWARD_CODES = {"uncondition": "1", "no_answer": "17", "busy": "33", "busy_noans": "49"}
_KEYPAD = {"0": "10", "*": "11", "#": "12"}


def register(pbx: Pbx, number: str) -> None:
    """Bring a terminal into service."""
    station = pbx.stations[number]
    if not station.is_registered:
        station.is_registered = True
        pbx.look(number)
        pbx.acd(84, number)
        pbx.tell(number, "registered")
        pbx.show(number)


def unregister(pbx: Pbx, number: str) -> None:
    """Take a terminal that is in no call out of service."""
    station = pbx.stations[number]
    if station.is_registered and not station.calls:
        station.is_registered = False
        pbx.look(number)
        pbx.acd(82, number)
        pbx.tell(number, "unregistered")
        pbx.show(number)


def set_dnd(pbx: Pbx, number: str, *, is_on: bool) -> None:
    """Switch do not disturb. Raises CommandRefused."""
    station = pbx.station(number)
    station.is_dnd = is_on
    pbx.look(number)
    pbx.acd(19 if is_on else 20, number)
    pbx.tell(number, "dnd", svcType="enable" if is_on else "disable")
    pbx.show(number)
    serve_queue(pbx, station)


def set_forward(pbx: Pbx, number: str, kind: str, to: str) -> None:
    """Set forwarding; `DND` stands for do not disturb. Raises CommandRefused."""
    station = pbx.station(number)
    if kind == "DND":
        set_dnd(pbx, number, is_on=True)
    elif kind == "disable":
        station.forward_type, station.forward_to = kind, ""
        pbx.acd(22, number)
    else:
        is_known = to in (*pbx.groups, *pbx.stations, VOICE_MAIL) or is_outside(to)
        if to == number or not is_known:
            raise refuse("invalidForwardingDestination")
        station.forward_type, station.forward_to = kind, to
        pbx.acd(21, number, "", _FORWARD_CODES[kind])
    pbx.tell(number, "forwarding", destination=station.forward_to, svcType=kind)
    pbx.show(number)


def leave_message(pbx: Pbx, number: str, new: int, old: int = 0, urgent: int = 0) -> None:
    """Set the counts behind a station's message light."""
    station = pbx.stations[number]
    station.new_messages, station.old_messages, station.urgent_messages = new, old, urgent
    pbx.tell(number, "mwi", **message_fields(station))


def message_fields(station: Station) -> dict[str, Any]:
    """Return the counts as the host spells them."""
    return {
        "msgStatus": "true" if station.new_messages else "false",
        "newMsg": str(station.new_messages),
        "oldMsg": str(station.old_messages),
        "newUrgentMsg": str(station.urgent_messages),
    }


def find_group(pbx: Pbx, number: str) -> Group:
    """Return an ACD group. Raises CommandRefused."""
    group = pbx.groups.get(number)
    if group is None:
        raise refuse("invalidParameterValue")
    return group


def log_on(pbx: Pbx, number: str, agent_id: str, group_number: str, rank: str = "primary") -> None:
    """Log an agent on to a group. Raises CommandRefused, also where one is on already."""
    station, group = pbx.station(number), find_group(pbx, group_number)
    agent = station.agent or Agent()
    if getattr(agent, f"{rank}_id"):
        raise refuse("InvalidState")
    setattr(agent, f"{rank}_id", agent_id)
    setattr(agent, f"{rank}_group", group_number)
    station.agent = agent
    pbx.look(number)
    pbx.truth.agents.log_on(number, agent_id, group_number, rank)
    pbx.acd(11 if rank == "primary" else 25, number, "", pbx.bin_of(group), agent_id)
    pbx.tell(number, "agent_logon", **agent_fields(station))
    serve_queue(pbx, station)


def log_off(pbx: Pbx, number: str, agent_id: str, group_number: str, rank: str = "primary") -> None:
    """Log an agent off. Raises CommandRefused where no such agent is on."""
    station, group = pbx.station(number), find_group(pbx, group_number)
    agent = _find_agent(station, agent_id, group_number, rank)
    pbx.truth.agents.log_off(number, rank)
    pbx.acd(12 if rank == "primary" else 26, number, "", pbx.bin_of(group))
    pbx.tell(number, "agent_logoff", **agent_fields(station))
    setattr(agent, f"{rank}_id", "")
    setattr(agent, f"{rank}_group", "")
    if not agent.primary_id and not agent.secondary_id:
        stop_wrap_up(pbx, station)
        station.agent = None
    pbx.look(number)


def set_duty(pbx: Pbx, number: str, agent_id: str, group_number: str, reason: str, *, is_on: bool) -> None:
    """Make an agent available or not; `reason` is the key that was pressed. Raises CommandRefused."""
    station, group = pbx.station(number), find_group(pbx, group_number)
    agent = _find_agent(station, agent_id, group_number, "primary", "secondary")
    stop_wrap_up(pbx, station)
    agent.is_on_duty, agent.reason = is_on, "" if is_on else reason
    pbx.look(number)
    pbx.acd(14 if is_on else 13, number, "", _KEYPAD.get(reason, reason), pbx.bin_of(group))
    pbx.tell(number, "agent_ready" if is_on else "agent_notready", **agent_fields(station))
    serve_queue(pbx, station)


def enter_hot_desk(pbx: Pbx, number: str, dummy: str) -> None:
    """Have the person of `number`, which has no phone, take over the phone `dummy`; an agent there goes along.

    Raises CommandRefused where `number` has a phone, or `dummy` has none or is in a call.
    """
    station = pbx.stations.get(number)
    if station is None or station.is_registered:
        raise refuse("InvalidState")
    _change_desks(pbx, dummy, number)
    pbx.acd(81, number, dummy)
    _tell_desks(pbx, dummy, number)


def leave_hot_desk(pbx: Pbx, number: str, dummy: str) -> None:
    """Have the phone be `dummy` again; an agent there goes along. Raises CommandRefused."""
    if dummy not in pbx.stations or pbx.stations[dummy].is_registered:
        raise refuse("InvalidState")
    _change_desks(pbx, number, dummy)
    pbx.acd(83, number, dummy)
    _tell_desks(pbx, number, dummy)


def _change_desks(pbx: Pbx, old: str, new: str) -> None:
    before, after = pbx.station(old), pbx.stations[new]
    if before.calls or (before.agent is not None and before.agent.is_wrapping_up):
        raise refuse("InvalidState")
    before.is_registered, after.is_registered = False, True
    before.agent, after.agent = None, before.agent
    pbx.truth.agents.move(old, new)
    pbx.look(old, new)


def _tell_desks(pbx: Pbx, old: str, new: str) -> None:
    pbx.tell(old, "unregistered")
    pbx.tell(new, "registered")
    pbx.show(old, new)
    serve_queue(pbx, pbx.stations[new])


def _find_agent(station: Station, agent_id: str, group: str, *ranks: str) -> Agent:
    agent = station.agent
    if agent is None or not any(
        (getattr(agent, f"{rank}_id"), getattr(agent, f"{rank}_group")) == (agent_id, group) for rank in ranks
    ):
        raise refuse("InvalidState")
    return agent
