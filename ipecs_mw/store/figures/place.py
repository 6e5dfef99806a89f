"""How far the figures of each host have been counted, by whom, and by which rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, to_builtins

from ipecs_mw.store.calls.live_query import load_reader
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

FORMAT = 1
"""Counts up with each version of the program that counts in another way: everything is counted anew then."""

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

    Now, while its session is up and the reader is not behind. Raises StoreError.
    """
    reader = load_reader(store)
    with store_errors():
        live = {each["host"]: each for each in store.database["live"].find({"kind": "host"})}
    return {
        host: known
        for host, told in reader.hosts.items()
        if (known := _find_known(now, reader.state == "running", told, live.get(host) or {})) is not None
    }


def _find_known(
    now: datetime, is_running: bool, told: Mapping[str, Any], live: Mapping[str, Any]
) -> datetime | None:
    taken: datetime | None = told.get("taken_at")
    if not is_running or told.get("is_catching_up"):
        return taken
    if live.get("is_stale", True):
        return live.get("heard_at") or taken
    return now
