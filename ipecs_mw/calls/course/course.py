"""The course of one call: its steps in the host's order → who rang, talked, held and waited, from when until when.

A call has one line a reference; a consultation is a second line until a transfer or a conference makes them one.
After each step the call is in one phase, the busiest thing that anybody in it does; so phases cannot overlap.
"""

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ipecs_mw.calls.course.line import Line
from ipecs_mw.calls.course.results import judge_result
from ipecs_mw.calls.steps.steps import Moment, Step, is_trunk

PHASES = ("talk", "consult", "park", "hold", "queue", "ring", "voicemail")
"""What a call may be in, the busiest first."""

RANKS = {
    "talk": 0,
    "conference": 0,
    "consult": 1,
    "park": 2,
    "hold": 3,
    "held": 3,
    "recall": 3,
    "transfer": 3,
    "queue": 4,
    "ring": 5,
    "dial": 5,
    "announcement": 5,
    "voicemail": 6,
}
"""The phase that each kind of segment makes of the call, as a place in `PHASES`."""

MOST_LINES = 32
"""Of more references than a conference has, the first is over: each step looks at all of them."""

CLOSERS = frozenset(
    {"time_limit", "step_limit", "trunk_taken", "reference_reused", "state_read", "record", "out_of_sight"}
)
"""How the end of a call was found out of which nothing told."""

_GROUPED = frozenset({"queue", "ring", "talk", "conference"})
_NAMES_GROUP = frozenset({"offer", "queue", "ring", "arrive", "overflow"})
_FACTS = {
    "inbound": ("did_number", "caller_number", "caller_name"),
    "dialed": ("number_dialed",),
    "note": ("number_dialed", "caller_number", "account_code"),
    "seize": ("dial_digit",),
    "record": ("account_code",),
}
"""What the steps tell that a record repeats; the first that tells it counts."""

_MOVES = frozenset({"offer", "queue", "ring", "answer", "overflow", "divert"})
"""What tells where a call is; after that a wait is another one."""

_QUEUE = " queue "
_ELSEWHERE_SECONDS = 1.0
_SAME_WAIT_SECONDS = 2.0
_SAME_END_SECONDS = 3.0


class Segment(Struct):
    """What one party did from when until when; `ends` is absent while it lasts."""

    kind: str
    begins: Moment
    station: str = ""
    group: str = ""
    ends: Moment | None = None
    result: str = ""


