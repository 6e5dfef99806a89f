"""A simulated day, what the PBX knows of it, and what ought to be read of it: `calls` as the truth has them.

The host's clock shows whole seconds, so everything is told to the second; what is received is, too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

from msgspec import Struct
from simulated_day import Frame, build_day, read_frame

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.wire.variants import Variants

Document = dict[str, Any]

ALL_KINDS = ("acd", "call", "smdr")
_RANKS = (
    ("talk", {"talk"}),
    ("consult", {"consult"}),
    ("park", {"park"}),
    ("hold", {"hold", "held"}),
    ("queue", {"wait"}),
    ("ring", {"ring", "dial", "announcement"}),
    ("voicemail", {"voice_mail"}),
)
"""The phase that a call is in by what anybody in it does, the busiest first."""


class Day(Struct):
    """What a PBX told, with the second of each frame, and what it knows."""

    told: list[Frame]
    truth: Document
    pbx: Pbx


def play(hours: float, seed: int = 1, variants: Variants | None = None, stations: int = 40) -> Day:
    """Return a day of so many hours."""
    told: list[Frame] = []
    pbx = build_day(told, Random(seed), ALL_KINDS, stations, variants)
    pbx.timetable.run_until(hours * 3600)
    return Day(told, pbx.truth.describe(), pbx)


def read(
    day: Day,
    kinds: Collection[str] = ALL_KINDS,
    station: str = "",
    begin_seconds: float = 0.0,
    **options: Any,
) -> HostReading:
    """Read the frames of a day of some kinds from some second on; with `station` its call events alone."""
    reading = HostReading("main", **options)
    for number, frame in enumerate(day.told):
        seconds, kind, data = frame
        is_meant = kind in kinds and (kind != "call" or station in ("", data["deviceNumber"]))
        if is_meant and seconds >= begin_seconds:
            document = read_frame(number, frame)
            document["received_at"] = document["received_at"].replace(microsecond=0)
            reading.take(document, number)
    return reading


def list_records(reading: HostReading) -> list[Document]:
    """Return the documents of all calls."""
    return [build_record(call, "main") for _, call in reading.calls.take_changed() if call is not None]


# what ought to be read


def tell(facts: Mapping[str, Any], name: str) -> datetime | None:
    """Return an instant of the truth as the host's clock shows it."""
    at = facts.get(f"{name}_at")
    return None if at is None else datetime.fromisoformat(at).replace(microsecond=0)


def find_end(conversation: Document) -> tuple[datetime | None, str | None]:
    """Return when a call was over, and by whom; one that met an obstacle was so by then, whatever tone came."""
    c = conversation
    if "failed_at" in c:
        return tell(c, "failed"), None
    return tell(c, "ended"), name_side(c.get("ended_by"), c["stations"])


