"""The event log: writing events exactly once."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bson
from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo import timeout
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.event import Event
from ipecs_mw.model.numbering.masking import Masks, mask_numbers
from ipecs_mw.store.server.connection import OPERATION_SECONDS, Store
from ipecs_mw.store.server.failures import blames_document, store_errors

_DUPLICATE_KEY = 11000
_MOST_REPEATS = 5  # of one insert while the primary changes; all of them share its time
_ID_INDEX = "_id_"
_INDEX_NAME = re.compile(r" index: (\S+) dup key")
_MOST_DOCUMENT_BYTES = 16 * 1024 * 1024
_MOST_LEVELS = 100  # MongoDB's documented limit; far above it a server refuses the whole batch
_LEVEL_BYTES = 7  # the least that one more level takes: its type, its empty name, its length, its end
_NO_MASKS = Masks()
_DURABLE = {"w": "majority", "j": True}
_NOT_BSON = (bson.errors.BSONError, OverflowError, RecursionError, ValueError, TypeError)

_Document = dict[str, Any] | RawBSONDocument


class Refused(StoreRefused):
    """BSON or the server refuses these documents, by position in the batch, with the reason for each."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__("error.mongo_refused", reason=next(iter(reasons.values())))
        self.reasons = reasons


def build_document(  # noqa: C901 - a line a field: a table of them costs twice as much, for each event
    event_id: str, host: str | None, seq: int, event: Event, *, connection: int = 0, is_repeat: bool = False
) -> dict[str, Any]:
    """Return the document of an event (its form is the contract of `events`); absent fields are left out.

    `connection` is the number of the connection to the host, 0 where there was none yet: such an event has no
    place among those that the host sent.
    """
    document: dict[str, Any] = {"_id": event_id}
    if host is not None:
        document["host"] = host
    document["kind"] = event.kind
    document["type"] = event.type
    if event.code is not None:
        document["code"] = event.code
    if event.at is not None:
        document["at"] = event.at
    document["received_at"] = event.received_at
    if event.call_ref is not None:
        document["call_ref"] = event.call_ref
    if event.serial is not None:
        document["serial"] = event.serial
    if event.stations:
        document["stations"] = event.stations
    if event.group is not None:
        document["group"] = event.group
    if event.data:
        document["data"] = event.data
    if event.raw is not None:
        document["raw"] = Binary(event.raw) if isinstance(event.raw, bytes) else event.raw
    if event.problems:
        document["problems"] = event.problems
    if is_repeat:
        document["is_repeat"] = True
    if host is not None:
        document["connection"] = connection
    document["seq"] = seq
    return document


FULL_BATCH = 1000
"""So many events are stored at once where more wait."""

FLOOD_BATCHES = 8
"""So many full batches of a host in turn are a flood: one alone may be what came at once."""


class News:
    """Which hosts have had events stored; `is_there` is set until it is asked. Safe to share between threads."""

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self._full_batches: dict[str, int] = {}
        self._is_flood = False
        self._hosts: set[str] = set()
        self._lock = threading.Lock()

    def tell(self, host: str, count: int = 1) -> None:
        """Note that so many events of a host were stored."""
        with self._lock:
            self._hosts.add(host)
            full = self._full_batches.get(host, 0) + 1 if count >= FULL_BATCH else 0
            self._full_batches[host] = full
            self._is_flood |= full >= FLOOD_BATCHES
            self.is_there.set()

    def take(self) -> set[str]:
        """Return the hosts that were noted since this was asked last."""
        with self._lock:
            hosts, self._hosts = self._hosts, set()
            self.is_there.clear()
        return hosts

    def take_flood(self) -> bool:
        """Tell whether more came than was stored since this was asked: batches of a host in turn were full."""
        with self._lock:
            is_flood, self._is_flood = self._is_flood, False
        return is_flood


