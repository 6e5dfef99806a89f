"""What is really there, compared with what the schema says, and put right."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pymongo import timeout
from pymongo.errors import OperationFailure

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreRefused
from ipecs_mw.store.schema.layout import INDEXES, VIEWS, Index, build_validators
from ipecs_mw.store.schema.migrations import STEP_SECONDS, hold_lock
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.rights import RIGHTS, ROLE_PREFIX, build_privileges

_NOT_OPTIONS = frozenset({"v", "key", "ns", "background"})  # what tells of an index beside its options
_PECULIAR = frozenset({"capped", "timeseries", "collation", "viewOn"})  # what no collection of ours is
_NO_RIGHT = 13
_EXISTS = 48
_NOT_FOUND = 27


Shape = tuple[list[tuple[str, Any]], Mapping[str, Any]]


class Difference(NamedTuple):
    """A part that is missing or not as it should be, by its name.

    It is a `collection`, an `index`, a `validator`, a `view` or a `role`. `mend` puts it right; None where only a
    person can.
    """

    part: str
    name: str
    is_missing: bool
    mend: Callable[[], object] | None


class Outcome(NamedTuple):
    """What was put right, what was not, and the first reason why not."""

    mended: Sequence[Difference] = ()
    left: Sequence[Difference] = ()
    reason: str = ""


def find_differences(store: Store) -> list[Difference]:
    """Return every part of the database that is not as the schema says. Raises StoreError.

    Roles count where they are there and may be looked at: who grants none needs none.
    """
    with store_errors():
        found = {row["name"]: row for row in store.database.list_collections()}
        return [*_compare_collections(store, found), *_compare_views(store, found), *_compare_roles(store)]


def put_right(
    store: Store,
    clock: Clock,
    find: Callable[[Store], Sequence[Difference]] = find_differences,
    *,
    stop: threading.Event | None = None,
    only_missing: bool = False,
) -> Outcome:
    """Put right what `find` finds, with `only_missing` no more than what is missing.

    What MongoDB refuses is left, and told. Building an index of a large collection takes its time. One at a time,
    as migrations. Raises StoreUnavailable; CannotStart and Stopped as `migrate`.
    """

    def choose() -> list[Difference]:
        return [difference for difference in find(store) if difference.is_missing or not only_missing]

    if not choose():
        return Outcome()
    mended, left, reason = [], [], ""
    with hold_lock(store, clock, stop or threading.Event()) as lock:
        for difference in choose():
            lock.check()
            try:
                _mend(difference)
                mended.append(difference)
            except StoreRefused as error:
                left.append(difference)
                reason = reason or logs.explain(error)
    return Outcome(mended, left, reason)


def _mend(difference: Difference) -> None:
    if difference.mend is None:
        raise StoreRefused("error.mongo_foreign", name=difference.name)
    with store_errors(), timeout(STEP_SECONDS):
        difference.mend()


def describe_differences(differences: Iterable[Difference]) -> str:
    """Return the parts by name, each with what it is."""
    return ", ".join(f"{difference.name} ({difference.part})" for difference in differences)


def shape_index(keys: Iterable[tuple[str, Any]], told: Mapping[str, Any]) -> Shape:
    """Return what makes an index what it is: its fields in order, and its options."""
    options = {option: value for option, value in told.items() if option not in _NOT_OPTIONS}
    return [(field, int(way) if isinstance(way, float) else way) for field, way in keys], options


def _compare_collections(store: Store, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    validators = build_validators()
    for name in sorted(INDEXES.keys() | validators.keys()):
        there = found.get(name)
        if there is None:
            yield Difference("collection", name, is_missing=True, mend=partial(_create, store, name))
        elif there.get("type") != "collection" or _PECULIAR & there.get("options", {}).keys():
            yield Difference("collection", name, is_missing=False, mend=None)
            continue
        if validator := validators.get(name):
            yield from _compare_validator(store, name, validator, there)
        yield from _compare_indexes(store, name, exists=there is not None)


def _compare_views(store: Store, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for name, view in VIEWS.items():
        wanted = {"viewOn": view.source, "pipeline": list(view.pipeline)}
        there = found.get(name)
        if there is None:
            create = partial(store.database.command, "create", name, **wanted)
            yield Difference("view", name, is_missing=True, mend=create)
        elif there.get("type") != "view":
            yield Difference("view", name, is_missing=False, mend=None)
        elif {key: there["options"].get(key) for key in wanted} != wanted:
            change = partial(store.database.command, "collMod", name, **wanted)
            yield Difference("view", name, is_missing=False, mend=change)


def _create(store: Store, name: str) -> None:
    try:
        store.database.create_collection(name)
    except OperationFailure as error:  # whoever writes to it makes it too
        if error.code != _EXISTS:
            raise


def _compare_validator(
    store: Store, name: str, wanted: Mapping[str, Any], there: Mapping[str, Any] | None
) -> Iterator[Difference]:
    options = (there or {}).get("options", {})
    found = options.get("validator")
    if found == wanted and options.get("validationAction") == "warn":
        return
    change = partial(store.database.command, "collMod", name, validator=wanted, validationAction="warn")
    yield Difference("validator", name, is_missing=not found, mend=change)


def _compare_indexes(store: Store, name: str, *, exists: bool) -> Iterator[Difference]:
    found = store.database[name].index_information() if exists else {}
    shapes = [shape_index(index["key"], index) for index in found.values()]  # by whatever name it is there
    for index in INDEXES.get(name, ()):
        if shape_index(index.keys, index.options) not in shapes:
            is_missing = index.name not in found
            build = partial(_build, store, name, index, is_missing=is_missing)
            yield Difference("index", f"{name}.{index.name}", is_missing=is_missing, mend=build)


def _build(store: Store, name: str, index: Index, *, is_missing: bool) -> None:
    collection = store.database[name]
    if not is_missing:
        try:
            collection.drop_index(index.name)
        except OperationFailure as error:
            if error.code != _NOT_FOUND:
                raise
    collection.create_index(list(index.keys), name=index.name, **index.options)


def _compare_roles(store: Store) -> Iterator[Difference]:
    database = store.database
    for role in RIGHTS:
        name = ROLE_PREFIX + role
        try:
            found = database.command("rolesInfo", {"role": name, "db": database.name}, showPrivileges=True)
        except OperationFailure as error:
            if error.code != _NO_RIGHT:
                raise
            continue
        privileges = build_privileges(role, database.name)
        if found["roles"] and _spread(found["roles"][0]["inheritedPrivileges"]) != _spread(privileges):
            change = partial(database.command, "updateRole", name, privileges=privileges, roles=[])
            yield Difference("role", name, is_missing=False, mend=change)


def _spread(privileges: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return each right as what it is on, and what it allows."""
    return {
        (str(sorted(privilege["resource"].items())), action)
        for privilege in privileges
        for action in privilege["actions"]
    }
