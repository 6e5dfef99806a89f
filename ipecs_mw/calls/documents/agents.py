"""What the agents of a host do, from when until when: intervals without overlap and without holes.

A person is one, whatever groups he is logged in to. What is not known since a gap is `unknown` until it is seen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import blake2s
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.joining.index import Joined
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import Moment, Step, is_trunk, rings_for_group
from ipecs_mw.model.days import list_days

ACTIVITIES: Mapping[str, str] = {
    "talk": "talking",
    "conference": "talking",
    "consult": "talking",
    "held": "talking",
    "hold": "holding",
    "ring": "ringing",
    "recall": "ringing",
    "dial": "talking",
    "voicemail": "talking",
    "announcement": "talking",
}
"""The state that each kind of segment is."""

REASON_KEYS: Mapping[str, str] = {"10": "0", "11": "*", "12": "#"}
"""How the keys of a reason are sent that are no digits from 1 to 9."""

_TALKS = frozenset({"talk", "consult", "conference", "voicemail"})
_HOT_DESKS = frozenset({"hot_desk_in", "hot_desk_out"})
_ENDS_TONE = frozenset({"release", "station_idle", "seize", "answer", "ring", "state_read"})
_RANKS = {"talking": 0, "holding": 1, "dial": 2, "ringing": 3}  # who holds and dials is holding
_AHEAD = timedelta(seconds=60)  # a host's clock that runs further ahead is not believed


class Station(Struct):
    """What is known of a station beside its calls.

    `hears_tone` after a call that failed, of the reference `tone_ref`, until it hangs up. `reasons` are why it is
    not ready, by group as it was told: its bin, blank for all.
    """

    is_known: bool = True
    is_undisturbed: bool = False
    is_out_of_service: bool = False
    is_wrapping_up: bool = False
    hears_tone: bool = False
    tone_ref: int | None = None
    reasons: dict[str, str] = {}


class Interval(Struct):
    """A state of an agent; `first` is the place of the event that began it, `ends` is absent while it lasts."""

    id: str
    first: Any
    station: str
    agent: str
    groups: list[str]
    state: str
    reason: str
    begins: datetime
    ends: datetime | None = None


class AgentStates:
    """The states of all stations of a host, and the intervals of those where an agent is logged in.

    Each step is to be taken by `calls` first.
    """

    def __init__(self, host: str, calls: HostCalls) -> None:
        self._host = host
        self._calls = calls
        self._stations: dict[str, Station] = {}
        self._running: dict[str, Interval] = {}
        self._changed: dict[str, Interval] = {}
        self._now: datetime | None = None
        self._hears_acd = False
        self._takers: Mapping[str, Callable[[Step, Station], None]] = {
            "ready": self._take_ready,
            "not_ready": self._take_not_ready,
            "login": self._take_ready,
            "second_login": self._take_ready,
            "wrap_up": self._take_wrap_up,
            "wrapped_up": self._take_wrap_up,
            "dnd_on": self._take_dnd,
            "dnd_off": self._take_dnd,
            "in_service": self._take_service,
            "out_of_service": self._take_service,
            "state_read": self._take_state,
            "fail": self._take_fail,
            "logout": self._take_logout,
            "hot_desk_in": self._take_hot_desk,
            "hot_desk_out": self._take_hot_desk,
        }

    @property
    def stations(self) -> Mapping[str, Station]:
        """What is known of each station that has been heard of."""
        return self._stations

    def take(self, step: Step, touched: Iterable[Joined]) -> list[str]:
        """Take a step in, and the calls to which it did something; return the stations that it is about."""
        at = self._pass(step.moment)
        if step.verb == "gap":
            self._take_gap(step, at)
            return list(self._stations)
        about = self._hear(step) | self._calls.logins.take_renamed()
        if step.who and (take := self._takers.get(step.verb)) is not None:
            take(step, self._get(step.who))
            about |= dict.fromkeys(party for party in (step.who, step.other) if party in self._stations)
        for call in touched:
            about |= dict.fromkeys(each for each in call.course.stations if each in self._stations)
        for station in about:
            self._follow(station, step, at)
        return list(about)

    def _hear(self, step: Step) -> dict[str, None]:
        """Note that stations told of themselves; return those of which that changes something.

        The other side of a step is heard of in a call, where it is known to be a station and not a group's number.
        """
        about: dict[str, None] = {}
        for party in (step.who, step.other if step.verb in _HOT_DESKS else ""):
            if not party or is_trunk(party) or not step.is_told:
                continue
            known = self._stations.get(party)
            if known is None:
                known = self._stations[party] = Station(is_known=False)
            is_wrapping_up = known.is_wrapping_up and not rings_for_group(step)
            is_of_other = step.verb == "release" and step.ref != known.tone_ref
            hears_tone = known.hears_tone and (is_of_other or step.verb not in _ENDS_TONE)
            if (True, is_wrapping_up, hears_tone) != (known.is_known, known.is_wrapping_up, known.hears_tone):
                known.is_known, known.is_wrapping_up, known.hears_tone = True, is_wrapping_up, hears_tone
                about[party] = None
        return about

    def take_changed(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the documents of the intervals that have changed since it was last asked, by id."""
        changed, self._changed = self._changed, {}
        for interval in changed.values():
            yield interval.id, self._describe(interval)

    def list_running(self) -> set[str]:
        """Return the ids of the intervals that last."""
        return {each.id for each in self._running.values()}

    def mark_changed(self) -> None:
        """Have all intervals that last count as changed."""
        self._changed.update((each.id, each) for each in self._running.values())

    def judge(self, station: str) -> tuple[str, str]:
        """Return the state of a station and its reason; one without an agent is `idle` at rest."""
        known = self._stations.get(station)
        if known is None or not known.is_known:
            return "unknown", ""
        if known.is_out_of_service:
            return "out_of_service", ""
        has_agent = self._calls.logins.has(station)
        activity, is_groups, _ = self.find_activity(station)
        if known.hears_tone and not activity:
            activity = "talking"
        if activity:
            return "busy_other" if has_agent and not is_groups else activity, ""
        if has_agent:
            return self._judge_agent(station, known)
        return ("dnd", "") if known.is_undisturbed else ("idle", "")

    def _judge_agent(self, station: str, known: Station) -> tuple[str, str]:
        if known.is_wrapping_up:
            return "wrap_up", ""
        logins, reasons = self._calls.logins, known.reasons
        groups = {logins.number_of(group_bin) for group_bin in reasons}
        if reasons and ("" in reasons or groups.issuperset(logins.groups_at(station))):
            return "not_ready", next(reversed(reasons.values()))
        return ("dnd", "") if known.is_undisturbed else ("ready", "")

    def find_activity(self, station: str) -> tuple[str, bool, str]:
        """Return what a station does in its calls, whether it serves a group's call, and the call; groups' first.

        An agent who holds a group's call and talks with a third party talks.
        """
        found = []
        is_talking = False
        for call in self._calls.calls_at(station):
            kind, _ = call.course.find_doing(station)
            if activity := ACTIVITIES.get(kind, ""):
                found.append(
                    (
                        not call.course.is_groups(station),
                        _RANKS.get(kind, _RANKS[activity]),
                        call.id,
                        activity,
                    )
                )
                is_talking |= kind in _TALKS
        if not found:
            return "", False, ""
        is_other, _, call_id, activity = min(found)
        return "talking" if is_talking else activity, not is_other, call_id

    def _get(self, station: str) -> Station:
        return self._stations.setdefault(station, Station())

    def _pass(self, moment: Moment) -> datetime:
        """Return when a step was, never before the one before it."""
        host = moment.host
        self._hears_acd = self._hears_acd or host is not None
        at = moment.received if host is None or host - moment.received > _AHEAD else host
        if self._now is not None:
            at = max(at, self._now)
        self._now = at
        return at

    # what steps tell of stations

    def _take_ready(self, step: Step, station: Station) -> None:
        station.is_wrapping_up = False
        if step.bin:
            station.reasons.pop(step.bin, None)
            station.reasons.pop("", None)
        else:
            station.reasons.clear()

    def _take_not_ready(self, step: Step, station: Station) -> None:
        station.is_wrapping_up = False
        told = str(step.facts.get("reason") or "")
        former = station.reasons.pop(step.bin, "") or (
            "" if step.bin else next(reversed(station.reasons.values()), "")
        )
        station.reasons[step.bin] = REASON_KEYS.get(told, told) or former

    def _take_wrap_up(self, step: Step, station: Station) -> None:
        station.is_wrapping_up = step.verb == "wrap_up"

    def _take_dnd(self, step: Step, station: Station) -> None:
        station.is_undisturbed = step.verb == "dnd_on"

    def _take_service(self, step: Step, station: Station) -> None:
        station.is_out_of_service = step.verb == "out_of_service"

    def _take_fail(self, step: Step, station: Station) -> None:
        station.hears_tone, station.tone_ref = True, step.ref

    def _take_state(self, step: Step, station: Station) -> None:
        state = str(step.facts.get("state") or "")
        station.is_out_of_service = state == "block"
        station.is_undisturbed = state == "DND"

    def _take_logout(self, step: Step, station: Station) -> None:
        if not self._calls.logins.has(step.who):
            station.is_wrapping_up = False
            station.reasons.clear()

    def _take_hot_desk(self, step: Step, station: Station) -> None:
        """Have what is known of an agent come with him."""
        if not step.other:
            return
        other = self._get(step.other)
        come, gone = (station, other) if step.verb == "hot_desk_in" else (other, station)
        come.reasons, gone.reasons = gone.reasons, {}
        come.is_wrapping_up, gone.is_wrapping_up = gone.is_wrapping_up, False

    def _take_gap(self, step: Step, at: datetime) -> None:
        """Have nothing be known from the moment at which the gap began."""
        if step.facts.get("subscription") and self._hears_acd:
            return  # call events alone are missing
        since = _read_instant(step.facts.get("since")) or at
        for name, station in self._stations.items():
            station.is_known = False
            if (running := self._running.get(name)) is not None:
                self._follow(name, step, max(running.begins, min(since, at)))

    # intervals

    def _follow(self, station: str, step: Step, at: datetime) -> None:
        """End the interval of a station where its state has changed, and begin the next."""
        logins = self._calls.logins
        running = self._running.get(station)
        if not logins.has(station):
            if running is not None:
                self._end(running, at)
            return
        state, reason = self.judge(station)
        agent, groups = logins.agent_at(station), logins.groups_at(station)
        if running is not None:
            if (running.state, running.reason, running.agent, running.groups) == (
                state,
                reason,
                agent,
                groups,
            ):
                return
            if running.begins == at:
                running.state, running.reason, running.agent, running.groups = state, reason, agent, groups
                self._changed[running.id] = running
                return
            self._end(running, at)
        name = blake2s(f"{station}:{step.event_id}".encode(), digest_size=8).hexdigest()
        begun = Interval(f"{self._host}:{name}", step.order, station, agent, groups, state, reason, at)
        self._running[station] = self._changed[begun.id] = begun

    def _end(self, interval: Interval, at: datetime) -> None:
        interval.ends = at
        del self._running[interval.station]
        self._changed[interval.id] = interval

    def _describe(self, interval: Interval) -> dict[str, Any]:
        described: dict[str, Any] = {
            "_id": interval.id,
            "host": self._host,
            "first": interval.first,
            "station": interval.station,
            "agent": interval.agent,
            "groups": list(interval.groups),
            "state": interval.state,
            "reason": interval.reason,
            "from": interval.begins,
            "until": interval.ends,
            "days": [] if interval.ends is None else list_days(interval.begins, interval.ends),
        }
        return {key: each for key, each in described.items() if each not in (None, "", [])}


def _read_instant(value: Any) -> datetime | None:
    """Return an instant that is told as text, in milliseconds as MongoDB keeps every other."""
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
