"""Call records: which call one belongs to, and what it tells that events do not."""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.joining.index import GRACE, NEVER, Index, Joined
from ipecs_mw.calls.steps.steps import Facts, Moment, Step, is_trunk

_KEPT = timedelta(hours=6)  # so long a record read late is recognised as that of a call that is forgotten
_SLACK = timedelta(seconds=120)  # a record tells its start in minutes
_MOVES_ON = frozenset("tT")

Key = tuple[str, Any]


def read_parties(facts: Facts) -> tuple[str, str]:
    """Return the trunk and the station of a call record; blank where it names none."""
    trunk = str(facts.get("co_number") or "").removeprefix("CO")
    station = str(facts.get("station_number") or "")
    if is_trunk(station):
        trunk, station = trunk or station.removeprefix("CO"), ""
    return (f"CO{trunk}" if trunk else "", station)


def find_span(step: Step) -> tuple[datetime, datetime]:
    """Return when the segment of a call record began and ended; its start is told in minutes."""
    began = step.moment.at
    return began, began + timedelta(seconds=int(step.facts.get("duration_seconds") or 0))


def find_end(call: Joined, step: Step) -> Moment:
    """Return the end of a call as a record tells it, never before what was last heard of it."""
    last = call.course.steps[-1].moment
    _, ended = find_span(step)
    if step.moment.host is None or ended <= last.at:
        return last
    return Moment(max(last.received, min(ended, step.moment.received)), ended)


class Past(Struct, frozen=True):
    """A call that is forgotten but for this: records that come late must not make it anew."""

    began_at: datetime
    ended_at: datetime


class PastCalls:
    """What is kept of calls that are forgotten, by reference and trunk, for some hours."""

    def __init__(self) -> None:
        self._calls: dict[Key, Past] = {}
        self._kept: deque[tuple[datetime, Key]] = deque()

    def add(self, call: Joined, now: datetime) -> None:
        """Keep a call in mind."""
        course = call.course
        if course.end is None:
            return
        past = Past(course.steps[0].moment.at, course.end.at)
        keys: list[Key] = [("ref", ref) for ref in call.refs]
        keys += [("trunk", trunk) for trunk in course.trunks]
        for key in keys:
            self._calls[key] = past
            self._kept.append((now + _KEPT, key))

    def drop_old(self, now: datetime) -> None:
        """Forget what is too long ago."""
        while self._kept and self._kept[0][0] < now:
            _, key = self._kept.popleft()
            past = self._calls.get(key)
            if past is not None and past.ended_at + _KEPT < now:
                del self._calls[key]

    def has(self, step: Step) -> bool:
        """Tell whether a call record is that of a call that is forgotten."""
        trunk, _ = read_parties(step.facts)
        key: Key = ("trunk", trunk) if step.ref is None else ("ref", step.ref)
        past = self._calls.get(key)
        if past is None or step.moment.host is None:
            return False
        began, ended = find_span(step)
        return past.began_at - _SLACK <= began and ended <= past.ended_at + _SLACK


class WaitingRecords:
    """Call records that belong to no call yet."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()

    @property
    def due_at(self) -> datetime:
        """When the first of them has waited for long enough."""
        return self._steps[0].moment.received + GRACE if self._steps else NEVER

    @property
    def steps(self) -> Iterable[Step]:
        """The records that wait."""
        return self._steps

    def add(self, step: Step) -> None:
        """Have a record wait for its call."""
        self._steps.append(step)

    def take_due(self, now: datetime) -> Iterator[Step]:
        """Yield the records that have waited for long enough."""
        while self._steps and now - self._steps[0].moment.received > GRACE:
            yield self._steps.popleft()


def find_call(index: Index, step: Step) -> Joined | None:
    """Return the call that a record belongs to: by its reference, else by its trunk or station and its time.

    A record with a reference belongs to no call that has another one.
    """
    if (named := index.by_ref(step.ref)) is not None:
        return named if _fits(named, step) else None
    trunk, station = read_parties(step.facts)
    found = [
        call
        for call in _list_candidates(index, trunk, station)
        if _fits(call, step) and not (call.refs and step.ref is not None)
    ]
    ended = [call for call in found if not call.is_open]
    return max(ended or found, key=lambda call: call.heard_at, default=None)


def _list_candidates(index: Index, trunk: str, station: str) -> list[Joined]:
    last = index.by_last_trunk(trunk)
    calls = index.by_station(station) + ([last] if last is not None else [])
    return [
        call
        for call in calls
        if (not trunk or trunk in call.course.trunks or not call.course.trunks) and not is_recorded_only(call)
    ]


def _fits(call: Joined, step: Step) -> bool:
    """Tell whether a record can be of a call, by the time it tells; one of records alone takes what adjoins."""
    if step.moment.host is None:
        return not is_recorded_only(call)
    began, ended = find_span(step)
    steps = call.course.steps
    if is_recorded_only(call):
        first = min(find_span(each)[0] for each in steps)
        last = max(find_span(each)[1] for each in steps)
        return step.ref is not None and first - _SLACK <= began <= last + _SLACK
    over = call.course.end
    return steps[0].moment.at - _SLACK <= ended and (over is None or began <= over.at + _SLACK)


def is_recorded_only(call: Joined) -> bool:
    """Tell whether nothing but call records tells of a call."""
    return all(each.verb in ("record", "close") for each in call.course.steps)


def may_end(call: Joined, step: Step) -> bool:
    """Tell whether a record may be the end of a call that is open: not one that only tells of a part.

    One of a station that has passed the call on tells of its part.
    """
    if not call.is_open or str(step.facts.get("direction") or "") in _MOVES_ON:
        return False
    _, station = read_parties(step.facts)
    lines = call.course.list_lines()
    is_there = any(station in line.legs for line in lines)
    return is_there or station not in call.course.stations or not any(line.legs for line in lines)
