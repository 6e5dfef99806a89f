"""How long documents are kept: MongoDB deletes them by itself, by an index for a collection or for each kind.

An index knows nothing of profiles, and several may share a database: everything is kept as long as the profile
says that keeps it longest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar, get_args

from msgspec import Struct, field
from pymongo import ASCENDING, timeout
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.configuration.call_settings import CallSettings
from ipecs_mw.model.configuration.figure_settings import FigureSettings
from ipecs_mw.model.configuration.settings import EventSettings, Kind, Settings
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

T = TypeVar("T")


class Retention(Struct, frozen=True):
    """What a profile says about how long documents are kept."""

    events: EventSettings = field(default_factory=EventSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    figures: FigureSettings = field(default_factory=FigureSettings)


_FOR_EVER = Retention(
    EventSettings(retention_days=None),
    CallSettings(retention_days=None),
    FigureSettings(retention_days=None),
)


class _Part(NamedTuple):
    """Documents that are kept equally long, counted from `instant`: a whole collection, or those of one kind."""

    name: str
    collection: str
    instant: str
    read_days: Callable[[Retention], int | None]
    kind: str = ""


def _read_event_days(kind: Kind, retention: Retention) -> int | None:
    events = retention.events
    return events.retention_days_by_kind.get(kind, events.retention_days)


def _read_call_days(retention: Retention) -> int | None:
    return retention.calls.retention_days


def _read_figure_days(retention: Retention) -> int | None:
    return retention.figures.retention_days


_PARTS: Sequence[_Part] = (
    *(_Part(kind, "events", "received_at", partial(_read_event_days, kind), kind) for kind in get_args(Kind)),
    _Part("calls.retention_days", "calls", "began_at", _read_call_days),
    _Part("calls.retention_days", "agent_states", "from", _read_call_days),
    _Part("calls.retention_days", "missed", "closed_at", _read_call_days),  # which an open one has not
    _Part("calls.retention_days", "reader_states", "at", _read_call_days),  # they name those who called
    _Part("figures.retention_days", "figures", "from", _read_figure_days),
    _Part("figures.retention_days", "figure_days", "from", _read_figure_days),
)
_COLLECTIONS = tuple(dict.fromkeys(part.collection for part in _PARTS))

_Longest = Mapping[_Part, tuple[int | None, str]]


class Longer(NamedTuple):
    """What is kept for `days` (None: for ever), longer than a profile says, for another `profile`.

    It is a kind of event, or the path of the setting.
    """

    name: str
    days: int | None
    profile: str


def read_retention(settings: Settings) -> Retention:
    """Return what a profile's settings say about it."""
    return Retention(settings.events, settings.calls, settings.figures)


def apply_retention(store: Store, profile: str, retention: Retention) -> Sequence[Longer]:
    """Have MongoDB delete documents as `profile` says by `retention`.

    What another profile keeps longer stays, and is returned. Where kinds of events differ, each has an index of
    its own: an index for all would delete the longest kept ones too soon. May take as long as building an index of
    the whole log does. Raises StoreError.
    """
    applied = None
    with store_errors(), timeout(_BUILD_SECONDS):
        # looked at again afterwards: a daemon of another profile may have been at it meanwhile
        while (found := _read_all(store, profile, retention)) != applied:
            for name, wanted in _build_indexes(_find_longest(found)).items():
                _apply(store.database[name], wanted)
            applied = found
    return _compare(profile, found)


def find_differences(
    store: Store, profile: str | None = None, retention: Retention | None = None
) -> list[Difference]:
    """Return what of the database is not as the schema and the profiles say. Raises StoreError.

    `retention` is what counts for `profile`, whatever stands in the database.
    """
    differences = comparison.find_differences(store)
    with store_errors():
        found = _read_all(store, profile, retention) or {"default": Retention()}
        for name, wanted in _build_indexes(_find_longest(found)).items():
            collection = store.database[name]
            shapes = {each: _shape(index) for each, index in wanted.items()}
            if _without_clocks(_find_present(collection)) != _without_clocks(shapes):
                mend = partial(_apply, collection, wanted)
                differences.append(Difference("index", f"{name}.{_NAME}", is_missing=True, mend=mend))
    return differences


def find_longer(store: Store, profile: str, retention: Retention) -> Sequence[Longer]:
    """Return what `apply_retention` would, changing nothing. Raises StoreError."""
    with store_errors():
        return _compare(profile, _read_all(store, profile, retention))


def describe_longer(longer: Sequence[Longer]) -> Mapping[str, str]:
    """Return the facts of the sentences about it: `kinds` with their days, and the `profiles` that keep them."""
    return {
        "kinds": ", ".join(f"{name} {'null' if days is None else days}" for name, days, _ in longer),
        "profiles": ", ".join(sorted({holder for *_, holder in longer})),
    }


