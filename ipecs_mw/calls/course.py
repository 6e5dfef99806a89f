"""The course of one call: its steps in the host's order → who rang, talked, held and waited, from when until when.

A call has one *line* a reference; a consultation is a second line until a transfer or a conference makes them one.
At each moment the call is in one phase: queue, ring, talk, hold, park or consult.
"""

from collections.abc import Callable
from msgspec import Struct, field

from ipecs_mw.calls.steps import ELSEWHERE_CAUSES, Moment, Step

_BUSY, _NO_ANSWER, _NO_AGENT, _PARTY_REJECTS = 3, 10, 23, 103
_TRANSFER_CAUSES = frozenset({32, 52, 60})
_NAMES_ONLY = frozenset({"dialed", "inbound", "note", "record", "gap", "state_read", "station_busy"})
_ENDED_WAITS = frozenset({"answer", "voicemail"})


def is_trunk(party: str) -> bool:
    """Tell whether a party is a trunk."""
    return party.startswith("CO")


class Segment(Struct):
    """What one party did from when until when; `until` is absent while it lasts."""

    kind: str
    begins: Moment
    station: str = ""
    group: str = ""
    ends: Moment | None = None
    result: str = ""


class Line(Struct):
    """The parties of one reference. A leg is `dialing`, `ringing`, `talking`, `holding` or `held`.

    `is_consult` while the station that made it holds another line of the call.
    """

    legs: dict[str, str] = {}
    trunks: dict[str, None] = {}
    group: str = ""
    is_consult: bool = False
    is_conference: bool = False
    is_parked: bool = False
    is_waiting: bool = False  # in a group, and nobody of it has answered
    is_moving: bool = False  # a transfer is on its way: who comes next is not there yet
    is_connected: bool = False  # somebody has answered in it

    @property
    def is_talking(self) -> bool:
        """Whether somebody in it talks."""
        return not self.is_parked and "talking" in self.legs.values()


