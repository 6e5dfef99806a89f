"""How long events are kept: MongoDB deletes them by itself, by one index for all kinds or by one for each.

An index knows nothing of profiles, and several may share a database: each kind is kept as long as the profile says
that keeps it longest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, get_args

from pymongo import ASCENDING, timeout
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.settings import EventSettings, Kind
from ipecs_mw.model.validation import convert
from ipecs_mw.store.schema import comparison
from ipecs_mw.store.schema.comparison import Difference, Shape, shape_index
from ipecs_mw.store.schema.layout import Index
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_DAY_SECONDS = 86400
_BUILD_SECONDS = 3600.0  # an index of a large collection takes longer than an operation may
_NAME = "retention"
_NOT_FOUND = 27
_OTHER_OPTIONS = 85
_CLOCK_IS_SET_AT = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""A clock that shows an earlier time was never set: what it stamps would be deleted within a minute.

In UTC and without a zone, as the driver tells of an index.
"""
_FOR_EVER = EventSettings(retention_days=None)


class Longer(NamedTuple):
    """A kind that is kept for `days` (None: for ever), longer than a profile says, for another `profile`."""

    kind: str
    days: int | None
    profile: str


def keep_events(store: Store, profile: str, settings: EventSettings) -> Sequence[Longer]:
    """Have MongoDB delete events as `settings` of `profile` say, counted from their reception.

    What another profile keeps longer stays, and is returned. Where kinds differ, each has an index of its own: an
    index for all would delete the longest kept ones too soon. May take as long as building an index of the whole
    log does. Raises StoreError.
    """
    applied = None
    with store_errors(), timeout(_BUILD_SECONDS):
        # looked at again afterwards: a daemon of another profile may have been at it meanwhile
        while (found := _read_all(store, profile, settings)) != applied:
            _apply(store.database["events"], _build_indexes(_find_longest(found)))
            applied = found
    return _compare(profile, found)


def find_differences(
    store: Store, profile: str | None = None, settings: EventSettings | None = None
) -> list[Difference]:
    """Return what of the database is not as the schema says, and as the profiles say of events. Raises StoreError.

    `settings` are those that count for `profile`, whatever stands in the database.
    """
    differences = comparison.find_differences(store)
    with store_errors():
        found = _read_all(store, profile, settings) or {"default": EventSettings()}
        wanted = {
            name: Index(name, index.keys, _without_clock(index.options))
            for name, index in _build_indexes(_find_longest(found)).items()
        }
        events = store.database["events"]
        present = {name: (keys, _without_clock(told)) for name, (keys, told) in _find_present(events).items()}
        if present != {name: _shape(index) for name, index in wanted.items()}:
            mend = partial(_apply, events, wanted)
            differences.append(Difference("index", f"events.{_NAME}", is_missing=True, mend=mend))
    return differences


def find_longer(store: Store, profile: str, settings: EventSettings) -> Sequence[Longer]:
    """Return what `keep_events` would, changing nothing. Raises StoreError."""
    with store_errors():
        return _compare(profile, _read_all(store, profile, settings))


def describe_longer(longer: Sequence[Longer]) -> Mapping[str, str]:
    """Return the facts of the sentences about it: `kinds` with their days, and the `profiles` that keep them."""
    return {
        "kinds": ", ".join(f"{kind} {'null' if days is None else days}" for kind, days, _ in longer),
        "profiles": ", ".join(sorted({holder for *_, holder in longer})),
    }


def _read_all(
    store: Store, profile: str | None = None, settings: EventSettings | None = None
) -> Mapping[str, EventSettings]:
    """Return what each profile says; one that cannot be read may mean for ever."""
    found = {} if profile is None or settings is None else {profile: settings}
    for document in store.database["config"].find({"_id": {"$ne": profile}}, {"events": 1}).sort("_id"):
        name = str(document["_id"])
        found[name] = _FOR_EVER
        with suppress(InvalidDocument):
            found[name] = convert(document.get("events", {}), EventSettings, source=f"config/{name}")
    return found


def _find_longest(found: Mapping[str, EventSettings]) -> Mapping[str, tuple[int | None, str]]:
    """Return kind → for how many days it is kept, and the profile that says so."""
    longest: dict[str, tuple[int | None, str]] = {}
    for kind in get_args(Kind):
        said = [(_days(settings, kind), name) for name, settings in found.items()]
        longest[kind] = max(said, key=lambda days: float("inf") if days[0] is None else days[0])
    return longest


def _days(settings: EventSettings, kind: Kind) -> int | None:
    return settings.retention_days_by_kind.get(kind, settings.retention_days)


def _compare(profile: str, found: Mapping[str, EventSettings]) -> Sequence[Longer]:
    return [
        Longer(kind, days, holder)
        for kind, (days, holder) in _find_longest(found).items()
        if holder != profile  # of equals the profile's own comes first
    ]


def _build_indexes(longest: Mapping[str, tuple[int | None, str]]) -> Mapping[str, Index]:
    """Return name → each index that deletes."""
    kept = {kind: days * _DAY_SECONDS for kind, (days, _) in longest.items() if days is not None}
    if len(kept) == len(longest) and len(set(kept.values())) == 1:
        return {_NAME: _build_index(_NAME, next(iter(kept.values())))}
    named = (_build_index(f"{_NAME}_{kind}", seconds, kind=kind) for kind, seconds in kept.items())
    return {index.name: index for index in named}


def _build_index(name: str, seconds: int, **only: str) -> Index:
    """Return an index that deletes; what a machine received whose clock was never set is not in it."""
    options = {
        "expireAfterSeconds": seconds,
        "partialFilterExpression": {**only, "received_at": {"$gt": _CLOCK_IS_SET_AT}},
    }
    return Index(name, (("received_at", ASCENDING),), options)


def _find_present(events: Collection[dict[str, Any]]) -> Mapping[str, Shape]:
    """Return name → what it is, of each index by which events are deleted."""
    return {
        name: shape_index(index["key"], index)
        for name, index in events.index_information().items()
        if name.startswith(_NAME)
    }


def _apply(events: Collection[dict[str, Any]], wanted: Mapping[str, Index]) -> None:
    there = dict(_find_present(events))
    for name, shape in list(there.items()):
        if name not in wanted or _without_seconds(shape) != _without_seconds(_shape(wanted[name])):
            with _passing(_NOT_FOUND):  # another daemon was first
                events.drop_index(name)
            del there[name]
    for name, index in wanted.items():
        if name not in there:
            with _passing(_OTHER_OPTIONS):
                events.create_index(list(index.keys), name=name, **index.options)
                continue
        if there.get(name) != _shape(index):
            changed = {"name": name, "expireAfterSeconds": index.options["expireAfterSeconds"]}
            events.database.command("collMod", events.name, index=changed)


def _shape(index: Index) -> Shape:
    return shape_index(index.keys, index.options)


def _without_seconds(shape: Shape) -> Shape:
    keys, options = shape
    return keys, {name: value for name, value in options.items() if name != "expireAfterSeconds"}


def _without_clock(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return options as the migrations make them: what clocks that were never set need is added by the daemon."""
    only = dict(options.get("partialFilterExpression", {}))
    only.pop("received_at", None)
    rest = {name: value for name, value in options.items() if name != "partialFilterExpression"}
    return {**rest, "partialFilterExpression": only} if only else rest


@contextmanager
def _passing(code: int) -> Iterator[None]:
    """Pass over the server's error of this number."""
    try:
        yield
    except OperationFailure as error:
        if error.code != code:
            raise
