"""How long events are kept: MongoDB deletes them by itself, by one index for all kinds or by one for each.

An index knows nothing of profiles, and several may share a database: each kind is kept as long as the profile says
that keeps it longest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, get_args

from pymongo import timeout
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.settings import EventSettings, Kind
from ipecs_mw.model.validation import convert
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_DAY_SECONDS = 86400
_BUILD_SECONDS = 3600.0  # an index of a large collection takes longer than an operation may
_NAME = "retention"
_NOT_FOUND = 27
_OTHER_OPTIONS = 85
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
            _apply(store.database["events"], _indexes(_find_longest(found)))
            applied = found
    return _compare(profile, found)


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


def _read_all(store: Store, profile: str, settings: EventSettings) -> Mapping[str, EventSettings]:
    """Return what each profile says; one that cannot be read may mean for ever."""
    found = {profile: settings}
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


def _indexes(longest: Mapping[str, tuple[int | None, str]]) -> Mapping[str, tuple[int, Mapping[str, Any]]]:
    """Return name → (seconds, options) of the indexes that delete."""
    kept = {kind: days for kind, (days, _) in longest.items() if days is not None}
    if len(kept) == len(longest) and len(set(kept.values())) == 1:
        return {_NAME: (next(iter(kept.values())) * _DAY_SECONDS, {})}
    return {
        f"{_NAME}_{kind}": (days * _DAY_SECONDS, {"partialFilterExpression": {"kind": kind}})
        for kind, days in kept.items()
    }


def _apply(events: Collection[dict[str, Any]], wanted: Mapping[str, tuple[int, Mapping[str, Any]]]) -> None:
    there = {name: index for name, index in events.index_information().items() if name.startswith(_NAME)}
    for name in there.keys() - wanted.keys():
        with _passing(_NOT_FOUND):  # another daemon was first
            events.drop_index(name)
    for name, (seconds, only) in wanted.items():
        if name not in there:
            with _passing(_OTHER_OPTIONS):
                events.create_index("received_at", name=name, expireAfterSeconds=seconds, **only)
                continue
        if name not in there or there[name].get("expireAfterSeconds") != seconds:
            index = {"name": name, "expireAfterSeconds": seconds}
            events.database.command("collMod", events.name, index=index)


@contextmanager
def _passing(code: int) -> Iterator[None]:
    """Pass over the server's error of this number."""
    try:
        yield
    except OperationFailure as error:
        if error.code != code:
            raise
