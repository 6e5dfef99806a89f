"""A call → its visits of groups: when it came to each, how long it waited, who answered, how long that took.

A call that goes on to another group is a visit of each. One that a phone did not answer and that waits on is still
the same visit; one that comes back after it was answered, or was elsewhere, is another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

Call = Mapping[str, Any]
Segment = Mapping[str, Any]

_TALKS = frozenset({"talk", "conference", "consult", "held"})
_HOLDS = frozenset({"hold"})
_COMES = frozenset({"queue", "ring", "talk"})
"""Segments that tell of a group's call; what is told of one that was answered says no more of where it came."""

_GIVEN_UP = frozenset({"abandoned", "no_answer", "busy", "refused", "failed", "lost_on_hold"})
_UNSEEN_ENDS = frozenset(
    {"state_read", "out_of_sight", "time_limit", "step_limit", "reference_reused", "trunk_taken"}
)
"""Judgements on the end of a call: its seconds would falsify an average."""


class Visit(Struct):
    """A call in a group, from when it came there until it was answered there or went on.

    `ended` is `answered`, `abandoned`, `overflowed`, `left` (to voice mail, or elsewhere), or `unknown`; blank
    while the call waits. `until` is when. Seconds of handling are None where the end of the call was not seen, or
    is still to come: then it `is_open`.
    """

    group: str
    entered: datetime
    ended: str = ""
    until: datetime | None = None
    station: str = ""
    agent: str = ""
    talk_seconds: float | None = None
    hold_seconds: float | None = None
    wrap_up_seconds: float | None = None
    transfers: int = 0
    is_open: bool = False

    @property
    def wait_seconds(self) -> float:
        """How long the call waited in the group."""
        return 0.0 if self.until is None else max(0.0, (self.until - self.entered).total_seconds())


def list_visits(call: Call) -> list[Visit]:
    """Return the visits of a document of `calls`, in their order."""
    visits: list[Visit] = []
    if not call.get("groups"):
        return visits
    segments: Sequence[Segment] = call.get("segments") or ()
    for segment in segments:
        group, kind = segment.get("group"), segment["kind"]
        if not group or kind not in _COMES:
            continue
        visit = _find(visits, segment)
        if visit is None:
            if visits and _went_on(visits[-1], segment):
                _end(visits[-1], "overflowed", segment["from"])
            visit = Visit(group, segment["from"])
            visits.append(visit)
        if visit.ended:
            continue
        if kind == "talk":
            _end(visit, "answered", segment["from"])
            visit.station, visit.agent = segment.get("station", ""), segment.get("agent", "")
        elif kind == "queue" and (how := _QUEUE_ENDS.get(segment.get("result", ""))) is not None:
            _end(visit, how, segment["until"])
    _finish(call, visits)
    _measure(call, segments, visits)
    return visits


def _find(visits: Sequence[Visit], segment: Segment) -> Visit | None:
    """Return the visit that a segment belongs to; None where it begins one.

    Once a group had the call, only the queue begins another visit there: what else tells of the group tells of the
    first.
    """
    group = segment["group"]
    if visits and visits[-1].group == group and not visits[-1].ended:
        return visits[-1]
    if segment["kind"] == "queue":
        return None
    return next((visit for visit in reversed(visits) if visit.group == group), None)


_QUEUE_ENDS: Mapping[str, str] = {
    "abandoned": "abandoned",
    "overflowed": "overflowed",
    "left": "left",
    "voicemail": "left",
}
"""How a wait in the queue ended → how the visit did; `answered` waits for who answered."""


def _went_on(visit: Visit, segment: Segment) -> bool:
    """Tell whether a call went on from a group straight to that of a segment."""
    return not visit.ended or (visit.ended == "left" and visit.until == segment["from"])


def _end(visit: Visit, how: str, at: datetime) -> None:
    visit.ended, visit.until = how, at


def _finish(call: Call, visits: Sequence[Visit]) -> None:
    """Say of a visit that nothing ended how the call did."""
    if not visits or visits[-1].ended or call.get("is_open"):
        return
    outcome = call.get("outcome")
    how = "abandoned" if outcome in _GIVEN_UP else "left" if outcome == "voicemail" else "unknown"
    _end(visits[-1], how, call.get("ended_at") or visits[-1].entered)


def _measure(call: Call, segments: Sequence[Segment], visits: Sequence[Visit]) -> None:
    """Fill in how long those who answered talked, held and worked after the call."""
    if call.get("is_open"):
        for visit in visits:
            visit.is_open = visit.ended in ("", "answered")
        return
    if (call.get("quality") or {}).get("closed_by") in _UNSEEN_ENDS:
        return
    transfers = (call.get("counts") or {}).get("transfers", 0)
    for visit in visits:
        if visit.ended != "answered":
            continue
        own = list(_list_own(segments, visit, _find_next(visits, visit)))
        if any("until" not in segment for segment in own):
            visit.is_open = True  # the work after the call still goes on
            continue
        talks = _join((s["from"], s["until"]) for s in own if s["kind"] in _TALKS)
        both = _join((s["from"], s["until"]) for s in own if s["kind"] in _TALKS or s["kind"] in _HOLDS)
        visit.talk_seconds = talks
        visit.hold_seconds = both - talks
        visit.wrap_up_seconds = _join((s["from"], s["until"]) for s in own if s["kind"] == "wrap_up")
        visit.transfers, transfers = transfers, 0


def _find_next(visits: Sequence[Visit], visit: Visit) -> datetime | None:
    """Return when the same station answered the group's call again."""
    later = (
        other.until
        for other in visits
        if other.ended == "answered"
        and other.station == visit.station
        and other.until is not None
        and visit.until is not None
        and other.until > visit.until
    )
    return next(later, None)


def _list_own(segments: Sequence[Segment], visit: Visit, until: datetime | None) -> Iterator[Segment]:
    for segment in segments:
        begin = segment["from"]
        if segment.get("station") != visit.station or (visit.until is not None and begin < visit.until):
            continue
        if until is None or begin < until:
            yield segment


def measure_talk(segments: Iterable[Segment], station: str) -> float:
    """Return the seconds in which a station talked in a call."""
    return _join(
        (segment["from"], segment["until"])
        for segment in segments
        if segment["kind"] in _TALKS and segment.get("station") == station and "until" in segment
    )


def _join(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the seconds that are in any of the spans."""
    total, reached = 0.0, None
    for begin, end in sorted(spans):
        start = begin if reached is None or begin > reached else reached
        if end > start:
            total += (end - start).total_seconds()
            reached = end
    return total
