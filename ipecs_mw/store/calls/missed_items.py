"""Missed calls in MongoDB: derived anew for numbers whose calls have changed; what people added to them stays."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from msgspec import Struct

from ipecs_mw.calls.documents.missed import NOT_MISSED, Closing, Item, counts, find_missed
from ipecs_mw.calls.joining.index import LIMIT
from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.model.numbering.numbers import read_all
from ipecs_mw.store.calls.writing import PEOPLES, Difference, Written, twice
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_FIELDS = dict.fromkeys(
    ("host", "direction", "outcome", "is_open", "caller", "dialed", "groups", "seconds", "numbers", "began_at",
     "answered_at", "ended_at"),
    1,
)  # fmt: skip

_NAMED = ("_id", "host", "number", "numbers", "name", "group", "first_at", "last_at")
_AT_ONCE = 500  # numbers, so that memory is bounded whatever was noted

Document = dict[str, Any]
_Put = Callable[[Mapping[str, Document | None]], list[Difference]]


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
    """The missed calls of one host: what calls change of them is noted first, and then derived all at once."""

    def __init__(self, store: Store, host: str, options: ReadingOptions) -> None:
        self.options = options
        self._store = store
        self._host = host
        self._noted: dict[str, _Group] = {}
        self._written = Written(store, "missed")

    @property
    def noted(self) -> int:
        """How many numbers were noted whose missed calls are to be derived anew."""
        return len(self._noted)

    def note(self, touched: Iterable[Touched]) -> None:
        """Note the numbers of calls that have changed, those that may be one as one."""
        for each in touched:
            group = _Group(set(each.numbers), each.began_at, each.is_missed)
            for other in {id(known): known for n in each.numbers if (known := self._noted.get(n))}.values():
                group.numbers |= other.numbers
                group.since = min(group.since, other.since)
                group.is_missed |= other.is_missed
            self._noted.update(dict.fromkeys(group.numbers, group))

    def write(self, now: datetime) -> list[Difference]:
        """Derive anew what was noted, store what differs, and return it.

        Raises WrittenElsewhere where people keep changing items meanwhile; StoreError. The call can be repeated.
        """
        return self._put(lambda derived: self._written.write(derived, now))

    def compare(self) -> list[Difference]:
        """Return what `write` would store. Raises StoreError."""
        return self._put(self._written.compare)

    def _put(self, put: _Put) -> list[Difference]:
        groups = {id(group): group for group in self._noted.values()}.values()
        waiting, told = iter(sorted(groups, key=lambda group: group.since)), []
        while some := list(islice(waiting, _AT_ONCE)):
            told += twice(partial(self._put_some, some, put))
        self._noted.clear()
        return told

    def _put_some(self, groups: Sequence[_Group], put: _Put) -> list[Difference]:
        self._written.forget()
        return put(self._derive(groups))

    def _derive(self, groups: Sequence[_Group]) -> Mapping[str, Document | None]:
        self._find_items(groups)
        groups = [group for group in groups if group.is_missed or group.items]
        calls = _deal(groups, self._find_calls(groups))
        derived: dict[str, Document | None] = {}
        for group in groups:
            derived |= self._derive_group(group, calls[id(group)])
        return derived

    def _find_items(self, groups: Sequence[_Group]) -> None:
        """Give groups their items, without those that were closed before: of a masked number there may be many."""
        numbers = [number for group in groups for number in group.numbers]
        since = datetime.max.replace(tzinfo=UTC)
        while (earliest := min(group.since for group in groups)) < since:
            since = earliest
            wanted = build_wanted(self._host, numbers, since)
            with store_errors():
                items = _deal(groups, self._store.database["missed"].find(wanted))
            for group in groups:
                group.items = items[id(group)]
                _reach_back(group)

    def _find_calls(self, groups: Sequence[_Group]) -> Iterable[Document]:
        """Return the calls of groups since each began, asked for by day: a question for each takes the longest."""
        if not groups:
            return ()
        days: dict[date, list[_Group]] = {}
        for group in groups:
            days.setdefault(group.since.date(), []).append(group)
        wanted = [
            {
                "numbers": {"$in": sorted(number for group in some for number in group.numbers)},
                "began_at": {"$gte": min(group.since for group in some) - LIMIT},
            }
            for some in days.values()
        ]
        with store_errors():
            return list(self._store.database["calls"].find({"host": self._host, "$or": wanted}, _FIELDS))

    def _derive_group(self, group: _Group, calls: Iterable[Document]) -> dict[str, Document | None]:
        options = self.options
        closings = _read_closings(group.items)

        def find() -> list[Item]:
            return find_missed(
                calls,
                options.plan,
                short_seconds=options.short_seconds,
                default_short_seconds=options.default_short_seconds,
                closings=closings,
                since=group.since,
            )

        items = find()
        inherited, handed_on = _inherit(group.items, items)
        if inherited:
            closings |= _read_closings({"_id": each} | people for each, people in inherited.items())
            items = find()
        derived = {item["_id"]: None if item["_id"] in handed_on else _withdraw(item) for item in group.items}
        for item in items:
            numbers = sorted(read_all(item.number, options.plan))
            derived[item.id] = {**item.to_document(), "numbers": numbers, **inherited.get(item.id, {})}
        return derived


def _deal(groups: Iterable[_Group], documents: Iterable[Document]) -> dict[int, list[Document]]:
    """Return the documents of each group, by its identity: those with one of its numbers."""
    dealt: dict[int, list[Document]] = {id(group): [] for group in groups}
    places = {number: id(group) for group in groups for number in group.numbers}
    for document in documents:
        for place in {places[number] for number in document["numbers"] if number in places}:
            dealt[place].append(document)
    return dealt


def _reach_back(group: _Group) -> None:
    """Have a group begin when nothing of it was open, and keep only the items since then."""
    for item in sorted(group.items, key=lambda item: item["first_at"], reverse=True):
        if item["first_at"] < group.since <= item.get("closed_at", group.since):
            group.since = item["first_at"]
    group.items = [item for item in group.items if item["first_at"] >= group.since]


def _read_closings(items: Iterable[Document]) -> dict[str, Closing]:
    return {
        item["_id"]: Closing(str(told.get("by", "?")), told["at"])
        for item in items
        if (told := item.get("closing")) and told.get("at")
    }


def _withdraw(item: Document) -> Document | None:
    """Return what is left of an item whose calls were not missed: what people added is kept; None for nothing."""
    if PEOPLES.isdisjoint(item):
        return None
    named = {name: item[name] for name in _NAMED if name in item}
    closed = {"state": "closed", "count": 0, "closed_at": item["last_at"], "closed_by": NOT_MISSED}
    return named | closed


def _inherit(stored: Sequence[Document], items: Sequence[Item]) -> tuple[dict[str, Document], set[str]]:
    """Return what people added to items that are no more, by the new item of the same number nearest in time.

    And the items that so have an heir.
    """
    there, now = {item["_id"] for item in stored}, {item.id for item in items}
    inherited: dict[str, Document] = {}
    handed_on: set[str] = set()
    for gone in stored:
        people = {name: value for name, value in gone.items() if name in PEOPLES}
        if gone["_id"] in now or not people:
            continue
        within = LIMIT if gone.get("closed_by") == NOT_MISSED else timedelta.max
        heirs = [
            item
            for item in items
            if item.id not in there
            and item.number == gone["number"]
            and abs(item.first_at - gone["first_at"]) <= within
        ]
        if not heirs:
            continue
        nearest = min(heirs, key=lambda item: abs(item.first_at - gone["first_at"]))
        inherited[nearest.id] = people | inherited.get(nearest.id, {})
        handed_on.add(gone["_id"])
    return inherited, handed_on