def list_spans(conversation: Document) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield what anybody does in a conversation, from when until when; a stay in a group is a wait until the
    phone that is answered begins to ring."""
    for segment in conversation["segments"]:
        kind, begins, ends = segment["kind"], tell(segment, "from"), tell(segment, "until")
        over, _ = find_end(conversation)
        ends = min(ends or datetime.max.replace(tzinfo=UTC), over or datetime.max.replace(tzinfo=UTC))
        if kind == "group":
            greeted = [
                tell(each, "until") or ends
                for each in conversation["segments"]
                if each["kind"] == "announcement" and tell(each, "from") == begins
            ]
            begins = max([begins, *greeted])
            won = [
                tell(ring, "from")
                for ring in conversation["segments"]
                if ring["kind"] == "ring"
                and ring.get("how") in ("answered", "picked_up")
                and tell(ring, "until") == ends
            ]
            kind, ends = "wait", max([begins, *won]) if won and segment.get("how") == "answered" else ends
        yield kind, begins, ends


def find_wait(conversation: Document) -> datetime | None:
    """Return when a call first waited in a group: after the announcement, if there is one and it comes to that."""
    announcements = [s for s in conversation["segments"] if s["kind"] == "announcement"]
    if announcements and announcements[0].get("how") != "ended":
        return None
    queued = tell(conversation, "queued")
    return queued and max([queued, *(tell(each, "until") for each in announcements)])


def sum_phases(conversation: Document) -> dict[str, float]:
    """Return the seconds of each phase: at each moment the busiest thing that anybody does."""
    spans = list(list_spans(conversation))
    is_apart = not any(kind == "hold" for kind, _, _ in spans)  # a consultation that nothing was made of
    found: list[list[Any]] = []
    instants = sorted({at for _, begins, ends in spans for at in (begins, ends)})
    for begins, ends in pairwise(instants):
        now = {
            "talk" if kind == "consult" and is_apart else kind
            for kind, since, until in spans
            if since <= begins and ends <= until
        }
        phase = next((phase for phase, kinds in _RANKS if now & kinds), "")
        if found and found[-1][0] == phase:
            found[-1][1] += (ends - begins).total_seconds()
        else:
            found.append([phase, (ends - begins).total_seconds()])
    seconds = {phase: 0.0 for phase, _ in _RANKS}
    for phase, lasted in found[:-1] if find_end(conversation)[0] is None else found:
        if phase:
            seconds[phase] += lasted
    del seconds["voicemail"]
    wraps = [s for s in conversation["segments"] if s["kind"] == "wrap_up" and "until_at" in s]
    seconds["wrap_up"] = sum((tell(s, "until") - tell(s, "from")).total_seconds() for s in wraps)
    if find_end(conversation)[0] is not None:
        total = find_end(conversation)[0] - tell(conversation, "began")
        seconds["total"] = total.total_seconds() + seconds["wrap_up"]
    return seconds


def name_side(party: str | None, stations: Collection[str]) -> str | None:
    """Return who of a call that is: a station, or the party outside by its number or its trunk."""
    return party if party is None or party in stations else "outside"


def expect(conversation: Document) -> Document:
    """Return the document of a call as the truth has it, as far as the truth speaks of it."""
    c = conversation
    return {
        "direction": c["direction"],
        "is_open": find_end(c)[0] is None,
        "outcome": c.get("outcome"),
        "caller": c["caller"],
        "dialed": c["dialed"],
        "answered_by": c.get("answered_by") if c.get("answered_by") in c["stations"] else None,
        "began_at": tell(c, "began"),
        "queued_at": find_wait(c),
        "rang_at": tell(c, "rang"),
        "answered_at": tell(c, "answered"),
        "ended_at": find_end(c)[0],
        "ended_by": find_end(c)[1],
        "trunks": sorted(c["trunks"]),
        "stations": sorted(c["stations"]),
        "groups": sorted(c["groups"]),
        "transfers": len(c["transfers"]),
        "conferences": len(c["conferences"]),
        "refs": sorted(c["refs"]),
        **{f"seconds.{name}": each for name, each in sum_phases(c).items()},
    }


def find_ender(record: Document) -> str | None:
    """Return who ended a call; who was called in vain did not, though the record says that it was his phone."""
    side = name_side(record.get("ended_by"), record.get("stations", ()))
    is_in_vain = (
        record.get("outcome") in ("busy", "refused", "failed") or record["quality"].get("closed_by") == "fail"
    )
    return None if is_in_vain or (side == "outside" and record["direction"] == "internal") else side


def show(record: Document) -> Document:
    """Return a document of `calls` in the same form."""
    r = record
    return {
        "direction": r["direction"],
        "is_open": r["is_open"],
        "outcome": r.get("outcome"),
        "caller": r.get("caller", {}),
        "dialed": {
            name: number
            for name, number in r.get("dialed", {}).items()
            if r["direction"] != "internal" or name != "number" or len(r["dialed"]) == 1
        },
        "answered_by": r.get("answered_by", {}).get("station"),
        "began_at": r["began_at"],
        "queued_at": r.get("queued_at"),
        "rang_at": r.get("rang_at"),
        "answered_at": r.get("answered_at"),
        "ended_at": r.get("ended_at"),
        "ended_by": find_ender(r),
        "trunks": sorted(r.get("trunks", [])),
        "stations": sorted(r.get("stations", [])),
        "groups": sorted(r.get("groups", [])),
        "transfers": r["counts"]["transfers"],
        "conferences": r["counts"]["conferences"],
        "refs": sorted(r.get("call_refs", [])),
        **{f"seconds.{name}": each for name, each in r["seconds"].items()},
    }


States = dict[str, list[tuple[datetime, datetime | None, tuple[str, ...]]]]
"""What the agent at each station did, from when until when: state, reason, agent, groups."""


def list_states(intervals: Iterable[tuple[Document, datetime, datetime | None]]) -> States:
    """Return intervals by station, in order, each as long as it lasts by the host's clock."""
    found: States = {}
    for state, begins, ends in sorted(intervals, key=lambda each: each[1]):
        facts = (state["state"], state.get("reason", ""), state["agent"], *sorted(state["groups"]))
        mine = found.setdefault(state["station"], [])
        if begins == ends:
            continue
        goes_on = bool(mine) and mine[-1][1:] == (begins, facts)
        mine.append((mine.pop()[0] if goes_on else begins, ends, facts))
    return found


def list_true_states(day: Day) -> States:
    """Return what the PBX knows of its agents."""
    return list_states((each, tell(each, "from"), tell(each, "until")) for each in day.truth["agent_states"])


def list_read_states(reading: HostReading) -> States:
    """Return what was read of the agents."""
    found = [document for _, document in reading.states.take_changed()]
    return list_states((each, each["from"], each.get("until")) for each in found)
