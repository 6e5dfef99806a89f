"""Calls, states of agents and gaps → figures of quarter hours: one document a group, an agent and a host each.

A group's calls count in the quarter in which they came to it, a phone's in the one in which it began to ring,
those of the host in that of their beginning. Seconds of agents, of trunks and of gaps are split at the boundaries.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.figures.counting.accounting import find_cost, is_answered
from ipecs_mw.figures.counting.gaps import Gap
from ipecs_mw.figures.counting.rules import Rules
from ipecs_mw.figures.counting.sums import Sums, add, name_wait, prune
from ipecs_mw.figures.counting.visits import Visit, list_visits
from ipecs_mw.figures.time.quarters import QUARTER, QUARTER_SECONDS, find_quarter, split

Document = dict[str, Any]
Key = tuple[str, str, datetime]
"""Kind (`group`, `agent`, `host`), name, and quarter hour."""

NOT_ANSWERED = frozenset({"no_answer", "forwarded", "overflowed", "refused"})
"""How a phone stops ringing whose call went on elsewhere though it still rang."""

NO_REASON = "none"
"""Stands for the reason of who is not ready and gave none."""

_NO_AGENT = "@"
"""Stands before the number of a station whose agent nobody told."""


class Facts(Struct, frozen=True):
    """What the figures of some quarter hours of a host are made of.

    `calls` and `states` are documents, all that have a part in one of the `quarters`; `gaps` are stretches of
    time without events. `trunks` is how many lines there are; 0 where nobody says it. `as_of` is the instant up to
    which what lasts has lasted. `known_gaps` are seconds of gap that were known before: their events may be gone.
    """

    host: str
    quarters: Collection[datetime]
    calls: Iterable[Mapping[str, Any]]
    states: Iterable[Mapping[str, Any]]
    gaps: Sequence[Gap]
    as_of: datetime
    rules: Rules = Rules()
    trunks: int = 0
    known_gaps: Mapping[datetime, float] = {}


def count(facts: Facts) -> list[Document]:
    """Return the documents of `figures` that tell anything, without `revision` and `updated_at`."""
    counting = _Counting(facts)
    for call in facts.calls:
        counting.take_call(call)
    for state in facts.states:
        counting.take_state(state)
    counting.take_trunks()
    return list(counting.list_documents())


def name_figure(host: str, kind: str, name: str, quarter: datetime) -> str:
    """Return the id of a document of `figures`."""
    at = f"{quarter:%Y-%m-%dT%H:%MZ}"
    return f"{host}:{kind}:{name}:{at}" if name else f"{host}:{kind}:{at}"


class _Counting:
    """The sums of all that is counted, by kind, name and quarter."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._quarters = frozenset(facts.quarters)
        self._sums: defaultdict[Key, Sums] = defaultdict(dict)
        self._stations: defaultdict[Key, set[str]] = defaultdict(set)
        self._groups: defaultdict[Key, set[str]] = defaultdict(set)
        self._on_trunks: list[tuple[datetime, int]] = []

    # calls

    def take_call(self, call: Mapping[str, Any]) -> None:
        visits = list_visits(call)
        for visit in visits:
            self._take_visit(visit)
        self._take_rings(call, visits)
        end = self._find_end(call)
        if lines := len(call.get("trunks") or ()):
            self._on_trunks += [(call["began_at"], lines), (end, -lines)]
        if (quarter := find_quarter(call["began_at"])) in self._quarters:
            self._add("host", "", quarter, _sum_call(call))

    def _find_end(self, call: Mapping[str, Any]) -> datetime:
        begin: datetime = call["began_at"]
        return max(call.get("ended_at") or self._facts.as_of, begin)

    def _take_visit(self, visit: Visit) -> None:
        quarter = find_quarter(visit.entered)
        if quarter not in self._quarters:
            return
        rule = self._facts.rules.find(visit.group)
        wait = visit.wait_seconds
        sums: Sums = {"offered": 1, "longest_wait_seconds": wait}
        if visit.ended:
            sums[visit.ended] = 1
        if visit.is_open:
            sums["open"] = 1
        if visit.ended == "answered":
            is_in = wait <= rule.threshold_seconds
            sums |= {"wait_seconds": wait, "answered_in": int(is_in), "waits": {name_wait(wait): 1}}
        elif visit.ended == "abandoned":
            is_in, is_short = wait <= rule.threshold_seconds, wait < rule.short_seconds
            sums |= {"abandon_wait_seconds": wait, "abandoned_in": int(is_in), "short": int(is_short)}
            sums["abandon_waits"] = {name_wait(wait): 1}
        if visit.talk_seconds is not None:
            sums |= {
                "handled": 1,
                "talk_seconds": visit.talk_seconds,
                "hold_seconds": visit.hold_seconds or 0.0,
                "wrap_up_seconds": visit.wrap_up_seconds or 0.0,
                "transfers": visit.transfers,
            }
        self._add("group", visit.group, quarter, sums)

    def _take_rings(self, call: Mapping[str, Any], visits: Sequence[Visit]) -> None:
        """Count a group's call with the agents whose phones rang, and with those who took it without."""
        if not visits:
            return
        rang = set()
        for segment in call.get("segments") or ():
            if segment["kind"] != "ring" or not segment.get("group"):
                continue
            station, result = segment.get("station", ""), segment.get("result", "")
            sums: Sums = {"offered": 1}
            if result == "answered":
                sums["answered"] = 1
                rang.add(station)
            elif result in NOT_ANSWERED:
                sums["no_answer"] = 1
            elif not result:
                sums["open"] = 1
            self._take_agent(segment.get("agent", ""), station, segment["group"], segment["from"], sums)
        for visit in visits:
            if visit.ended == "answered" and visit.station not in rang and visit.until is not None:
                sums = {"offered": 1, "answered": 1}
                self._take_agent(visit.agent, visit.station, visit.group, visit.until, sums)

    def _take_agent(self, agent: str, station: str, group: str, at: datetime, sums: Sums) -> None:
        quarter = find_quarter(at)
        if quarter in self._quarters and station:
            self._add("agent", agent or f"{_NO_AGENT}{station}", quarter, sums, station, (group,))

    # states

    def take_state(self, state: Mapping[str, Any]) -> None:
        until = min(state.get("until") or self._facts.as_of, self._facts.as_of)
        station, name = state["station"], state["state"]
        agent = state.get("agent") or f"{_NO_AGENT}{station}"
        for quarter, seconds in split(state["from"], until):
            if quarter not in self._quarters:
                continue
            sums: Sums = {"states": {name: seconds}}
            if name == "not_ready":
                sums["not_ready"] = {state.get("reason") or NO_REASON: seconds}
            self._add("agent", agent, quarter, sums, station, state.get("groups") or ())
            self._add("host", "", quarter, sums)
            for group in state.get("groups") or ():
                self._add("group", group, quarter, sums)

    # trunks

    def take_trunks(self) -> None:
        """Count the seconds of lines in use, the most at once, and those in which all were."""
        if not self._on_trunks:
            return
        used, since, most = 0, None, self._facts.trunks
        for at, change in sorted(self._on_trunks, key=lambda each: (each[0], each[1])):
            if used and since is not None and at > since:
                for quarter, seconds in split(since, at):
                    if quarter in self._quarters:
                        is_all = bool(most) and used >= most
                        sums = {
                            "seconds": used * seconds,
                            "peak": used,
                            "all_busy_seconds": seconds if is_all else 0,
                        }
                        self._add("host", "", quarter, {"trunks": sums})
            used, since = used + change, at

    # documents

    def _add(
        self,
        kind: str,
        name: str,
        quarter: datetime,
        sums: Sums,
        station: str = "",
        groups: Iterable[str] = (),
    ) -> None:
        key = (kind, name, quarter)
        add(self._sums[key], sums)
        if station:
            self._stations[key].add(station)
            self._groups[key].update(groups)

    def list_documents(self) -> Iterator[Document]:
        facts = self._facts
        gaps = {
            quarter: max(_count_gap(facts.gaps, quarter), facts.known_gaps.get(quarter, 0.0))
            for quarter in self._quarters
        }
        for quarter, seconds in gaps.items():
            if seconds:
                self._sums["host", "", quarter]  # a gap is to be told even where nothing else is
        for key, sums in self._sums.items():
            kind, name, quarter = key
            until = quarter + QUARTER
            document: Document = {
                "_id": name_figure(facts.host, kind, name, quarter),
                "host": facts.host,
                "kind": kind,
                "from": quarter,
                "until": until,
                **prune(sums),
            }
            if kind == "group":
                rule = facts.rules.find(name)
                document |= {
                    "group": name,
                    "formula": rule.formula,
                    "threshold_seconds": rule.threshold_seconds,
                    "short_seconds": rule.short_seconds,
                }
            elif kind == "agent":
                document |= {"stations": sorted(self._stations[key]), "groups": sorted(self._groups[key])}
                if not name.startswith(_NO_AGENT):
                    document["agent"] = name
            if gaps[quarter]:
                document["gap_seconds"] = gaps[quarter]
            is_over = facts.as_of >= until
            document["is_complete"] = is_over and not gaps[quarter] and not sums.get("open")
            yield document


def _sum_call(call: Mapping[str, Any]) -> Sums:
    """Return what a call counts for the host, by its direction."""
    seconds = call.get("seconds") or {}
    sums: Sums = {
        "calls": 1,
        "answered": int(is_answered(call)),
        "talk_seconds": seconds.get("talk", 0.0),
        "seconds": seconds.get("total", 0.0),
        "cost": find_cost(call),
    }
    found: Sums = {call.get("direction", "unknown"): sums}
    if call.get("is_open"):
        found["open"] = 1
    return found


def _count_gap(gaps: Sequence[Gap], quarter: datetime) -> float:
    """Return how many seconds of a quarter hour no events tell of."""
    end, total, reached = quarter + QUARTER, 0.0, quarter
    for since, until in sorted(gaps):
        begin, stop = max(since, reached), min(until, end)
        if stop > begin:
            total += (stop - begin).total_seconds()
            reached = stop
    return round(min(total, QUARTER_SECONDS), 3)
