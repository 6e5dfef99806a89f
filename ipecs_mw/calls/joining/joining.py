"""Which call a step belongs to: by the reference where there is one, else by the trunk, else by the stations.

One `HostCalls` a host. It takes its steps in the order in which the host sent them, and is a function of them: the
same steps give the same calls, however they are cut into batches.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from hashlib import blake2s

from msgspec.structs import replace

from ipecs_mw.calls.course.actions import apply, replay, revive
from ipecs_mw.calls.course.course import CLOSERS, Course
from ipecs_mw.calls.joining import finding, records
from ipecs_mw.calls.joining.index import GRACE, MOST_REVIVED, MOST_STEPS, Index, Joined
from ipecs_mw.calls.joining.logins import Logins
from ipecs_mw.calls.joining.merging import merge_steps
from ipecs_mw.calls.steps import verbs
from ipecs_mw.calls.steps.steps import ELSEWHERE_CAUSES, Step, is_trunk, rings_for_group

_IDLE_STATES = frozenset({"idle", "block", "DND"})


class HostCalls:
    """The calls of one host: open ones, and those that ended so shortly ago that more may come of them.

    `bins` are the numbers of groups by bin, as configured; `machines` are devices that are no person.
    """

    def __init__(
        self, host: str, *, bins: Mapping[str, str] | None = None, machines: Collection[str] = ()
    ) -> None:
        self._host = host
        self._machines = frozenset(machines) | set((bins or {}).values())
        self._index = Index()
        self._past = records.PastCalls()
        self._waiting = records.WaitingRecords()
        self._picked: dict[str, Step] = {}
        self._wrapping: dict[str, str] = {}
        self._changed: dict[str, Joined | None] = {}
        self._touched: dict[str, Joined] = {}
        self.logins = Logins(bins)
        self._takers: dict[str, Callable[[Step], None]] = {
            "gap": self._take_gap,
            "station_idle": self._take_station_idle,
            "out_of_service": self._take_station_idle,
            "state_read": self._take_state,
            "queue": self._take_queue,
            "wrap_up": self._take_wrap_up,
            **dict.fromkeys(("wrapped_up", "ready", "not_ready", "logout"), self._end_wrap_up),
            "pick_up": self._take_pickup,
            "transfer": self._take_union,
            "conference": self._take_union,
            "record": self._take_record,
        }

    def take(self, step: Step) -> None:
        """Take the next step in."""
        verb = step.verb
        self.pass_time(step.moment.received)
        if verb in verbs.OF_AGENTS:
            self.logins.take(step)
        if verb in verbs.NO_CALL:
            return
        if verb in verbs.GROUPED:
            step = self._name_group(step)
        if (take := self._takers.get(verb)) is not None:
            take(step)
        elif (call := self._find(step)) is not None:
            self._give(call, finding.guess_group(self.logins, call, step))

    def take_changed(self) -> Iterator[tuple[str, Joined | None]]:
        """Yield what has changed since it was last asked, by id; None for a call that became part of another."""
        changed, self._changed = self._changed, {}
        yield from changed.items()

    def mark_changed(self) -> None:
        """Have all calls that more may come of count as changed."""
        self._changed.update(self._index.calls)

    def is_settled(self, call_id: str) -> bool:
        """Tell whether no more will come of a call that has been told."""
        return call_id not in self._index.calls

    def list_expected(self) -> Mapping[str, datetime]:
        """Return the ids of the calls that records may yet make which wait for theirs, and when each began."""
        return {self._name(step): step.moment.at for step in self._waiting.steps}

    def take_touched(self) -> Iterator[Joined]:
        """Yield the calls to which something has happened since it was last asked."""
        touched, self._touched = self._touched, {}
        yield from touched.values()

    def open_calls(self) -> Iterator[Joined]:
        """Yield the calls that have not ended; what is done to one may have it forgotten."""
        return (call for call in list(self._index.calls.values()) if call.is_open)

    def calls_at(self, station: str) -> list[Joined]:
        """Return the open calls of a station."""
        return self._index.open_at(station)

    def pass_time(self, now: datetime) -> None:
        """Forget what has ended, close what has been silent for too long, and give up on waiting records.

        With every event, also one that is no step: time passes by what the log says, so that every reading of it
        gives the same.
        """
        if self._waiting.due_at < now:
            for step in self._waiting.take_due(now):
                self._open_from_record(step)
        if self._index.due_at < now:
            for call in self._index.take_due(now):
                self._on_due(call, now)

    def _on_due(self, call: Joined, now: datetime) -> None:
        if not call.is_open:
            self._past.add(call, now)
            self._past.drop_old(now)
            self._index.remove(call)
            return
        if call.recorded_at is None:
            self._close(call, "time_limit")
        else:
            self._close_by_record(call)
        self._index.wake(call)

    def _name_group(self, step: Step) -> Step:
        """Return the step with the number of its group."""
        return replace(step, group=self.logins.number_of(step.bin)) if step.bin else step

    # which call

    def _find(self, step: Step) -> Joined | None:
        if step.ref is not None:
            return self._find_by_ref(step)
        for party in (step.who, step.other):
            if is_trunk(party):
                return self._find_on_trunk(party, step)
        if step.verb == "seize":
            return finding.find_dialing(self._index, step.who) or self._open(step)
        found = finding.find_between(self._index, step)
        if len(found) > 1:
            for call in found:
                call.marks["ambiguous"] = None
                self._changed[call.id] = call
        return found[0] if len(found) == 1 else None

    def _find_on_trunk(self, trunk: str, step: Step) -> Joined | None:
        """Return the call that a trunk has; its ring or seizure begins one, where no station tells of it."""
        call = self._index.by_trunk(trunk)
        if step.verb in ("arrive", "seize") and finding.is_anew_on_trunk(call, step):
            return finding.find_without_trunk(self._index, step) or self._open(step)
        if call is None and step.verb == "abandon":
            return self._index.by_last_trunk(trunk)
        return call

    def _find_by_ref(self, step: Step) -> Joined | None:
        call = self._index.by_ref(step.ref)
        if call is not None and step.verb in finding.MAY_OPEN_ANEW and finding.is_anew(call, step):
            if call.is_open:
                self._close(call, "reference_reused")
            call = None
        if call is None:
            call = finding.find_unnamed(self._index, step) or self._open(step)
        if call is not None and self._picked:
            self._settle_pickup(call, step)
        return call

    def _name(self, step: Step) -> str:
        """Return the id of the call that a step opens."""
        return f"{self._host}:{blake2s(step.event_id.encode(), digest_size=8).hexdigest()}"

    def _open(self, step: Step) -> Joined | None:
        """Open a call; None for a step that begins none. One whose beginning was not heard says so."""
        if step.verb not in verbs.OPENS:
            return None
        call = Joined(self._name(step), replay((), self._machines), step.moment.received)
        if step.verb not in verbs.BEGINS:
            call.marks["began_before"] = None
        self._index.add(call)
        return call

    # steps that are found in a way of their own

    def _take_gap(self, step: Step) -> None:
        for call in self.open_calls():
            self._give(call, step)

    def _take_station_idle(self, step: Step) -> None:
        for call in self._index.open_at(step.who):
            self._give(call, step)

    def _take_state(self, step: Step) -> None:
        """Take what was read of a station after a gap: whether its calls that were open then still live."""
        is_idle = str(step.facts.get("state") or "") in _IDLE_STATES
        for call in self._index.open_at(step.who):
            if call.course.gaps and is_idle:
                self._give(call, step)
            elif not is_idle:
                call.heard_at = max(call.heard_at, step.moment.received)

    def _take_queue(self, step: Step) -> None:
        """Take a wait in a group; a call event tells it without a reference, so the caller names the call."""
        if step.ref is not None or is_trunk(step.who):
            call = self._find(step)
        else:
            call = finding.find_caller(self._index, step) or (self._open(step) if step.outside else None)
        if call is not None:
            self._give(call, step)

    def _take_wrap_up(self, step: Step) -> None:
        """Attach a wrap-up to the last group's call of its station, if that ended at most 10 s before."""
        call = finding.find_wrapped(self._index, step)
        if call is not None and self._wrapping.get(step.who) != call.id:
            self._end_wrap_up(replace(step, verb="wrapped_up"))
            self._wrapping[step.who] = call.id
            self._give(call, step)

    def _end_wrap_up(self, step: Step) -> None:
        call = self._index.calls.get(self._wrapping.pop(step.who, ""))
        if call is not None:
            self._give(
                call, step if step.verb == "wrapped_up" else replace(step, verb="wrapped_up", ref=None)
            )

    def _take_pickup(self, step: Step) -> None:
        """Give a pickup to the call that it took; where that is not plain, the next answer or release decides."""
        call = finding.find_picked(self._index, step)
        if call is None:
            at = step.moment.received
            self._picked = {
                who: each for who, each in self._picked.items() if at - each.moment.received <= GRACE
            }
            self._picked[step.who] = step
        else:
            self._give(call, step)

    def _settle_pickup(self, call: Joined, step: Step) -> None:
        """Give a call the pickup that is decided by an answer at the picker, or by a release at the loser."""
        picked = None
        if step.verb == "answer":
            picked = self._picked.pop(step.who, None) or self._picked.pop(step.other, None)
        elif step.verb == "release" and step.cause in ELSEWHERE_CAUSES:
            who = next((who for who, each in self._picked.items() if each.other in (step.who, "")), "")
            picked = self._picked.pop(who, None)
        if picked is not None and step.moment.received - picked.moment.received <= GRACE:
            self._give(call, picked)

    # transfers and conferences

    def _take_union(self, step: Step) -> None:
        """Make one call of those that a transfer or a conference joins, whichever reference it names."""
        named = finding.find_named(self._index, step)
        holder = finding.find_holder(self._index, step, named)
        if holder and step.verb == "transfer":
            step = replace(step, who=holder, to=step.to or finding.find_target(step, holder))
        parts = finding.list_parts(self._index, step, named, holder)
        if parts:
            first, *others = parts
            if others:
                self._merge(first, others)
            self._give(first, step)
        elif (call := self._find(step)) is not None:
            self._give(call, step)

    def _merge(self, first: Joined, others: list[Joined]) -> None:
        calls = (first, *others)
        agents: dict[str, str] = {}
        for call in reversed(calls):
            agents |= call.course.agents
            first.marks |= call.marks
        first.course = replay(merge_steps(calls), self._machines)
        first.course.agents = agents
        self._touched[first.id] = first
        for other in others:
            self._index.replace(other, first)
            self._changed[other.id] = None
            self._touched[other.id] = other
            other.is_gone = True
            for station, call_id in self._wrapping.items():
                if call_id == other.id:
                    self._wrapping[station] = first.id
        first.heard_at = max(call.heard_at for call in calls)

    # giving

    def _give(self, call: Joined, step: Step) -> None:
        index, verb = self._index, step.verb
        if step.ref is not None and index.by_ref(step.ref) is not call:
            index.place_ref(step.ref, call)
        if verb not in verbs.FREES_TRUNK:
            for trunk in step.trunks:
                self._take_trunk(call, trunk, step)
        finding.note_numbers(index, call, step)
        if step.who in self._wrapping and rings_for_group(step):
            self._end_wrap_up(replace(step, verb="wrapped_up", other="", ref=None, trunks=()))
        if verb == "answer":
            self._hang_up_elsewhere(call, step)
        self._apply(call, step)
        if verb == "trunk_idle":
            index.free_trunk(step.who)
        self._changed[call.id] = call
        if len(call.course.steps) >= MOST_STEPS:
            self._close(call, "step_limit")
            self._on_due(call, step.moment.received)

    def _apply(self, call: Joined, step: Step) -> None:
        """Take a step into the course of a call; one that shows that it lives undoes an end that was inferred."""
        course = call.course
        if course.end is not None and course.closed_by in CLOSERS and step.verb not in verbs.NO_LIFE:
            self._touched[call.id] = call
            course = self._revive(call, step) if len(course.steps) < MOST_REVIVED else course
        was_open, known, doing = course.end is None, len(course.stations), course.doing
        was_unseen = course.has_gap_since_heard
        apply(course, step)
        if course.doing is not doing or was_unseen:
            self._touched[call.id] = call
        if len(course.stations) != known:
            self._index.place_stations(call)
            for station in course.stations:
                if station not in course.agents and (agent := self.logins.agent_at(station)):
                    course.agents[station] = agent
        if step.verb not in verbs.NO_EVIDENCE:
            call.heard_at = max(call.heard_at, step.moment.received)
            call.recorded_at = None
        if was_open and course.end is not None:
            call.recorded_at = call.recorded_at if course.closed_by == "record" else None
            self._index.wake(call)

    def _revive(self, call: Joined, step: Step) -> Course:
        """Undo the end of a call that was inferred; a trunk that another call has by now does not come back."""
        course = call.course = revive(call.course, step, verbs.INFERRED, self._machines)
        for trunk in course.trunks if course.end is None else ():
            if (other := self._index.by_trunk(trunk)) is not None and other is not call:
                apply(course, replace(step, verb="trunk_idle", who=trunk, other="", ref=None, trunks=()))
        return course

    def _hang_up_elsewhere(self, call: Joined, step: Step) -> None:
        """End the dialling of a station that talks again: nothing else may tell that its consultation is over."""
        for other in self._index.open_at(step.who):
            if other is not call and other.course.find_doing(step.who)[0] == "dial":
                self._give(other, replace(step, verb="station_idle", other="", ref=None, trunks=()))

    def _take_trunk(self, call: Joined, trunk: str, step: Step) -> None:
        """Note which call a trunk has: only one at a time, so the former one has ended, or goes on without it."""
        former = self._index.by_trunk(trunk)
        if former is call:
            return
        self._index.place_trunk(trunk, call)
        if former is not None and former.is_open and step.verb in finding.OPENS_ANEW:
            self._close(former, "trunk_taken")
        elif former is not None and former.is_open:
            self._apply(former, replace(step, verb="trunk_idle", who=trunk, other="", ref=None, trunks=()))
            self._changed[former.id] = former

    def _close(self, call: Joined, closed_by: str) -> None:
        """End a call whose end was not heard: when it was last heard of."""
        last = next(
            (step for step in reversed(call.course.steps) if step.verb not in verbs.NO_EVIDENCE),
            call.course.steps[-1],
        )
        self._apply(call, Step("close", last.event_id, last.order, last.moment, to=closed_by))
        self._changed[call.id] = call

    # call records

    def _take_record(self, step: Step) -> None:
        if not self._join_record(step):
            self._waiting.add(step)

    def _join_record(self, step: Step) -> bool:
        """Attach a call record to its call; False where there is none yet."""
        if (call := records.find_call(self._index, step)) is None:
            return self._past.has(step)
        may_end = records.may_end(call, step)
        self._give(call, step)
        if may_end:
            call.recorded_at = step.moment.received
            self._index.wake(call)
        elif not call.is_open:
            call.heard_at = max(call.heard_at, step.moment.received)
        return True

    def _open_from_record(self, step: Step) -> None:
        """Make a call of a record that no event told of; a second record of the same reference joins it."""
        if self._join_record(step):
            self._changed[self._name(step)] = None  # the call that it would have made
            return
        if (call := self._open(step)) is not None:
            self._give(call, step)
            ended = records.find_end(call, step)
            self._apply(call, Step("close", step.event_id, step.order, ended, to="record"))

    def _close_by_record(self, call: Joined) -> None:
        """End a call of which nothing was heard for a while after its record, when the record says."""
        step = next(step for step in reversed(call.course.steps) if step.verb == "record")
        moment = records.find_end(call, step)
        self._apply(call, Step("close", step.event_id, step.order, moment, to="record"))
        self._changed[call.id] = call
