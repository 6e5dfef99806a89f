"""Missed calls in MongoDB: derived anew for numbers whose calls have changed; what people added to them stays."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.index import LIMIT
from ipecs_mw.calls.missed import Closing, Item, counts, find_missed
from ipecs_mw.calls.options import ReadingOptions
from ipecs_mw.model.numbers import read_all
from ipecs_mw.store.calls.writing import PEOPLES, Difference, Written
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_FIELDS = dict.fromkeys(
    ("host", "direction", "outcome", "is_open", "caller", "dialed", "groups", "seconds", "numbers", "began_at",
     "answered_at", "ended_at"),
    1,
)  # fmt: skip

Document = dict[str, Any]


class Touched(Struct, frozen=True):
    """A call that has changed: its numbers, when it began, and whether it was missed."""

    numbers: Sequence[str]
    began_at: datetime
    is_missed: bool


class _Group(Struct):
    """Numbers that may be one, and what is known of them."""

    numbers: set[str]
    since: datetime
    is_missed: bool
    items: list[Document] = []


def build_touched(record: Mapping[str, Any], options: ReadingOptions) -> Touched | None:
    """Return what a document of `calls` changes of missed calls; None where it has no number, or lasts."""
    numbers = record.get("numbers")
    if not numbers or record.get("is_open"):
        return None
    kind = counts(
        record,
        options.plan,
        short_seconds=options.short_seconds,
        default_short_seconds=options.default_short_seconds,
    )
    return Touched(numbers, record["began_at"], kind == "missed")


def build_wanted(host: str, numbers: Sequence[str], since: datetime) -> Document:
    """Return the query for the items of numbers that were open at an instant, or opened since."""
    is_recent = [{"closed_at": {"$not": {"$lt": since}}}, {"first_at": {"$gte": since}}]
    return {"host": host, "numbers": {"$in": list(numbers)}, "$or": is_recent}


class MissedCalls:
    """The missed calls of one database."""

    def __init__(self, store: Store, host: str, options: ReadingOptions) -> None:
        self._store = store
        self._host = host
        self._options = options
        self._written = Written(store, "missed")

    def write(self, touched: Iterable[Touched], now: datetime) -> list[Difference]:
        """Derive anew what these calls change, store what differs, and return it.

        Raises WrittenElsewhere where a person changed an item meanwhile; StoreError. The call can be repeated.
        """
        self._written.forget()
        return self._written.write(self._derive(touched), now)

    def compare(self, touched: Iterable[Touched]) -> list[Difference]:
        """Return what `write` would store. Raises StoreError."""
        self._written.forget()
        return self._written.compare(self._derive(touched))

    def _derive(self, touched: Iterable[Touched]) -> Mapping[str, Document | None]:
        groups = _group(touched)
        if not groups:
            return {}
        self._find_items(groups)
        groups = [group for group in groups if group.is_missed or group.items]
        derived: dict[str, Document | None] = {}
        calls = self._find_calls(groups)
        for group in groups:
            derived |= self._derive_group(group, calls)
        return derived

    def _find_items(self, groups: Sequence[_Group]) -> None:
        """Give groups their items, without those that were closed before: of a masked number there may be many."""
        numbers = [number for group in groups for number in group.numbers]
        since = datetime.max.replace(tzinfo=UTC)
        while (earliest := min(group.since for group in groups)) < since:
            since = earliest
            wanted = build_wanted(self._host, numbers, since)
            with store_errors():
                found = list(self._store.database["missed"].find(wanted))
            for group in groups:
                group.items = [item for item in found if not group.numbers.isdisjoint(item["numbers"])]
                _reach_back(group)

    def _find_calls(self, groups: Sequence[_Group]) -> list[Document]:
        if not groups:
            return []
        wanted = [
            {"numbers": {"$in": sorted(group.numbers)}, "began_at": {"$gte": group.since - LIMIT}}
            for group in groups
        ]
        with store_errors():
            return list(self._store.database["calls"].find({"host": self._host, "$or": wanted}, _FIELDS))

    def _derive_group(self, group: _Group, calls: Iterable[Document]) -> dict[str, Document | None]:
        options = self._options
        closings = _read_closings(group.items)
        mine = [call for call in calls if not group.numbers.isdisjoint(call["numbers"])]

        def find() -> list[Item]:
            return find_missed(
                mine,
                options.plan,
                short_seconds=options.short_seconds,
                default_short_seconds=options.default_short_seconds,
                closings=closings,
                since=group.since,
            )

        items = find()
        inherited = _inherit(group.items, items)
        if inherited:
            closings |= _read_closings({"_id": each} | people for each, people in inherited.items())
            items = find()
        derived: dict[str, Document | None] = {item["_id"]: None for item in group.items}
        for item in items:
            numbers = sorted(read_all(item.number, options.plan))
            derived[item.id] = {**item.to_document(), "numbers": numbers, **inherited.get(item.id, {})}
        return derived


def _group(touched: Iterable[Touched]) -> list[_Group]:
    """Return the numbers that may be one, each group once."""
    by_number: dict[str, _Group] = {}
    for each in touched:
        group = _Group(set(each.numbers), each.began_at, each.is_missed)
        for other in {id(found): found for n in each.numbers if (found := by_number.get(n))}.values():
            group.numbers |= other.numbers
            group.since = min(group.since, other.since)
            group.is_missed |= other.is_missed
        by_number.update(dict.fromkeys(group.numbers, group))
    return list({id(group): group for group in by_number.values()}.values())


def _reach_back(group: _Group) -> None:
    """Have a group begin when nothing of it was open, and keep only the items since then."""
    items = group.items
    while earlier := [
        item["first_at"]
        for item in items
        if item["first_at"] < group.since and item.get("closed_at", group.since) >= group.since
    ]:
        group.since = min(earlier)
    group.items = [item for item in items if item["first_at"] >= group.since]


def _read_closings(items: Iterable[Document]) -> dict[str, Closing]:
    return {
        item["_id"]: Closing(str(told.get("by", "?")), told["at"])
        for item in items
        if (told := item.get("closing")) and told.get("at")
    }


def _inherit(stored: Sequence[Document], items: Sequence[Item]) -> dict[str, Document]:
    """Return what people added to items that are no more, by the new item of the same number nearest in time."""
    there, now = {item["_id"] for item in stored}, {item.id for item in items}
    inherited: dict[str, Document] = {}
    for gone in stored:
        people = {name: value for name, value in gone.items() if name in PEOPLES}
        if gone["_id"] in now or not people:
            continue
        heirs = [item for item in items if item.id not in there and item.number == gone["number"]]
        if not heirs:
            continue
        nearest = min(heirs, key=lambda item: abs(item.first_at - gone["first_at"]))
        inherited[nearest.id] = people | inherited.get(nearest.id, {})
    return inherited