class Course(Struct):
    """What the steps so far add up to. `end` is when the conversation was over, absent while it lasts.

    `machines` are devices that are no person: their answer is none. `origin` is who began the call: a `trunk`, a
    `station`, or `outside` where only a number was told. `bins` are the numbers of groups by bin that this call
    alone tells.
    """

    machines: Collection[str] = ()
    steps: list[Step] = []
    lines: dict[int | None, Line] = {}
    segments: list[Segment] = []
    phases: list[Segment] = []
    running: dict[str, Segment] = {}
    wrapping: dict[str, Segment] = {}
    phase: str = ""
    origin: str = ""
    known: dict[str, Any] = {}
    trunks: dict[str, None] = {}
    stations: dict[str, None] = {}
    groups: dict[str, None] = {}
    agents: dict[str, str] = {}
    gaps: list[str] = []
    has_gap_since_heard: bool = False
    end: Moment | None = None
    seen_over: Moment | None = None
    closed_by: str = ""
    ended_by: str = ""
    end_phase: str = ""
    refusal: str = ""
    line_cause: int | None = None
    call_cause: int | None = None
    answered: Segment | None = None
    answered_at: Moment | None = None
    picker: str = ""
    has_voicemail: bool = False
    holds: int = 0
    transfers: int = 0
    conferences: int = 0
    doing: dict[str, tuple[str, str]] = {}
    bins: dict[str, str] = {}

    def list_lines(self) -> list[Line]:
        """Return the lines, each once: references that a transfer united share theirs."""
        lines = self.lines
        return (
            list(lines.values())
            if len(lines) < 2
            else list({id(each): each for each in lines.values()}.values())
        )

    def find_line(self, step: Step) -> Line:
        """Return the line that a step is about; a reference without one begins one."""
        lines = self.lines
        if (line := lines.get(step.ref)) is not None:
            return line
        if step.ref is None and lines:
            return (
                self._find_line_of(step.who) or self._find_line_of(step.other) or next(iter(lines.values()))
            )
        made = lines[step.ref] = lines.pop(None) if None in lines else Line()
        if len(lines) > MOST_LINES:
            del lines[next(iter(lines))]
        return made

    def _find_line_of(self, party: str) -> Line | None:
        return next(
            (line for line in self.lines.values() if party in line.legs or party in line.trunks), None
        )

    def put(self, line: Line, party: str, state: str, *, is_told: bool = True) -> None:
        """Have a party do something in a line; a machine does nothing that counts."""
        if not party or party in self.machines:
            return
        line.put(party, state, is_told=is_told)
        if not is_trunk(party):
            self.stations[party] = None

    def unite(self) -> Line:
        """Make one line of all lines of the call and return it."""
        joined, *others = self.list_lines()
        for other in others:
            joined.take_over(other)
        for ref in self.lines:
            self.lines[ref] = joined
        return joined

    def is_holding(self, station: str, but: Line | None = None) -> bool:
        """Tell whether a station holds a line of the call, other than the one given."""
        return any(line is not but and line.legs.get(station) == "holding" for line in self.lines.values())

    def close(self, moment: Moment, closed_by: str, ended_by: str = "") -> None:
        """End the call."""
        if self.end is None:
            self.end, self.closed_by, self.ended_by = moment, closed_by, ended_by
            self.end_phase = self.phases[-1].kind if self.phases else ""

    def close_if_deserted(self, step: Step, ended_by: str) -> None:
        """End the call where nobody is left who could go on."""
        if not any(line.is_alive() for line in self.list_lines()):
            is_out_of_sight = step.verb == "release" and any(line.is_moving for line in self.lines.values())
            self.close(step.moment, "out_of_sight" if is_out_of_sight else step.verb, ended_by)

    def wrap_up(self, step: Step) -> None:
        """Begin the wrap-up of a station."""
        if step.who not in self.wrapping:
            segment = Segment("wrap_up", step.moment, step.who, next(reversed(self.groups), ""))
            self.wrapping[step.who] = segment
            self.segments.append(segment)

    def end_wrap_up(self, step: Step) -> None:
        """End the wrap-up of a station."""
        if (segment := self.wrapping.pop(step.who, None)) is not None:
            segment.ends = step.moment

    def find_doing(self, station: str) -> tuple[str, str]:
        """Return the kind of segment that a station is in, and the group whose call that is; blanks for none."""
        return self.doing.get(station, ("", ""))

    def is_groups(self, station: str) -> bool:
        """Tell whether a station serves a group's call: it came to a group, and the station did not make it."""
        return bool(self.groups) and (self.origin != "station" or self.list_lines()[0].caller != station)

    def find_last(self, station: str) -> Segment | None:
        """Return the last segment of a station in which it talked or held."""
        kinds = ("talk", "consult", "conference", "hold", "held")
        return next((s for s in reversed(self.segments) if s.station == station and s.kind in kinds), None)

    def name_group(self, step: Step) -> Step:
        """Return the step with the number of its group, where only this call tells which group its bin is.

        A bin that nobody has told of yet stands for the number. ACD events and call events both tell of one wait,
        within a moment: what they then call differently is one group.
        """
        if step.verb == "queue" and (last := self._find_same_wait(step)) is not None:
            told, named = (step, last) if step.bin else (last, step)
            self.bins[told.bin] = named.group
            self._rename_group(told.bin, named.group)
        if step.bin and step.group == step.bin and step.bin in self.bins:
            return replace(step, group=self.bins[step.bin])
        return step

    def _find_same_wait(self, step: Step) -> Step | None:
        """Return the step before this one which told of the same wait by another kind of event and name."""
        last = next((each for each in reversed(self.steps) if each.verb in _MOVES), None)
        if last is None or last.verb != "queue" or bool(last.bin) == bool(step.bin):
            return None
        told, named = (step, last) if step.bin else (last, step)
        is_unknown = told.group == told.bin != named.group and named.group and told.bin not in self.bins
        return last if is_unknown and step.moment.seconds_since(last.moment) <= _SAME_WAIT_SECONDS else None

    def _rename_group(self, group_bin: str, number: str) -> None:
        self.groups = dict.fromkeys(number if group == group_bin else group for group in self.groups)
        for segment in self.segments:
            if segment.group == group_bin:
                segment.group = number
        for line in self.list_lines():
            if line.group == group_bin:
                line.group = number
        if (key := _QUEUE + group_bin) in self.running:
            self.running[_QUEUE + number] = self.running.pop(key)
        self.doing = {}  # found out anew by the names of now

    def note(self, step: Step) -> None:
        """Note who and what is involved."""
        for trunk in step.trunks:
            self.trunks[trunk] = None
        if step.group and step.verb in _NAMES_GROUP:
            self.groups[step.group] = None
        if step.verb in _FACTS:
            for name in _FACTS[step.verb]:
                if value := step.facts.get(name):
                    self.known.setdefault(name, value)
        if step.outside:
            self.known.setdefault("outside", step.outside)
        if step.verb == "gap":
            self.gaps.append(step.event_id)
            self.has_gap_since_heard = True
        elif self.gaps and step.verb not in ("record", "close"):
            self.has_gap_since_heard = False

    def forget_refusal(self) -> None:
        """Have what one phone said be no outcome of the call, which goes on elsewhere."""
        self.refusal, self.call_cause = "", None

    def reopen(self) -> None:
        """Have a call go on that had ended."""
        self.end, self.closed_by, self.ended_by, self.end_phase = None, "", "", ""
        self.line_cause = None
        self.forget_refusal()

    def find_last_hang_up(self, step: Step) -> str:
        """Return who hung up a moment before a step; blank where nobody was told to."""
        for each in reversed(self.steps):
            if step.moment.seconds_since(each.moment) > _SAME_END_SECONDS:
                break
            if each.verb == "hang_up":
                return each.who
        return ""

    def is_in_vain(self, step: Step) -> bool:
        """Tell whether a trunk gives up on a station that never rang: it was busy, or undisturbed."""
        if not is_trunk(step.who) or self.gaps or not step.other or is_trunk(step.other):
            return False
        return step.other not in self.groups and step.other not in self.stations

    def learn_of_end(self, step: Step) -> None:
        """Take from what is told after the end why it ended, and who hung up."""
        if step.verb == "hang_up":
            self.line_cause = step.cause if self.line_cause is None else self.line_cause
        elif step.verb in ("release", "fail") and step.cause is not None:
            self.call_cause = step.cause if self.call_cause is None else self.call_cause
        is_idle = self.closed_by in ("trunk_idle", "station_idle")
        if step.verb not in ("hang_up", "abandon") or not is_idle or self.end is None:
            return
        if step.moment.seconds_since(self.end) > _SAME_END_SECONDS:
            return
        if step.verb == "abandon" and self.is_in_vain(step):
            self.refusal = "busy"
        else:
            self.ended_by = step.who

    def follow(self, step: Step) -> None:
        """Close the segments that have ended with this step, begin those that have begun, and so the phases."""
        doing = {} if self.end is not None else self._list_doings()
        if doing == self.doing:
            return
        self.doing = doing
        for key, segment in list(self.running.items()):
            now = doing.get(key)
            if now is None or now[0] != segment.kind:
                self._finish(key, segment, step, "" if now is None else now[0])
        for key, (kind, group) in doing.items():
            if key not in self.running:
                station = "" if key.startswith(" ") else key
                segment = Segment(kind, step.moment, station, group if kind in _GROUPED else "")
                self.running[key] = segment
                self.segments.append(segment)
        self._turn_phase(step.moment)

    def _list_doings(self) -> dict[str, tuple[str, str]]:
        """Return the kind of segment, and the group, of each station, and what the call itself waits for."""
        doing: dict[str, tuple[str, str]] = {}
        for line in self.list_lines():
            for station, state in line.legs.items():
                kind = line.find_kind(state)
                if kind and (station not in doing or RANKS[kind] < RANKS[doing[station][0]]):
                    doing[station] = (kind, line.group)
            if line.is_connected and len(line.trunks) > 1 and not line.legs:
                doing[" trunks"] = ("talk", "")
            if line.is_waiting:
                doing[_QUEUE + line.group] = ("queue", line.group)
            if line.is_parked:
                doing[" park"] = ("park", "")
            if line.is_moving and line.is_connected and not line.is_waiting:
                doing[" transfer"] = ("transfer", "")
        return doing

    def _finish(self, key: str, segment: Segment, step: Step, becomes: str) -> None:
        del self.running[key]
        segment.ends = step.moment
        is_over = self.end is not None
        segment.result = judge_result(
            segment.kind, segment.station, step, becomes, is_over=is_over, picker=self.picker
        )
        if segment.result == "no_answer" and self.phase == "talk":
            segment.result = "answered_elsewhere"
        if segment.result == "answered" and segment.kind == "ring":
            self._credit_elsewhere(step.moment)

    def _credit_elsewhere(self, moment: Moment) -> None:
        """Correct what rang until a moment before the answer: the losers may be told of before the winner."""
        for other in reversed(self.segments[-6:]):
            is_unanswered = other.kind == "ring" and other.result == "no_answer"
            if is_unanswered and other.ends and moment.seconds_since(other.ends) < _ELSEWHERE_SECONDS:
                other.result = "answered_elsewhere"

    def _turn_phase(self, moment: Moment) -> None:
        rank = min((RANKS[kind] for kind, _ in self.doing.values()), default=len(PHASES))
        phase = PHASES[rank] if rank < len(PHASES) else ""
        if phase == self.phase:
            return
        last = self.phases[-1] if self.phase else None
        if last is not None:
            last.ends = moment
            if last.kind == "queue" and phase in ("talk", "consult"):
                self._split_wait(last, moment)
        self.phase = phase
        if phase:
            self.phases.append(Segment(phase, moment))

    def _split_wait(self, waited: Segment, moment: Moment) -> None:
        """End the wait where the phone that has just answered began to ring."""
        won = ("answered", "picked_up")
        rings = (s for s in reversed(self.segments) if s.kind == "ring" and s.result in won)
        just = (ring for ring in rings if ring.ends and moment.seconds_since(ring.ends) <= _SAME_END_SECONDS)
        begins = next((ring.begins for ring in just), None)
        if begins is not None:
            waited.ends = max(begins, waited.begins, key=lambda each: each.received)
            self.phases.append(Segment("ring", waited.ends, ends=moment))