class Course(Struct):
    """What the steps so far add up to. `end` is when the conversation was over, absent while it lasts."""

    steps: list[Step] = []
    lines: dict[int | None, Line] = {}
    segments: list[Segment] = []
    phases: list[Segment] = []
    running: dict[tuple[str, str], Segment] = {}  # by kind of party and party
    end: Moment | None = None
    closed_by: str = ""
    ended_by: str = ""
    end_phase: str = ""
    cause: int | None = None
    call_cause: int | None = None
    answered: Segment | None = None
    answered_at: Moment | None = None
    has_voicemail: bool = False
    has_abandon: bool = False
    first: dict[str, Moment] = {}
    holds: int = 0
    transfers: int = 0
    conferences: int = 0
    gaps: list[str] = field(default_factory=list)
    trunks: dict[str, None] = field(default_factory=dict)
    stations: dict[str, None] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)

    def apply(self, step: Step) -> None:
        """Take in the next step."""
        self.steps.append(step)
        if step.verb in _NAMES_ONLY:
            if step.verb == "gap":
                self.gaps.append(step.event_id)
            self._name(step)
            return
        if step.verb in ("wrap_up", "wrapped_up"):
            self._wrap(step)
            return
        if self.end is not None and step.verb not in (
            "trunk_idle",
            "station_idle",
            "release",
            "hang_up",
            "time_limit",
        ):
            self._reopen()
        self._name(step)
        line = self._find_line(step)
        _DO.get(step.verb, _do_nothing)(self, line, step)
        self._follow(step)

    def _name(self, step: Step) -> None:
        """Note who and what is involved."""
        for party in (step.who, step.other):
            if is_trunk(party):
                self.trunks[party] = None
        if step.group and step.verb in ("offer", "queue", "overflow", "ring", "arrive"):
            self.groups[step.group] = None

    def _find_line(self, step: Step) -> Line:
        if step.ref in self.lines:
            return self.lines[step.ref]
        if step.ref is None and self.lines:
            return self._line_of(step.who) or self._line_of(step.other) or next(iter(self.lines.values()))
        line = self.lines[step.ref] = self.lines.pop(None, None) or Line({}, {})
        return line

    def _line_of(self, party: str) -> Line | None:
        return next(
            (line for line in self.lines.values() if party and (party in line.legs or party in line.trunks)),
            None,
        )

    def holds_elsewhere(self, station: str, line: Line) -> bool:
        """Tell whether a station holds another line of the call."""
        return any(
            other is not line and other.legs.get(station) == "holding" for other in self.lines.values()
        )

    def set_leg(self, line: Line, party: str, state: str) -> None:
        """Have a party do something in a line; a trunk is only there."""
        if not party:
            return
        if is_trunk(party):
            line.trunks[party] = None
            return
        line.legs[party] = state
        self.stations[party] = None

    def _reopen(self) -> None:
        self.end, self.closed_by, self.ended_by, self.cause = None, "", "", None
        self.has_abandon = False

    # what lasts: one segment a station, one phase a call

    def _follow(self, step: Step) -> None:
        """Close what has ended with this step and begin what has begun."""
        now: dict[tuple[str, str], tuple[str, str]] = {}
        if self.end is None:
            for line in self.lines.values():
                for station, state in line.legs.items():
                    kind = _segment_kind(line, state)
                    if kind and (station not in {s for _, s in now} or state in ("talking", "ringing")):
                        now[("station", station)] = (kind, line.group)
                if line.is_waiting:
                    now[("group", line.group)] = ("queue", line.group)
                if line.is_parked:
                    now[("park", "")] = ("park", line.group)
        for key, segment in list(self.running.items()):
            if key not in now or now[key][0] != segment.kind:
                del self.running[key]
                segment.ends = step.moment
                if not segment.result:
                    segment.result = self._judge_end(segment, step, now.get(key))
        for key, (kind, group) in now.items():
            if key not in self.running:
                station = key[1] if key[0] == "station" else ""
                segment = Segment(
                    kind, step.moment, station, group if kind in ("queue", "ring", "talk") else ""
                )
                self.running[key] = segment
                self.segments.append(segment)
                self.first.setdefault(kind, step.moment)
        self._follow_phase(step.moment)

    def _judge_end(self, segment: Segment, step: Step, becomes: tuple[str, str] | None) -> str:
        if segment.kind == "queue":
            return "answered" if self.end is None else "abandoned"
        if segment.kind != "ring":
            return ""
        if becomes is not None and becomes[0] in ("talk", "consult", "conference"):
            return "answered"
        if step.cause in ELSEWHERE_CAUSES or (step.verb == "answer" and self.end is None):
            return "picked_up" if step.cause == 11 else "answered_elsewhere"  # noqa: PLR2004 - cause "pickup"
        if step.cause == _PARTY_REJECTS:
            return "refused"
        if step.verb in ("divert", "overflow"):
            return {"divert": "forwarded", "overflow": "overflowed"}[step.verb]
        if step.verb == "pick_up":
            return "picked_up"
        if self.end is not None and step.cause != _NO_ANSWER:
            return "abandoned"
        return "no_answer"

    def find_phase(self) -> str:
        """Return what the call is in now."""
        lines = self.lines.values()
        if self.end is not None:
            return ""
        if any(line.is_talking and not line.is_consult for line in lines):
            return "talk"
        if any(line.is_talking for line in lines):
            return "consult"
        if any(line.is_parked for line in lines):
            return "park"
        if any("holding" in line.legs.values() for line in lines):
            return "hold"
        if any(line.is_waiting for line in lines):
            return "queue"
        states = {state for line in lines for state in line.legs.values()}
        return "ring" if states & {"ringing", "dialing"} else ""

    def _follow_phase(self, moment: Moment) -> None:
        phase = self.find_phase()
        last = self.phases[-1] if self.phases and self.phases[-1].ends is None else None
        if last is not None and last.kind == phase:
            return
        if last is not None:
            last.ends = moment
            if (
                last.kind == "queue"
                and phase in ("talk", "consult")
                and (rang := self._find_winning_ring(moment))
            ):
                last.ends = max(rang, last.begins, key=lambda each: each.received)
                self.phases.append(Segment("ring", last.ends, ends=moment))
        if phase:
            self.phases.append(Segment(phase, moment))

    def _find_winning_ring(self, moment: Moment) -> Moment | None:
        """Return when the phone began to ring that has just been answered."""
        rings = (s for s in reversed(self.segments) if s.kind == "ring" and s.result == "answered")
        return next((ring.begins for ring in rings if ring.ends == moment), None)

    def _wrap(self, step: Step) -> None:
        key = ("wrap_up", step.who)
        if step.verb == "wrap_up" and key not in self.running:
            self.running[key] = Segment("wrap_up", step.moment, step.who)
            self.segments.append(self.running[key])
        elif step.verb == "wrapped_up" and key in self.running:
            self.running.pop(key).ends = step.moment

    def close(self, step: Step, closed_by: str) -> None:
        """End the call with a step."""
        if self.end is None:
            self.end, self.closed_by, self.end_phase = step.moment, closed_by, self.find_phase()

    def is_deserted(self) -> bool:
        """Whether nobody is left who could go on: fewer than two parties, and nothing waits for a third."""
        for line in self.lines.values():
            if line.is_waiting or line.is_parked or line.is_moving:
                if line.trunks or line.legs:
                    return False
            if len(line.legs) + len(line.trunks) >= 2:  # noqa: PLR2004 - a talk takes two
                return False
            if line.legs and not line.is_connected and set(line.legs.values()) & {"ringing", "dialing"}:
                return False
            if line.trunks and not line.is_connected:
                return False
        return True


