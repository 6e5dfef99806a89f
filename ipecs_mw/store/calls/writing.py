"""Writing what readers derive: only what differs, and only where nobody else has written meanwhile.

What people add to a document stays: a reader owns the fields that it derives, and no other.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson.errors import InvalidDocument
from msgspec import Struct
from pymongo import DeleteOne, InsertOne, UpdateOne, timeout
from pymongo.errors import BulkWriteError, DocumentTooLarge

from ipecs_mw import logs
from ipecs_mw.errors import WrittenElsewhere
from ipecs_mw.store.server.connection import OPERATION_SECONDS, Store
from ipecs_mw.store.server.failures import store_errors

log = logs.get_logger()

PEOPLES = frozenset({"owner", "note", "closing", "history"})
"""Fields that people add; no reader touches them."""

_HOUSEKEEPING = frozenset({"revision", "updated_at"})
_DUPLICATE_KEY = 11000
_NOT_BSON = (InvalidDocument, DocumentTooLarge, OverflowError, ValueError, TypeError)

Document = dict[str, Any]
Change = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
Announce = Callable[[Sequence[Change], datetime], Callable[[], None]]
_Write = InsertOne[Document] | UpdateOne | DeleteOne


class Difference(Struct, frozen=True):
    """A document that is not as derived: `kind` is `missing`, `extra` or `different`, the latter in `fields`.

    `before` is the document as it was stored.
    """

    collection: str
    id: str
    kind: str
    fields: Sequence[str] = ()
    before: Mapping[str, Any] | None = None


class Span(Struct, frozen=True):
    """The documents that are to be touched: those that began from `since` on and before `until`, where given."""

    since: datetime | None = None
    until: datetime | None = None

    def has(self, at: datetime | None) -> bool:
        """Tell whether what began then is to be touched."""
        is_late_enough = self.since is None or (at is not None and at >= self.since)
        return is_late_enough and (self.until is None or (at is not None and at < self.until))


ALL = Span()


def twice(write: Callable[[], list[Difference]]) -> list[Difference]:
    """Return what `write` does; again where somebody wrote meanwhile, as who closes a missed call does."""
    try:
        return write()
    except WrittenElsewhere:
        return write()


class Written:
    """A collection of derived documents; it has in mind what it wrote, until it is told to forget.

    `began` is the field with the instant at which what a document tells began; what is outside of `span` is left
    as it is. `announce` is told what is written, each document as it was and as it is; what it returns is called
    before and after. Nothing is written while it `may_write` no more: what was derived may be old by then.
    """

    def __init__(
        self,
        store: Store,
        collection: str,
        began: str = "began_at",
        span: Span = ALL,
        announce: Announce = lambda _changes, _now: lambda: None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = collection
        self._began = began
        self._span = span
        self._announce = announce
        self._may_write = may_write
        self._collection = store.database[collection]
        self._known: dict[str, Document] = {}

    def forget(self, is_done: Callable[[str], bool] = lambda _id: True) -> None:
        """Forget what was written of documents, by id, of which no more is to come."""
        for each in [each for each in self._known if is_done(each)]:
            del self._known[each]

    def compare(self, derived: Mapping[str, Document | None]) -> list[Difference]:
        """Return in what the documents stored differ from what was derived; None for one that is not to be there.

        Raises StoreError.
        """
        stored = self._read(derived)
        return [
            difference
            for each, document in derived.items()
            if (difference := self._find_difference(each, stored.get(each), document)) is not None
        ]

    def write(
        self,
        derived: Mapping[str, Document | None],
        now: datetime,
        stored: Mapping[str, Document] | None = None,
    ) -> list[Difference]:
        """Store what differs and return it; None deletes.

        `stored` are all documents that were there before it was looked up what to derive from: whoever writes
        after that is in conflict. Raises WrittenElsewhere where somebody else changed a document meanwhile, what
        is not in conflict being written, and where another one has the right to write; StoreError. The call can be
        repeated.
        """
        if stored is None:
            stored = self._read(derived)
        found: list[tuple[Difference, _Write]] = []
        for each, document in derived.items():
            before = stored.get(each)
            difference = self._find_difference(each, before, document)
            if difference is not None:
                found.append((difference, _build_write(difference, before, document, now)))
        if found:
            tell = self._announce([(told.before, derived[told.id]) for told, _ in found], now)
            tell()
            if not self._may_write():
                raise WrittenElsewhere("error.written_elsewhere", collection=self.name)
            self._send([write for _, write in found])
            tell()  # who was told before may have looked before it was written
        for difference, _ in found:
            self._note(difference.id, difference.before or {}, derived[difference.id])
        return [difference for difference, _ in found]

    def _note(self, each: str, before: Mapping[str, Any], now: Document | None) -> None:
        """Have in mind what was written."""
        if now is None:
            self._known.pop(each, None)
        else:
            people = {name: value for name, value in before.items() if name in PEOPLES}
            self._known[each] = {**people, **now, "revision": _count_up(before)}

    def list_between(self, host: str, after: str, until: str | None = None, limit: int = 0) -> list[str]:
        """Return the ids of a host's documents that a stretch of its order began: behind `after`, up to `until`.

        All of them, or up to `limit`. Raises StoreError.
        """
        first = {"$gt": after} if until is None else {"$gt": after, "$lte": until}
        with store_errors():
            found = self._collection.find({"host": host, "first": first}, {"_id": 1}).limit(limit)
            return [each["_id"] for each in found]

    def has_before(self, host: str, first: str) -> bool:
        """Tell whether a host has documents from before a place in its order. Raises StoreError."""
        with store_errors():
            return self._collection.find_one({"host": host, "first": {"$lt": first}}, {"_id": 1}) is not None

    def _read(self, derived: Mapping[str, Document | None]) -> dict[str, Document]:
        stored = {each: self._known[each] for each in derived if each in self._known}
        missing = [each for each in derived if each not in stored]
        if missing:
            with store_errors():
                for document in self._collection.find({"_id": {"$in": missing}}):
                    stored[document["_id"]] = self._known[document["_id"]] = document
        return stored

    def _find_difference(
        self, each: str, stored: Document | None, derived: Document | None
    ) -> Difference | None:
        told = derived if derived is not None else stored
        if told is None or not self._span.has(told.get(self._began)):
            return None
        if stored is None:
            return None if derived is None else Difference(self.name, each, "missing")
        if derived is None:
            return Difference(self.name, each, "extra", before=stored)
        kept = PEOPLES | _HOUSEKEEPING
        names = {**stored, **derived}
        fields = [name for name in names if name not in kept and stored.get(name) != derived.get(name)]
        return Difference(self.name, each, "different", fields, stored) if fields else None

    def _send(self, writes: Sequence[_Write]) -> None:
        with store_errors(), timeout(OPERATION_SECONDS):
            try:
                result = self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                self._known.clear()
                failures = error.details.get("writeErrors", ())
                if failures and all(each.get("code") == _DUPLICATE_KEY for each in failures):
                    raise WrittenElsewhere("error.written_elsewhere", collection=self.name) from error
                raise
            except _NOT_BSON as error:
                self._known.clear()
                if len(writes) == 1:
                    log.error("calls.refused", collection=self.name, reason=str(error)[:200])
                    return
                for write in writes:
                    self._send([write])
                return
        expected = sum(not isinstance(write, InsertOne) for write in writes)
        if result.matched_count + result.deleted_count < expected:
            self._known.clear()
            raise WrittenElsewhere("error.written_elsewhere", collection=self.name)


def _count_up(stored: Mapping[str, Any]) -> int:
    return int(stored.get("revision") or 0) + 1


def _build_write(
    difference: Difference, stored: Document | None, derived: Document | None, now: datetime
) -> _Write:
    if stored is None:
        return InsertOne({**(derived or {}), "revision": 1, "updated_at": now})
    same = {"_id": difference.id, "revision": stored.get("revision")}
    if derived is None:
        return DeleteOne(same)
    changed = {name: derived[name] for name in difference.fields if name in derived}
    gone = {name: "" for name in difference.fields if name not in derived}
    revision = _count_up(stored)
    update: Document = {"$set": {**changed, "revision": revision, "updated_at": now}}
    return UpdateOne(same, update | ({"$unset": gone} if gone else {}))
