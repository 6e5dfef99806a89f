"""What really happened in one conversation, as the simulated PBX notes it while it acts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

Instant: TypeAlias = tuple[float, datetime]
"""Seconds of the PBX's clock, and the local time that it shows at this instant."""


@dataclass(eq=False)
class Segment:
    """A span of a conversation: one station that rings, talks or holds, a stay in a group, a parking place."""

    kind: str
    began: Instant
    station: str = ""
    group: str = ""
    place: str = ""
    until: Instant | None = None
    how: str = ""
    by: str = ""
    call: object = None  # whose leg it is, while it lasts: a station may be in two calls of a conversation

    def close(self, at: Instant, how: str = "", by: str = "") -> None:
        """End it; who has ended it once has ended it."""
        if self.until is None:
            self.until, self.how, self.by, self.call = at, how, by, None

    def describe(self) -> dict[str, Any]:
        """Return it as JSON; what there is not is absent."""
        facts = {name: getattr(self, name) for name in ("kind", "station", "group", "place", "how", "by")}
        return {
            **{name: value for name, value in facts.items() if value},
            **tell_instant("from", self.began),
            **tell_instant("until", self.until),
        }


@dataclass(eq=False)
class Conversation:
    """Everything from the first ring to the last hang-up, whatever references and stations it went through."""

    number: int
    began: Instant
    direction: str = "internal"
    caller: dict[str, str] = field(default_factory=dict)
    dialed: dict[str, str] = field(default_factory=dict)
    refs: list[int] = field(default_factory=list)
    trunks: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    stations: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    conferences: list[dict[str, Any]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    answered: Instant | None = None
    answered_by: str = ""
    failed: Instant | None = None
    ended: Instant | None = None
    ended_by: str = ""
    outcome: str = ""
    failure: str = ""
    open_calls: int = 0

    @property
    def last_seconds(self) -> float:
        """When it last did something; infinite while it, or the wrap-up after it, lasts."""
        if self.ended is None or any(segment.until is None for segment in self.segments):
            return float("inf")
        return max([self.ended[0], *(segment.until[0] for segment in self.segments if segment.until)])

    def find(self, call: object, kind: str) -> Segment | None:
        """Return the open segment of a kind that a call has."""
        return next((s for s in self.segments if s.call is call and s.kind == kind), None)

    def find_leg(self, call: object, station: str) -> Segment | None:
        """Return the open segment of a station in a call."""
        return next((s for s in self.segments if s.call is call and s.station == station), None)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON; what there is not is absent, lists may be empty."""
        queued = next((s.began for s in self.segments if s.kind == "group"), None)
        rang = next((s.began for s in self.segments if s.kind == "ring"), None)
        facts = {
            "conversation": self.number,
            "direction": self.direction,
            "refs": list(self.refs),
            "caller": dict(self.caller),
            "dialed": dict(self.dialed),
            "trunks": list(self.trunks),
            "groups": list(self.groups),
            "stations": list(self.stations),
            "answered_by": self.answered_by,
            "outcome": self.outcome,
            "ended_by": self.ended_by,
            "transfers": list(self.transfers),
            "conferences": list(self.conferences),
            "records": list(self.records),
            "segments": [segment.describe() for segment in self.segments],
        }
        return {
            **{name: value for name, value in facts.items() if value or isinstance(value, list)},
            "is_open": self.ended is None,
            **tell_instant("began", self.began),
            **tell_instant("queued", queued),
            **tell_instant("rang", rang),
            **tell_instant("answered", self.answered),
            **tell_instant("failed", self.failed),
            **tell_instant("ended", self.ended),
        }


def tell_instant(name: str, at: Instant | None) -> dict[str, Any]:
    """Return an instant as `NAME_seconds` and `NAME_at`, or nothing where there is none."""
    if at is None:
        return {}
    return {f"{name}_seconds": round(at[0], 3), f"{name}_at": at[1].isoformat(timespec="milliseconds")}