def _segment_kind(line: Line, state: str) -> str:
    if state == "talking":
        return "consult" if line.is_consult else "conference" if line.is_conference else "talk"
    return {"ringing": "ring", "dialing": "dial", "holding": "hold"}.get(state, "")


# what each verb does


def _do_nothing(course: Course, line: Line, step: Step) -> None:
    """Some verbs only name."""


def _arrive(course: Course, line: Line, step: Step) -> None:
    course.set_leg(line, step.who, "")


def _seize(course: Course, line: Line, step: Step) -> None:
    if is_trunk(step.who):
        course.set_leg(line, step.who, "")
    elif line.legs.get(step.who) is None:
        course.set_leg(line, step.who, "dialing")
        line.is_consult = course.holds_elsewhere(step.who, line)
    if is_trunk(step.other):
        course.set_leg(line, step.other, "")


def _offer(course: Course, line: Line, step: Step) -> None:
    line.group = step.group or line.group
    if not line.is_connected or line.is_moving:
        line.is_waiting = True


def _queue(course: Course, line: Line, step: Step) -> None:
    if not step.group:
        return
    line.group, line.is_waiting, line.is_moving = step.group, True, False
    if is_trunk(step.who):
        course.set_leg(line, step.who, "")


def _ring(course: Course, line: Line, step: Step) -> None:
    if is_trunk(step.other):
        course.set_leg(line, step.other, "")
    elif step.other and step.other.isdecimal() and line.legs.get(step.other) is None and not line.trunks:
        _seize(course, line, step._replace(who=step.other, other=""))
    if line.legs.get(step.who) not in ("talking", "holding"):
        course.set_leg(line, step.who, "ringing")
    if step.group:
        line.group, line.is_waiting = step.group, not line.is_connected or line.is_moving
    line.is_moving = False


def _answer(course: Course, line: Line, step: Step) -> None:
    other = step.other
    if not other:  # a call event tells both numbers
        parties = [str(step.facts.get(name) or "") for name in ("calling_dn", "called_dn")]
        other = next((party for party in parties if party and party != step.who), "")
    if line.is_consult is False and course.holds_elsewhere(step.who, line):
        line.is_consult = True
    was_parked, line.is_parked = line.is_parked, False
    for party in (step.who, other):
        if is_trunk(party):
            course.set_leg(line, party, "")
        elif party in line.legs or party == step.who:
            was = line.legs.get(party)
            course.set_leg(line, party, "talking")
            if was in ("ringing", None) and not line.is_consult and party == step.who and not was_parked:
                _note_answer(course, line, party, step)
    for party, state in list(line.legs.items()):
        if state == "held":
            line.legs[party] = "talking"
        elif state == "dialing" and party != step.who:
            line.legs[party] = "talking"
        elif state == "ringing" and party not in (step.who, other):
            del line.legs[party]
    if is_trunk(step.who) and course.answered_at is None and not line.is_consult:
        course.answered_at = step.moment
    line.is_connected, line.is_waiting, line.is_moving = True, False, False


