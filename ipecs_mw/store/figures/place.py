"""How far the figures of each host have been counted, by whom, and by which rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, to_builtins

from ipecs_mw.figures.time.quarters import QUARTER
from ipecs_mw.store.calls.live_query import load_reader
from ipecs_mw.store.calls.ordered import find_last
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

FORMAT = 2
"""Counts up with each version of the program that counts in another way: everything is counted anew then."""

BEHIND_SECONDS = 60.0
"""Figures that are further behind what is known do not tell what is true now."""

MOST_WAITING = 200
"""Quarter hours that may wait to be counted anew: more of them take a while."""

_PREFIX = "figures:"


class Place(Struct, frozen=True, omit_defaults=True):
    """How far a host's figures are.

    What lasts is counted up to `as_of`, and the days of `zone` before the day `summed` have been summed. `rules`
    are those by which they were counted. `waiting` is how many quarter hours are to be counted anew. `unsummed`
    are days before `summed` in which something was perhaps counted anew, but not yet summed.
    """

    host: str
    as_of: datetime | None = None
    zone: str = ""
    summed: str = ""
    rules: Mapping[str, Any] = {}
    waiting: int = 0
    unsummed: Sequence[str] = ()
    format: int = FORMAT
    told_at: datetime | None = None


class Behind(NamedTuple):
    """How far the figures of a host are behind what is known, and how many quarter hours wait."""

    host: str
    seconds: float
    waiting: int

    @property
    def is_late(self) -> bool:
        """Whether they do not tell what is true now."""
        return self.seconds > BEHIND_SECONDS

    @property
    def is_much(self) -> bool:
        """Whether it takes a while until all that waits is counted."""
        return self.waiting > MOST_WAITING


def list_behind(store: Store, now: datetime) -> list[Behind]:
    """Return the hosts whose figures are behind, or of which much waits. Raises StoreError."""
    known = find_as_of(store, now)
    found = [
        Behind(place.host, (known[place.host] - place.as_of).total_seconds(), place.waiting)
        for place in load_places(store)
        if place.as_of is not None and place.host in known
    ]
    return [each for each in found if each.is_late or each.is_much]


def load_places(store: Store) -> Sequence[Place]:
    """Return how far the figures of each host are. Raises StoreError."""
    with store_errors():
        found = store.database["readers"].find({"_id": {"$regex": f"^{_PREFIX}"}}).sort("_id", 1)
        return [_read(each) for each in found]


def load_place(store: Store, host: str) -> Place:
    """Return how far the figures of a host are. Raises StoreError."""
    with store_errors():
        found = store.database["readers"].find_one({"_id": _PREFIX + host})
    return Place(host) if found is None else _read(found)


def find_counted_until(store: Store, host: str, at: datetime, now: datetime) -> datetime:
    """Return up to when what lasts may have been counted of a host whose events are known up to `at`.

    That is a little later, or a little after what was counted: who counts sees to the time since then himself.
    Raises StoreError.
    """
    if at + QUARTER >= now:
        return now
    return min(now, max(at, load_place(store, host).as_of or at) + QUARTER)


def save_place(store: Store, place: Place, now: datetime) -> None:
    """Keep how far the figures of a host are. Raises StoreError."""
    document = to_builtins(place, builtin_types=(datetime,)) | {"told_at": now, "format": place.format}
    with store_errors():
        store.database["readers"].replace_one({"_id": _PREFIX + place.host}, document, upsert=True)


def _read(document: Mapping[str, Any]) -> Place:
    known = {name: document[name] for name in Place.__struct_fields__ if name in document}
    return Place(**known)


def find_as_of(store: Store, now: datetime) -> Mapping[str, datetime]:
    """Return for each host up to when it is known what it did: what lasts has lasted until then.

    Now, while its session is up, the reader is not behind, and nothing has waited long to be stored. Of a host
    that no reader tells of, as where only `rebuild` has read, when its last event came. Raises StoreError.
    """
    reader = load_reader(store)
    with store_errors():
        live = {each["host"]: each for each in store.database["live"].find({"kind": "host"})}
        others = [host for host in store.database["calls"].distinct("host") if host not in reader.hosts]
    last = {host: {"taken_at": event["received_at"]} for host in others if (event := find_last(store, host))}
    waiting = _find_waiting(store, now - timedelta(seconds=BEHIND_SECONDS))
    return {
        host: min(known, waiting.get(host, known))
        for host, told in {**reader.hosts, **last}.items()
        if (known := _find_known(now, reader.state == "running", told, live.get(host) or {})) is not None
    }


def _find_waiting(store: Store, before: datetime) -> Mapping[str, datetime]:
    """Return since when events of a host have waited in the journal of a daemon that runs, if from before then."""
    found: dict[str, datetime] = {}
    for instance in load_instances(store):
        hosts = {**(instance.get("former_hosts") or {}), **(instance.get("hosts") or {})}
        for name, host in hosts.items() if instance["is_alive"] else ():
            at = (host.get("journal") or {}).get("oldest_at")
            if at is not None and at < before:
                found[name] = min(at, found.get(name, at))
    return found


def _find_known(
    now: datetime, is_running: bool, told: Mapping[str, Any], live: Mapping[str, Any]
) -> datetime | None:
    taken: datetime | None = told.get("taken_at")
    if not is_running or "host" not in told or told.get("is_catching_up"):
        return taken
    if live.get("is_stale", True):
        return live.get("heard_at") or taken
    return now
