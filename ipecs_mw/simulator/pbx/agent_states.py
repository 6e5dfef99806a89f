"""What each agent of the simulated PBX really does: intervals without overlap and holes, while logged on."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipecs_mw.simulator.pbx.conversation import Instant, tell_instant
from ipecs_mw.simulator.pbx.parts import Call, Station

_LEG_STATES = (("connected", "talking"), ("holding", "holding"), ("held", "holding"), ("ringing", "ringing"))
"""What an agent does by the state of a leg in a group's call; the first that holds decides."""


@dataclass(eq=False)
class Interval:
    """An agent in one state."""

    station: str
    agent: str
    groups: tuple[str, ...]
    state: str
    reason: str
    began: Instant
    until: Instant | None = None

    def describe(self) -> dict[str, Any]:
        """Return it as JSON; what there is not is absent."""
        facts = {"station": self.station, "agent": self.agent, "groups": list(self.groups)}
        return {
            **facts,
            "state": self.state,
            **({"reason": self.reason} if self.reason else {}),
            **tell_instant("from", self.began),
            **tell_instant("until", self.until),
        }


@dataclass(eq=False)
class LogOn:
    """An agent who is logged on to a group."""

    station: str
    agent: str
    group: str
    rank: str
    began: Instant
    until: Instant | None = None

    def describe(self) -> dict[str, Any]:
        """Return it as JSON; what there is not is absent."""
        facts = {"station": self.station, "agent": self.agent, "group": self.group, "rank": self.rank}
        return {**facts, **tell_instant("from", self.began), **tell_instant("until", self.until)}


class AgentStates:
    """The intervals of all agents and their log-ons, the latest `capacity` of each."""

    def __init__(self, instant: Callable[[], Instant], capacity: int) -> None:
        self._instant = instant
        self._open: dict[str, Interval] = {}
        self._done: deque[Interval] = deque(maxlen=capacity)
        self._logged_on: dict[tuple[str, str], LogOn] = {}
        self._logged_off: deque[LogOn] = deque(maxlen=capacity)
        self.lost_seconds = 0.0  # the end of the latest interval that had to go

    def look(self, station: Station) -> None:
        """Note what the agent at a station does now, if that has changed."""
        before = self._open.get(station.number)
        facts = _describe(station)
        if facts == (None if before is None else (before.agent, before.groups, before.state, before.reason)):
            return
        now = self._instant()
        if before is not None:
            self._close(before, now)
        if facts is not None:
            self._open[station.number] = Interval(station.number, *facts, now)

    def log_on(self, station: str, agent: str, group: str, rank: str) -> None:
        """Note that an agent logs on to a group."""
        self._logged_on[station, rank] = LogOn(station, agent, group, rank, self._instant())

    def log_off(self, station: str, rank: str) -> None:
        """Note that an agent logs off."""
        if (log_on := self._logged_on.pop((station, rank), None)) is not None:
            log_on.until = self._instant()
            self._logged_off.append(log_on)

    def move(self, old: str, new: str) -> None:
        """Note that whoever is logged on at a station is at another one now."""
        for (station, rank), log_on in list(self._logged_on.items()):
            if station == old:
                self.log_off(old, rank)
                self.log_on(new, log_on.agent, log_on.group, rank)

    def close_all(self) -> None:
        """End every interval: the PBX goes down."""
        for station, rank in list(self._logged_on):
            self.log_off(station, rank)
        for interval in list(self._open.values()):
            self._close(interval, self._instant())

    def describe(self, since_seconds: float) -> list[dict[str, Any]]:
        """Return the intervals that reach beyond an instant, in the order in which they began."""
        found = [i for i in self._done if i.until is not None and i.until[0] >= since_seconds]
        found += self._open.values()
        return [interval.describe() for interval in sorted(found, key=lambda i: (i.began[0], i.station))]

    def describe_log_ons(self, since_seconds: float) -> list[dict[str, Any]]:
        """Return the log-ons that reach beyond an instant, in the order in which they began."""
        found = [i for i in self._logged_off if i.until is not None and i.until[0] >= since_seconds]
        found += self._logged_on.values()
        return [log_on.describe() for log_on in sorted(found, key=lambda i: (i.began[0], i.station))]

    def _close(self, interval: Interval, now: Instant) -> None:
        del self._open[interval.station]
        interval.until = now
        if now[0] > interval.began[0]:  # what lasted no time was no state
            if len(self._done) == self._done.maxlen:
                self.lost_seconds = (self._done[0].until or now)[0]
            self._done.append(interval)


def _describe(station: Station) -> tuple[str, tuple[str, ...], str, str] | None:
    """Return agent, groups, state and reason; None where nobody is logged on."""
    agent = station.agent
    if agent is None:
        return None
    state = state_of(station)
    reason = agent.reason if state == "not_ready" else ""
    return agent.primary_id or agent.secondary_id, agent.groups, state, reason


def state_of(station: Station) -> str:
    """Return what the agent at a station does."""
    agent = station.agent
    if not station.is_registered:
        return "out_of_service"
    has_group = any(is_of_group(call, station.number) for call in station.calls)
    for leg, state in _LEG_STATES:
        for call in station.calls:
            if call.legs[station.number] == leg:
                return state if has_group else "busy_other"
    if station.calls:
        return "busy_other"
    if agent is not None and agent.is_wrapping_up:
        return "wrap_up"
    if agent is not None and not agent.is_on_duty:
        return "not_ready"
    return "dnd" if station.is_dnd else "ready"


def is_of_group(call: Call, number: str) -> bool:
    """Tell whether a station serves a group's call: its conversation came to a group, and it did not make it."""
    conversation = call.conversation
    return bool(conversation.groups) and conversation.caller.get("station") != number