def _note_answer(course: Course, line: Line, station: str, step: Step) -> None:
    """The first person who answered."""
    if course.answered is None:
        course.answered = Segment("answer", step.moment, station, line.group if line.is_waiting else "")
        course.answered_at = course.answered_at or step.moment


def _hold(course: Course, line: Line, step: Step) -> None:
    if is_trunk(step.who) or not step.who:
        return
    if line.legs.get(step.who) != "holding":
        course.holds += 1
        course.set_leg(line, step.who, "holding")
    for party, state in line.legs.items():
        if party != step.who and state == "talking" and not line.is_conference:
            line.legs[party] = "held"
    if is_trunk(step.other):
        course.set_leg(line, step.other, "")
    line.is_connected = True


def _recall(course: Course, line: Line, step: Step) -> None:
    line.is_parked = False
    course.set_leg(line, step.who, "ringing")


def _park(course: Course, line: Line, step: Step) -> None:
    line.legs.pop(step.who, None)
    line.is_parked = True
    for party in line.legs:
        line.legs[party] = "held"
    if is_trunk(step.other):
        course.set_leg(line, step.other, "")


def _divert(course: Course, line: Line, step: Step) -> None:
    line.legs.pop(step.who, None)


def _overflow(course: Course, line: Line, step: Step) -> None:
    for party in [party for party, state in line.legs.items() if state == "ringing"]:
        del line.legs[party]
    line.group = step.group or line.group
    if step.other and not is_trunk(step.other):
        course.set_leg(line, step.other, "ringing")


def _pick_up(course: Course, line: Line, step: Step) -> None:
    if line.legs.get(step.other) == "ringing":
        del line.legs[step.other]
        course.set_leg(line, step.who, "ringing")


def _leave(course: Course, line: Line, step: Step) -> None:
    """A party goes; the call goes on while two are left, or it waits for somebody."""
    _drop(course, line, step.who)
    _end_if_deserted(course, step, step.who)


def _drop(course: Course, line: Line, party: str) -> None:
    line.legs.pop(party, None)
    line.trunks.pop(party, None)


def _hang_up(course: Course, line: Line, step: Step) -> None:
    if course.end is not None:
        return
    if course.cause is None:
        course.cause = step.cause
    end_phase = course.find_phase()
    _drop(course, line, step.who)
    _end_if_deserted(course, step, step.who, end_phase)


def _end_if_deserted(course: Course, step: Step, by: str, end_phase: str = "") -> None:
    if course.end is None and course.is_deserted():
        end_phase = end_phase or course.find_phase()
        course.close(step, step.verb)
        course.end_phase, course.ended_by = end_phase, by


def _release(course: Course, line: Line, step: Step) -> None:
    if course.end is not None:
        return
    state = line.legs.get(step.who)
    if state is None:
        return
    end_phase = course.find_phase()
    if step.cause not in ELSEWHERE_CAUSES and course.call_cause is None:
        course.call_cause = step.cause
    _drop(course, line, step.who)
    by = step.other or step.who
    if state == "ringing" and step.cause in ELSEWHERE_CAUSES:
        return
    _end_if_deserted(course, step, by, end_phase)


def _fail(course: Course, line: Line, step: Step) -> None:
    course.call_cause = step.cause if course.call_cause is None else course.call_cause
    line.legs.pop(step.who, None)
    _end_if_deserted(course, step, step.other or step.who)


def _abandon(course: Course, line: Line, step: Step) -> None:
    if not line.is_connected or line.is_moving:
        course.has_abandon = True
    end_phase = course.find_phase()
    by = step.who
    if course.end is None and course.answered is None:
        course.close(step, "abandon")
        course.end_phase, course.ended_by = end_phase, by


def _trunk_idle(course: Course, line: Line, step: Step) -> None:
    if course.end is not None:
        return
    end_phase = course.find_phase()
    for each in course.lines.values():
        each.trunks.pop(step.who, None)
    if not any(each.trunks for each in course.lines.values()):
        stations = [s for each in course.lines.values() for s in each.legs]
        if len(stations) < 2 or not any(each.is_conference for each in course.lines.values()):  # noqa: PLR2004
            course.close(step, "trunk_idle")
            course.end_phase, course.ended_by = end_phase, step.who