class EventLog:
    """The collection `events` of one database; `masks` are the numbers that are not stored in full.

    `news` is told of every batch that was stored.
    """

    def __init__(self, store: Store, masks: Masks = _NO_MASKS) -> None:
        self.masks = masks
        self.news = News()
        self._database = store.database
        self._is_odd = False  # what came last had something that BSON refuses

    def append(self, documents: Sequence[dict[str, Any]], *, is_plain: bool = False) -> None:
        """Store `documents`, durable on a majority when it returns; one already stored counts as stored.

        `is_plain` says that they are known to be small, all together, and to have far fewer levels than MongoDB
        takes: then they are encoded in one go. Raises Refused, with everything else stored, where single
        documents cannot be; StoreUnavailable or StoreRefused, with nothing known of any of them, where MongoDB
        did not answer as it should, or somebody gave the collection an index or a validator that does not admit
        an event: the call can be repeated.
        """
        reasons: dict[int, str] = {}
        with store_errors():
            if not (is_plain and self._insert_plain(documents, reasons)):
                encoded = list(self._encode_each(documents, reasons))
                self._is_odd = bool(reasons)
                self._insert(encoded, reasons)
        if documents:
            self.news.tell(documents[0].get("host", ""), len(documents))
        if reasons:
            raise Refused(reasons)

    def _insert_plain(self, documents: Sequence[dict[str, Any]], reasons: dict[int, str]) -> bool:
        """Insert documents as they are; tell whether that could be tried, since BSON may refuse one of them.

        That costs the connection, so it is not tried where there was one among the last.
        """
        if self._is_odd:
            return False
        if self.masks.rules:
            documents = [mask_numbers(document, *self.masks) for document in documents]
        try:
            self._insert(list(enumerate(documents)), reasons)
        except _NOT_BSON:
            return False
        return True

    def _encode_each(
        self, documents: Sequence[dict[str, Any]], reasons: dict[int, str]
    ) -> Iterator[tuple[int, RawBSONDocument]]:
        """Yield the documents that BSON takes by their positions, and note why it does not take the others."""
        for position, document in enumerate(documents):
            try:
                yield position, self._encode(document)
            except _NOT_BSON as error:
                reasons[position] = f"not BSON: {error}"[:200]

    def _encode(self, document: dict[str, Any]) -> RawBSONDocument:
        return _encode(mask_numbers(document, *self.masks) if self.masks.rules else document)

    def _insert(self, whole: Sequence[tuple[int, _Document]], reasons: dict[int, str]) -> None:
        """Insert documents by position, and note why single ones are refused.

        A batch that is refused as a whole for one document's sake is halved until that one is alone, and so is one
        that is more than a message holds.
        """
        if not whole:
            return
        try:
            answer = self._send([document for _, document in whole])
        except (DocumentTooLarge, OperationFailure) as error:
            if isinstance(error, OperationFailure) and not blames_document(error.code):
                raise
            if len(whole) == 1:
                reasons[whole[0][0]] = str(error)[:200]
                return
            for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
                self._insert(half, reasons)
        else:
            for position, reason in _find_refused(answer):
                reasons[whole[position][0]] = reason

    def _send(self, documents: Sequence[_Document]) -> Mapping[str, Any]:
        """Return MongoDB's answer to one insert of `documents`.

        The command itself, since `insert_many` costs as much again as encoding them does. What is known of a
        document's repetition makes up for what the driver knows of it: some more tries where the primary changes.
        """

        def insert() -> Mapping[str, Any]:
            return self._database.command(
                "insert", "events", documents=documents, ordered=False, writeConcern=_DURABLE
            )

        with timeout(OPERATION_SECONDS):
            for _ in range(_MOST_REPEATS):
                try:
                    return insert()
                except ServerSelectionTimeoutError:
                    raise
                except AutoReconnect:  # the event's id makes a repetition safe
                    continue
            return insert()


def _find_refused(answer: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the positions of documents that MongoDB refused, and why; raises what is not for their sake."""
    failures = answer.get("writeErrors", ())
    concern = answer.get("writeConcernError")
    if not failures and concern is None:
        return
    error = BulkWriteError({**answer, "writeConcernErrors": [] if concern is None else [concern]})
    if concern is not None:
        raise error
    for failure in failures:
        if reason := _find_blame(failure, error):
            yield failure["index"], reason


def _find_blame(failure: Mapping[str, Any], error: BulkWriteError) -> str | None:
    """Return why a document is refused, None where it is stored already; raises what is not for its sake."""
    if failure.get("code") == _DUPLICATE_KEY:
        if (index := _find_index(failure)) != _ID_INDEX:
            raise StoreRefused("error.mongo_unique", index=index) from error
        return None
    if not blames_document(failure.get("code")):
        raise error
    return str(failure.get("errmsg", "?"))[:200]


def _find_index(failure: Mapping[str, Any]) -> str:
    """Return the name of the index that refuses a duplicate: only `_id` says that the event is stored."""
    if dict(failure.get("keyPattern") or {}) == {"_id": 1}:
        return _ID_INDEX
    named = _INDEX_NAME.search(str(failure.get("errmsg", "")))
    return named[1] if named else "?"


def _encode(document: dict[str, Any]) -> RawBSONDocument:
    """Return the document as it is sent; raise one of `_NOT_BSON` where MongoDB would not take it."""
    content = bson.encode(document)
    if len(content) > _MOST_LEVELS * _LEVEL_BYTES:
        if _is_deeper(document, _MOST_LEVELS):
            raise ValueError(f"more than {_MOST_LEVELS} levels deep")
        if len(content) > _MOST_DOCUMENT_BYTES:
            raise ValueError(f"{len(content)} bytes, more than {_MOST_DOCUMENT_BYTES}")
    return RawBSONDocument(content)


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
