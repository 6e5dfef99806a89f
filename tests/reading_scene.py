"""What the tests of readers share: a log whose account goes A → B → A, what it means, and what is in MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from simulated_day import play_day, read_frame

from ipecs_mw.calls.documents.missed import find_missed, list_readings
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.steps.options import ReadingOptions, build_reading_options
from ipecs_mw.calls.steps.position import find_order
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.numbering.numbers import read_all
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.server.connection import Store

Document = dict[str, Any]

HOLDERS = ("aaaa", "bbbb", "aaaa", "cccc")
"""The journals by which the account goes."""

NOW = datetime(2026, 3, 3, tzinfo=UTC)

_MINE = ("revision", "updated_at", "holder")


def build_options() -> ReadingOptions:
    return build_reading_options(Settings(hosts=[]))


OPTIONS = build_options()


@cache
def build_log(hours: float, seed: int, holders: int, stations: int = 30) -> Sequence[Document]:
    """Return the events of a day in the host's order; each holder of the account has one connection."""
    frames = play_day(hours, seed, stations=stations)
    return place([read_frame(number, frame) for number, frame in enumerate(frames)], holders)


def place(events: Sequence[Document], holders: int) -> list[Document]:
    """Return events as the log has them, those of each holder in a connection and a journal of his own."""
    share = -(-len(events) // holders)
    seqs: dict[str, int] = {}
    log: list[Document] = []

    def add(event: Document, journal: str, connection: int) -> None:
        seq = seqs[journal] = seqs.get(journal, 0) + 1
        event_id, named = f"main:{journal}:{seq:012}:0", {}
        if event["kind"] == "smdr":
            event_id, named = f"main:smdr:{event['_id']}", {"journal": journal}
        at = event["received_at"]
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as MongoDB keeps it
        where = {"_id": event_id, "host": "main", "connection": connection, "seq": seq}
        log.append(event | named | where | {"received_at": at})

    for holder in range(-(-len(events) // share)):
        part = events[holder * share : (holder + 1) * share]
        begins, ends = part[0]["received_at"], part[-1]["received_at"]
        told = [_system("session_up", begins)]
        if holder:
            since = begins - timedelta(seconds=20)
            gap = {"since": since.isoformat(), "until": begins.isoformat(), "reason": "session_down"}
            told.append(_system("gap", begins, **gap))
        for event in (*told, *part, _system("session_down", ends)):
            add(event, HOLDERS[holder], (holder + 1) * 1_000_000 + 1)
    return log


def _system(kind: str, at: datetime, **data: Any) -> Document:
    return {"_id": "", "kind": "system", "type": kind, "received_at": at, "data": data}


def read_at_once(
    log: Iterable[Mapping[str, Any]], options: ReadingOptions = OPTIONS
) -> dict[str, dict[str, Document]]:
    """Return what a log means, by collection and id: read from beginning to end in one go, in memory."""
    reading = HostReading("main", bins=options.bins, machines=options.machines)
    calls: dict[str, Document] = {}
    states: dict[str, Document] = {}

    def collect() -> None:
        for each, joined in reading.calls.take_changed():
            if joined is None:
                calls.pop(each, None)
            else:
                calls[each] = build_record(joined, "main")
                if numbers := list_readings(calls[each], options.plan):
                    calls[each]["numbers"] = numbers
        states.update(reading.states.take_changed())

    for event in sorted(log, key=find_order):
        reading.take(event, find_order(event))
        collect()
    items = find_missed(calls.values(), options.plan)
    missed = {
        item.id: {**item.to_document(), "numbers": sorted(read_all(item.number, options.plan))}
        for item in items
    }
    live = {document["_id"]: document for document in reading.live.list_all()}
    return {"calls": calls, "agent_states": states, "missed": missed, "live": live}


def read_stored(
    store: Store, names: Iterable[str] = ("calls", "agent_states", "missed", "live")
) -> dict[str, dict[str, Document]]:
    """Return what is in MongoDB in the same form, without what counts writes."""
    return {
        name: {
            each["_id"]: {field: value for field, value in each.items() if field not in _MINE}
            for each in store.database[name].find()
        }
        for name in names
    }


def assert_same(
    found: Mapping[str, Mapping[str, Document]], wanted: Mapping[str, Mapping[str, Document]]
) -> None:
    """Compare document by document, so that a difference can be read."""
    for name in found:
        missing, extra = wanted[name].keys() - found[name].keys(), found[name].keys() - wanted[name].keys()
        assert not missing, f"{name}: not there: {[wanted[name][each] for each in sorted(missing)[:2]]}"
        assert not extra, f"{name}: too many: {[found[name][each] for each in sorted(extra)[:2]]}"
        for each, document in wanted[name].items():
            other = found[name][each]
            fields = [f for f in {**document, **other} if document.get(f) != other.get(f)]
            assert not fields, f"{name} {each}: {[(f, other.get(f), document.get(f)) for f in fields]}"


def shift(log: Sequence[Document], days: float) -> list[Document]:
    """Return a log so many days later, of connections and journals that come after those of the given one."""
    later = timedelta(days=days)
    shifted = []
    for event in log:
        host, journal, rest = event["_id"].split(":", 2)
        moved = {name: event[name] + later for name in ("received_at", "at") if name in event}
        named = {"journal": f"z{event['journal']}"} if "journal" in event else {}
        event_id = f"{host}:{journal}:z{rest}" if journal == "smdr" else f"{host}:z{journal}:{rest}"
        connection = event["connection"] + 10_000_000
        shifted.append({**event, **moved, **named, "_id": event_id, "connection": connection})
    return shifted


def read_live(store: Store) -> None:
    """Have a reader read all that is there, and keep what it has in mind."""
    reader = HostReader(store, "main", OPTIONS)
    reader.begin()
    while reader.is_behind:
        reader.read()
        reader.flush(NOW, is_whole=not reader.is_behind)
        reader.save(NOW)


def insert(store: Store, events: Sequence[Document]) -> None:
    if events:
        store.database["events"].insert_many([dict(event) for event in events])