def _read_all(
    store: Store, profile: str | None = None, retention: Retention | None = None
) -> Mapping[str, Retention]:
    """Return what each profile says; what cannot be read may mean for ever."""
    found = {} if profile is None or retention is None else {profile: retention}
    others = {"_id": {"$ne": profile}}
    for document in (
        store.database["config"].find(others, {"events": 1, "calls": 1, "figures": 1}).sort("_id")
    ):
        found[str(document["_id"])] = Retention(
            _read(document, "events", _FOR_EVER.events),
            _read(document, "calls", _FOR_EVER.calls),
            _read(document, "figures", _FOR_EVER.figures),
        )
    return found


def _read(document: Mapping[str, Any], name: str, unreadable: T) -> T:
    with suppress(InvalidDocument):
        return convert(document.get(name, {}), type(unreadable), source=f"config/{document['_id']}")
    return unreadable


def _find_longest(found: Mapping[str, Retention]) -> _Longest:
    """Return for how many days each part is kept, and the profile that says so."""
    longest: dict[_Part, tuple[int | None, str]] = {}
    for part in _PARTS:
        said = [(part.read_days(retention), name) for name, retention in found.items()]
        longest[part] = max(said, key=lambda days: float("inf") if days[0] is None else days[0])
    return longest


def _compare(profile: str, found: Mapping[str, Retention]) -> Sequence[Longer]:
    longer = (
        Longer(part.name, days, holder)
        for part, (days, holder) in _find_longest(found).items()
        if holder != profile  # of equals the profile's own comes first
    )
    return list(dict.fromkeys(longer))


def _build_indexes(longest: _Longest) -> Mapping[str, Mapping[str, Index]]:
    """Return collection → name → each index that deletes."""
    return {name: _build_indexes_of(name, longest) for name in _COLLECTIONS}


def _build_indexes_of(collection: str, longest: _Longest) -> Mapping[str, Index]:
    parts = {part: days for part, (days, _) in longest.items() if part.collection == collection}
    kept = {part: days * _DAY_SECONDS for part, days in parts.items() if days is not None}
    if len(kept) == len(parts) and len(set(kept.values())) == 1:
        part, seconds = next(iter(kept.items()))
        return {_NAME: _build_index(_NAME, part.instant, seconds)}
    named = (
        _build_index(f"{_NAME}_{part.kind}", part.instant, seconds, kind=part.kind)
        for part, seconds in kept.items()
    )
    return {index.name: index for index in named}


def _build_index(name: str, instant: str, seconds: int, **only: str) -> Index:
    """Return an index that deletes; what a machine stamped whose clock was never set is not in it."""
    options = {
        "expireAfterSeconds": seconds,
        "partialFilterExpression": {**only, instant: {"$gt": _CLOCK_IS_SET_AT}},
    }
    return Index(name, ((instant, ASCENDING),), options)


def _find_present(collection: Collection[dict[str, Any]]) -> Mapping[str, Shape]:
    """Return name → what it is, of each index by which documents are deleted."""
    return {
        name: shape_index(index["key"], index)
        for name, index in collection.index_information().items()
        if name.startswith(_NAME)
    }


def _apply(collection: Collection[dict[str, Any]], wanted: Mapping[str, Index]) -> None:
    there = dict(_find_present(collection))
    for name, shape in list(there.items()):
        if name not in wanted or _without_seconds(shape) != _without_seconds(_shape(wanted[name])):
            with _passing(_NOT_FOUND):  # another daemon was first
                collection.drop_index(name)
            del there[name]
    for name, index in wanted.items():
        if name not in there:
            with _passing(_OTHER_OPTIONS):
                collection.create_index(list(index.keys), name=name, **index.options)
                continue
        if there.get(name) != _shape(index):
            changed = {"name": name, "expireAfterSeconds": index.options["expireAfterSeconds"]}
            collection.database.command("collMod", collection.name, index=changed)


def _shape(index: Index) -> Shape:
    return shape_index(index.keys, index.options)


def _without_seconds(shape: Shape) -> Shape:
    keys, options = shape
    return keys, {name: value for name, value in options.items() if name != "expireAfterSeconds"}


def _without_clocks(shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
    """Return indexes as the migrations make them: what clocks that were never set need is added by the daemon."""
    return {name: (keys, _without_clock(options)) for name, (keys, options) in shapes.items()}


def _without_clock(options: Mapping[str, Any]) -> Mapping[str, Any]:
    partial_filter = options.get("partialFilterExpression", {})
    only = {name: value for name, value in partial_filter.items() if value != {"$gt": _CLOCK_IS_SET_AT}}
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
