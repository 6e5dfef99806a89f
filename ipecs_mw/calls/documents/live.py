"""What is true now of a host: each station, each agent, each group, and whether anybody can know.

A document a station, an agent, a group, and one of the host itself, which says whether the others are stale.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.documents.agents import AgentStates
from ipecs_mw.calls.joining.index import Joined
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import Step

Document = dict[str, Any]


class Shown(Struct):
    """What a station does, in which call, and since when; and the state before, which may be back at once."""

    state: str
    reason: str
    call: str
    since: datetime
    before: tuple[str, str, datetime] | None = None


class Waiting(Struct):
    """A call that waits in a group; `is_ringing` at one of its phones, `is_unseen` since a gap."""

    since: datetime
    is_ringing: bool
    is_unseen: bool


class LiveState:
    """The live state of one host. Each step is to be taken by `calls` and by `states` first."""

    def __init__(self, host: str, calls: HostCalls, states: AgentStates) -> None:
        self._host = host
        self._calls = calls
        self._states = states
        self._shown: dict[str, Shown] = {}
        self._groups: dict[str, dict[str, Waiting]] = {}
        self._members: dict[str, dict[str, None]] = {}
        self._member_of: dict[str, tuple[str, ...]] = {}
        self._agents: dict[str, str] = {}
        self._agent_at: dict[str, str] = {}
        self._waits_in: dict[str, tuple[str, ...]] = {}
        self._is_stale = True
        self._heard_at: datetime | None = None
        self._gap_at: datetime | None = None
        self._changed: dict[tuple[str, str], None] = {}

    def take(self, step: Step, touched: Iterable[Joined], about: Iterable[str]) -> None:
        """Take a step in, with the calls and the stations that it is about."""
        at = step.moment.received
        if step.verb in ("session_up", "session_down"):
            self._is_stale = step.verb == "session_down"
            self._changed["host", ""] = None
            return
        if step.verb == "gap":
            self._gap_at = at
            touched = [*touched, *self._calls.open_calls()]
        elif step.verb != "record":
            self._heard_at, self._is_stale = at, False
        self._changed["host", ""] = None
        for call in touched:
            self._follow_call(call)
        for station in about:
            self._follow_station(station, step.moment.at)

    def take_changed(self) -> Iterator[tuple[str, Document | None]]:
        """Yield the documents that have changed since it was last asked, by id; None for one that is no more."""
        changed, self._changed = self._changed, {}
        for kind, name in changed:
            yield self._name(kind, name), self._build(kind, name)

    def name_anew(self) -> None:
        """Take over which groups stations are logged in to, where groups have other names than before."""
        for station in list(self._member_of):
            self._follow_login(station)

    def list_all(self) -> Iterator[Document]:
        """Yield all documents as they are now."""
        keys = [
            ("host", ""),
            *(("station", each) for each in self._shown),
            *(("agent", each) for each in self._agents),
        ]
        keys += [("group", each) for each in dict.fromkeys([*self._groups, *self._members])]
        for kind, name in keys:
            if (document := self._build(kind, name)) is not None:
                yield document

    def _list_instants(self) -> Document:
        instants = {"heard_at": self._heard_at, "gap_at": self._gap_at}
        return {key: each for key, each in instants.items() if each is not None}

    # following

    def _follow_station(self, station: str, at: datetime) -> None:
        state, reason = self._states.judge(station)
        _, _, call = self._states.find_activity(station)
        shown = self._shown.get(station)
        is_new = shown is None or (shown.state, shown.reason, shown.call) != (state, reason, call)
        if is_new:
            self._shown[station] = _show(shown, state, reason, call, at)
        if self._follow_login(station) or is_new:
            self._changed["station", station] = None
            if agent := self._agent_at.get(station):
                self._changed["agent", agent] = None
            for group in self._member_of.get(station, ()):
                self._changed["group", group] = None

    def _follow_login(self, station: str) -> bool:
        """Note who is logged in at a station, and to which groups; tell whether that is new."""
        logins = self._calls.logins
        groups, former = tuple(logins.groups_at(station)), self._member_of.get(station, ())
        agent, gone = logins.agent_at(station), self._agent_at.get(station, "")
        if (groups, agent) == (former, gone):
            return False
        self._move(self._members, station, former, groups)
        self._member_of[station], self._agent_at[station] = groups, agent
        if gone and self._agents.get(gone) == station:
            del self._agents[gone]
            self._changed["agent", gone] = None
        if agent:
            self._agents[agent] = station
        return True

    def _move(
        self, places: dict[str, dict[str, None]], what: str, before: Iterable[str], after: Iterable[str]
    ) -> None:
        for group in before:
            places[group].pop(what, None)
            self._changed["group", group] = None
        for group in after:
            places.setdefault(group, {})[what] = None
            self._changed["group", group] = None

    def _follow_call(self, call: Joined) -> None:
        """Note where a call waits, and since when."""
        waits = {} if call.is_gone or not call.is_open else _find_waits(call)
        for group in self._waits_in.pop(call.id, ()):
            del self._groups[group][call.id]
            self._changed["group", group] = None
        for group, waiting in waits.items():
            self._groups.setdefault(group, {})[call.id] = waiting
            self._changed["group", group] = None
        if waits:
            self._waits_in[call.id] = tuple(waits)

    # documents

    def _name(self, kind: str, name: str) -> str:
        return f"{self._host}:{kind}:{name}" if name else f"{self._host}:{kind}"

    def _build(self, kind: str, name: str) -> Document | None:
        build = {"station": self._build_station, "agent": self._build_agent, "group": self._build_group}.get(
            kind
        )
        facts = {"is_stale": self._is_stale} | self._list_instants() if build is None else build(name)
        if facts is None:
            return None
        return {"_id": self._name(kind, name), "host": self._host, "kind": kind} | facts

    def _build_station(self, station: str) -> Document | None:
        shown = self._shown.get(station)
        if shown is None:
            return None
        facts = {
            "station": station,
            "agent": self._calls.logins.agent_at(station),
            "groups": self._calls.logins.groups_at(station),
            "state": shown.state,
            "reason": shown.reason,
            "call": shown.call,
            "since": shown.since,
        }
        return {key: each for key, each in facts.items() if each not in ("", [])}

    def _build_agent(self, agent: str) -> Document | None:
        station = self._agents.get(agent)
        return None if station is None else self._build_station(station)

    def _build_group(self, group: str) -> Document | None:
        waits, members = self._groups.get(group, {}), self._members.get(group, {})
        if not waits and not members and self._calls.logins.is_bin(group):
            return None
        counts: dict[str, int] = {}
        for station in members:
            shown = self._shown.get(station)
            state = "unknown" if shown is None else shown.state
            counts[state] = counts.get(state, 0) + 1
        facts: Document = {
            "group": group,
            "waiting": len(waits),
            "ringing": sum(each.is_ringing for each in waits.values()),
            "unseen": sum(each.is_unseen for each in waits.values()),
            "calls": sorted(waits, key=lambda call_id: (waits[call_id].since, call_id)),
            "longest_wait_since": min((each.since for each in waits.values()), default=None),
            "agents": counts,
        }
        return {key: each for key, each in facts.items() if each not in (None, [], {})}


def _show(shown: Shown | None, state: str, reason: str, call: str, at: datetime) -> Shown:
    """Return what is shown next; what lasted no time was no state."""
    if shown is None:
        return Shown(state, reason, call, at)
    if (shown.state, shown.reason) == (state, reason):
        return Shown(state, reason, call, shown.since, shown.before)
    before = (shown.state, shown.reason, shown.since) if shown.since < at else shown.before
    since = before[2] if before is not None and before[:2] == (state, reason) else at
    return Shown(state, reason, call, since, before)


def _find_waits(call: Joined) -> dict[str, Waiting]:
    """Return the groups that a call waits in."""
    course = call.course
    is_unseen = course.has_gap_since_heard
    waits = {}
    for line in course.list_lines():
        segment = course.running.get(" queue " + line.group)
        if line.is_waiting and segment is not None:
            is_ringing = "ringing" in line.legs.values()
            waits[line.group] = Waiting(segment.begins.at, is_ringing, is_unseen)
    return waits