def _station_idle(course: Course, line: Line, step: Step) -> None:
    if course.end is not None:
        return
    end_phase = course.find_phase()
    for each in course.lines.values():
        if each.legs.get(step.who) not in (None, "holding"):
            del each.legs[step.who]
    _end_if_deserted(course, step, step.who, end_phase)


def _transfer(course: Course, line: Line, step: Step) -> None:
    transferor = step.who
    mine = [each for each in course.lines.values() if transferor in each.legs]
    if not mine and not any(each.is_moving for each in course.lines.values()):
        return
    if mine:
        course.transfers += 1
    target = step.to or (step.other if not is_trunk(step.other) else "")
    _unite(course, line)
    joined = course.lines[step.ref]
    joined.legs.pop(transferor, None)
    joined.is_consult = joined.is_parked = False
    states = set(joined.legs.values())
    for party, state in joined.legs.items():
        if state in ("held", "dialing") and "ringing" not in states:
            joined.legs[party] = "talking"
    joined.is_moving = not states & {"talking", "held"} or len(joined.legs) + len(joined.trunks) < 2  # noqa: PLR2004
    if target and target in joined.legs and joined.legs[target] == "talking":
        joined.is_moving = False


def _unite(course: Course, line: Line) -> None:
    """Make one line of all lines of the call."""
    joined = Line({}, {})
    for each in course.lines.values():
        joined.trunks.update(each.trunks)
        for party, state in each.legs.items():
            if joined.legs.get(party) in (None, "holding", "held"):
                joined.legs[party] = state
        joined.group = joined.group or each.group
        joined.is_waiting |= each.is_waiting
        joined.is_connected |= each.is_connected
        joined.is_conference |= each.is_conference
    for ref in course.lines:
        course.lines[ref] = joined


def _conference(course: Course, line: Line, step: Step) -> None:
    if step.ref not in course.lines:
        return
    _unite(course, line)
    joined = course.lines[step.ref]
    if not joined.is_conference:
        course.conferences += 1
    joined.is_conference, joined.is_consult, joined.is_connected = True, False, True
    for party in (step.who, step.other):
        if party and not is_trunk(party) and len(party) <= max(map(len, course.stations), default=4):
            course.set_leg(joined, party, "talking")
    for party, state in joined.legs.items():
        if state in ("holding", "held", "dialing"):
            joined.legs[party] = "talking"


def _voicemail(course: Course, line: Line, step: Step) -> None:
    course.has_voicemail = True
    line.is_waiting = False


def _no_answer(course: Course, line: Line, step: Step) -> None:
    if line.legs.get(step.who) == "ringing":
        del line.legs[step.who]


def _close(course: Course, _line: Line, step: Step) -> None:
    """End what nobody has told the end of; `to` says how that was found out."""
    course.close(step, step.to)


_DO: dict[str, Callable[[Course, Line, Step], None]] = {
    "arrive": _arrive,
    "trunk_busy": _do_nothing,
    "seize": _seize,
    "alert": _do_nothing,
    "offer": _offer,
    "queue": _queue,
    "ring": _ring,
    "answer": _answer,
    "hold": _hold,
    "recall": _recall,
    "park": _park,
    "divert": _divert,
    "overflow": _overflow,
    "pick_up": _pick_up,
    "leave": _leave,
    "hang_up": _hang_up,
    "release": _release,
    "fail": _fail,
    "abandon": _abandon,
    "trunk_idle": _trunk_idle,
    "station_idle": _station_idle,
    "transfer": _transfer,
    "conference": _conference,
    "voicemail": _voicemail,
    "no_answer": _no_answer,
    "close": _close,
}
"""What each verb does to the line that it is about."""


def replay(steps: "list[Step] | tuple[Step, ...]") -> Course:
    """Return the course that steps in order add up to."""
    course: Course = Course([], {}, [], [], {}, first={})
    for step in steps:
        course.apply(step)
    return course


def total_seconds(course: Course, kind: str) -> tuple[float, set[bool]]:
    """Return the seconds of a phase, and by which clocks (host's or not) they were counted."""
    seconds, clocks = 0.0, set()
    for phase in course.phases:
        if phase.kind == kind and phase.ends is not None:
            seconds += phase.ends.seconds_since(phase.begins)
            clocks.add(phase.ends.host is not None and phase.begins.host is not None)
    return seconds, clocks
