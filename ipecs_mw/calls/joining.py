"""Which call a step belongs to: by the reference where there is one, else by the trunk, else by the stations.

One `HostCalls` a host. It takes its steps in the order in which the host sent them, and is a pure function of them:
the same steps give the same calls, however they are cut into batches.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.course import Course, is_trunk, replay
from ipecs_mw.calls.steps import ELSEWHERE_CAUSES, Moment, Step

GRACE = timedelta(seconds=90)
"""So long a call that has ended takes what still comes of it: call records, wrap-up, a late event."""

LIMIT = timedelta(hours=12)
"""A call that has had no event for so long is closed."""

_WRAP_UP_WITHIN = timedelta(seconds=10)
_TURN = timedelta(seconds=1)
_JUST_ENDED = timedelta(seconds=3)  # a consultation may be over a moment before its transfer is told
_OPENS_ANEW = frozenset({"arrive", "seize"})
_BEGINS = _OPENS_ANEW | {"ring", "inbound", "record"}
_NEW_CALL = 22
_NEVER_OPENS = frozenset(
    {"trunk_idle", "trunk_busy", "station_idle", "station_busy", "wrap_up", "wrapped_up", "note", "state_read",
     "abandon", "pick_up", "overflow", "release", "hang_up", "leave", "dialed", "no_answer"}
)  # fmt: skip


class Joined(Struct):
    """A call that is being joined; `is_begun_before` where its beginning was not heard."""

    id: str
    course: Course
    heard_at: datetime
    is_begun_before: bool = False
    is_ambiguous: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.course.end is None


class HostCalls:
    """The calls of one host: open ones, and those that ended so shortly ago that more may come of them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._calls: dict[str, Joined] = {}
        self._refs: dict[Any, str] = {}
        self._trunks: dict[Any, str] = {}
        self._places = (self._refs, self._trunks)
        self._pending: deque[Step] = deque()  # call records that belong to no call yet
        self._picked: dict[str, Step] = {}  # pickups of which the call is not known yet, by picker
        self._changed: dict[str, Joined | None] = {}
        self._passed_at = datetime.min.replace(tzinfo=UTC)

    def take(self, step: Step) -> None:
        """Take the next step in."""
        self.pass_time(step.moment.received)
        if step.verb == "gap":
            for call in self._calls.values():
                if call.is_open:
                    self._give(call, step)
            return
        if step.verb == "record":
            if not self._take_record(step):
                self._pending.append(step)
            return
        call = self._find(step)
        if call is not None:
            self._give(call, step)

    def take_changed(self) -> Iterator[tuple[str, Joined | None]]:
        """Yield what has changed since it was last asked, by id; None for a call that became part of another."""
        changed, self._changed = self._changed, {}
        yield from changed.items()

    def open_calls(self) -> Iterator[Joined]:
        """Yield the calls that have not ended."""
        return (call for call in self._calls.values() if call.is_open)

    # finding

    def _find(self, step: Step) -> Joined | None:
        if step.verb in ("transfer", "conference") and (united := self._unite(step)) is not None:
            return united
        if step.ref is not None:
            return self._find_by_ref(step)
        if step.verb in ("wrap_up", "wrapped_up"):
            return self._find_wrapped(step)
        if step.verb == "pick_up":
            return self._find_picked(step)
        for party in (step.who, step.other):
            if is_trunk(party):
                return self._calls.get(self._trunks.get(party, ""))
        if step.verb == "station_idle":
            for call in [call for call in self.open_calls() if step.who in call.course.stations]:
                self._give(call, step)
            return None
        if step.verb == "queue":
            return self._find_caller(step)
        return self._find_between(step)

    def _find_by_ref(self, step: Step) -> Joined | None:
        call = self._calls.get(self._refs.get(step.ref, ""))
        if call is not None and self._is_anew(call, step):
            if call.is_open:
                self._close(call, "reference_reused")
            call = None
        if call is None:
            if step.verb in _NEVER_OPENS:
                return None
            call = self._open(step)
        if step.verb == "answer":
            self._settle_pickup(call, step)
        elif step.verb == "release" and step.cause in ELSEWHERE_CAUSES:
            picked = next((p for p in self._picked.values() if p.other == step.who), None)
            if picked is not None:
                self._settle_pickup(call, picked)
        return call

    def _is_anew(self, call: Joined, step: Step) -> bool:
        """Tell whether a step opens a new call on a reference that an earlier one had."""
        if not call.is_open:
            return step.verb in _OPENS_ANEW or (step.verb == "ring" and step.cause == _NEW_CALL)
        return step.verb == "arrive" and any(each.verb == "arrive" for each in call.course.steps)

    def _open(self, step: Step) -> Joined:
        is_opening = step.verb in _BEGINS
        name = blake2s(step.event_id.encode(), digest_size=8).hexdigest()
        call = Joined(f"{self._host}:{name}", replay(()), step.moment.received, not is_opening)
        self._calls[call.id] = call
        return call

    def _find_between(self, step: Step) -> Joined | None:
        """Return the newest unanswered call between two stations, where there is one alone."""
        found = [
            call
            for call in self._calls.values()
            if call.is_open
            and call.course.answered_at is None
            and step.who in call.course.stations
            and (not step.other or step.other in call.course.stations or step.other in _dialed(call))
        ]
        if len(found) > 1:
            for call in found:
                call.is_ambiguous = True
                self._changed[call.id] = call
            return None
        return found[0] if found else None

    def _find_caller(self, step: Step) -> Joined | None:
        """Return the newest call of a caller who has not been answered: a queue is told without a reference."""
        waiting = [
            call
            for call in self._calls.values()
            if call.is_open
            and call.course.answered_at is None
            and step.who in {*call.course.stations, _caller(call)}
        ]
        return max(waiting, key=lambda call: call.course.steps[0].order, default=None)

    def _find_wrapped(self, step: Step) -> Joined | None:
        """Return the last group's call of a station: running wrap-up, else ended at most 10 s before."""
        mine = [
            call for call in self._calls.values() if step.who in call.course.stations and call.course.groups
        ]
        if step.verb == "wrapped_up":
            return next((call for call in mine if ("wrap_up", step.who) in call.course.running), None)
        ended = [
            (end, call)
            for call in mine
            if (end := _left_at(call, step.who)) is not None
            and step.moment.received - end.received <= _WRAP_UP_WITHIN
        ]
        return max(ended, key=lambda each: each[0].received, default=(None, None))[1]

    def _find_picked(self, step: Step) -> Joined | None:
        if is_trunk(step.other):
            return self._calls.get(self._trunks.get(step.other, ""))
        ringing = [
            call
            for call in self.open_calls()
            if any(line.legs.get(step.other) == "ringing" for line in call.course.lines.values())
        ]
        if len(ringing) == 1:
            return ringing[0]
        self._picked[step.who] = step
        return None

    def _settle_pickup(self, call: Joined, step: Step) -> None:
        picked = self._picked.pop(step.who, None)
        if picked is not None and step.moment.received - picked.moment.received < GRACE:
            self._give(call, picked)

    # uniting

    def _unite(self, step: Step) -> Joined | None:
        """Make one call of those that a station has when it transfers or joins them; None where there is none."""
        mine = [
            call
            for call in self._calls.values()
            if call.is_open and any(step.who in line.legs for line in call.course.lines.values())
        ]
        named = self._calls.get(self._refs.get(step.ref, "")) if step.ref is not None else None
        holds = any(
            line.legs.get(step.who) == "holding" for call in mine for line in call.course.lines.values()
        )
        if holds and len(mine) == 1:
            mine += [
                call
                for call in self._calls.values()
                if not call.is_open
                and step.who in call.course.stations
                and (left := _left_at(call, step.who)) is not None
                and step.moment.received - left.received <= _JUST_ENDED
                and call.course.steps[0].order > mine[0].course.steps[0].order
            ]
        parts = {call.id: call for call in (*mine, *((named,) if named is not None else ()))}
        if not parts or (len(parts) > 1 and not holds):
            return named
        first, *others = sorted(parts.values(), key=lambda call: call.course.steps[0].order)
        if others:
            self._merge(first, others)
        return first

    def _merge(self, first: Joined, others: list[Joined]) -> None:
        steps = {(step.order, step.event_id): step for call in (first, *others) for step in call.course.steps}
        first.course = replay([steps[key] for key in sorted(steps)])
        for other in others:
            del self._calls[other.id]
            self._changed[other.id] = None
            for places in self._places:
                places.update({key: first.id for key, call_id in places.items() if call_id == other.id})

    # giving

    def _give(self, call: Joined, step: Step) -> None:
        if step.ref is not None:
            self._refs[step.ref] = call.id
        for party in (step.who, step.other):
            if is_trunk(party) and step.verb not in ("trunk_idle", "note", "abandon", "hang_up"):
                self._take_trunk(call, party, step)
        call.course.apply(step)
        if step.verb == "trunk_idle":
            self._trunks.pop(step.who, None)
        call.heard_at = max(call.heard_at, step.moment.received)
        self._changed[call.id] = call

    def _take_trunk(self, call: Joined, trunk: str, step: Step) -> None:
        """Note which call a trunk has: only one at a time, so the former one must have ended."""
        former = self._calls.get(self._trunks.get(trunk, ""))
        if former is not None and former is not call and former.is_open and step.verb in ("arrive", "seize"):
            self._close(former, "trunk_taken")
        self._trunks[trunk] = call.id

    def _close(self, call: Joined, step: Step, verb: str) -> None:
        """End a call whose end was not heard: when it was last heard of."""
        last = call.course.steps[-1]
        made = Step(
            "time_limit" if verb == "reference_reused" else verb, step.event_id, step.order, last.moment
        )
        call.course.apply(made)
        call.course.closed_by = verb
        self._changed[call.id] = call

    # what time does

    def pass_time(self, now: datetime) -> None:
        """Forget what has ended, close what has been silent for too long, and give up on waiting records.

        With every event, also one that is no step: time passes by what the log says, so that every reading of it
        gives the same.
        """
        if now - self._passed_at < _TURN and now >= self._passed_at:
            return
        self._passed_at = now
        for call in list(self._calls.values()):
            silent = now - call.heard_at
            if call.is_open and silent > LIMIT:
                self._close(call, "time_limit")
            elif not call.is_open and silent > (LIMIT if call.course.running else GRACE):
                self._forget(call)
        while self._pending and now - self._pending[0].moment.received > GRACE:
            self._open_from_record(self._pending.popleft())
        self._picked = {
            who: picked for who, picked in self._picked.items() if now - picked.moment.received <= GRACE
        }

    def _forget(self, call: Joined) -> None:
        del self._calls[call.id]
        for places in self._places:
            for key in [key for key, call_id in places.items() if call_id == call.id]:
                del places[key]

    # call records

    def _take_record(self, step: Step) -> bool:
        """Attach a call record to its call; False where there is none yet."""
        call = self._calls.get(self._refs.get(step.ref, "")) if step.ref is not None else None
        if call is None and step.ref is None:
            call = self._match_record(step)
        if call is None:
            return False
        self._give(call, step)
        return True

    def _match_record(self, step: Step) -> Joined | None:
        """Return the call that a record without a reference is of: its trunk and station, ended within 90 s."""
        trunk, station = _record_parties(step.facts)
        found: list[Joined] = [
            call
            for call in self._calls.values()
            if (not trunk or trunk in call.course.trunks)
            and (trunk or station in call.course.stations)
            and (
                not station
                or is_trunk(station)
                or station in call.course.stations
                or not call.course.stations
            )
        ]
        ended = [call for call in found if not call.is_open]
        return max(ended or found, key=lambda call: call.heard_at, default=None)

    def _open_from_record(self, step: Step) -> None:
        """Make a call of a record that no event told of; a second record of the same reference joins it."""
        if self._take_record(step):
            return
        call = self._open(step)
        self._give(call, step)
        last = Moment(step.moment.received, step.moment.host)
        call.course.end, call.course.closed_by = last, "record"


def _record_parties(facts: Any) -> tuple[str, str]:
    """Return the trunk and the station of a call record; blank where it names none."""
    trunk = str(facts.get("co_number") or "").removeprefix("CO")
    station = str(facts.get("station_number") or "")
    return (f"CO{trunk}" if trunk else "", "" if is_trunk(station) else station)


def _dialed(call: Joined) -> set[str]:
    return {str(step.other) for step in call.course.steps if step.verb == "seize"}


def _caller(call: Joined) -> str:
    return next((str(n) for step in call.course.steps if (n := step.facts.get("caller_number"))), "")


def _left_at(call: Joined, station: str) -> Moment | None:
    """Return when a station had last done something in a call; None where it still does."""
    mine = [
        s
        for s in call.course.segments
        if s.station == station and s.kind in ("talk", "consult", "conference", "hold")
    ]
    return mine[-1].ends if mine else None
