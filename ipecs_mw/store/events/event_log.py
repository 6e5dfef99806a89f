"""The event log: writing events exactly once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, OperationFailure

from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.event import Event
from ipecs_mw.model.masking import Masks, mask_numbers
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import blames_document, store_errors

_DUPLICATE_KEY = 11000
_ID_INDEX = "_id_"
_INDEX_NAME = re.compile(r" index: (\S+) dup key")
_MOST_DOCUMENT_BYTES = 16 * 1024 * 1024
_MOST_LEVELS = 100  # MongoDB's documented limit; far above it a server refuses the whole batch
_LEVEL_BYTES = 7  # the least that one more level takes: its type, its empty name, its length, its end
_NO_MASKS = Masks()
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_NOT_BSON = (bson.errors.BSONError, OverflowError, RecursionError, ValueError, TypeError)

Document = dict[str, Any] | RawBSONDocument
"""A document as `build_document` returns it, or encoded already."""


class Refused(StoreRefused):
    """BSON or the server refuses these documents, by position in the batch, with the reason for each."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__("error.mongo_refused", reason=next(iter(reasons.values())))
        self.reasons = reasons


def build_document(  # noqa: C901 - a line a field: a table of them costs twice as much, for each event
    event_id: str, host: str | None, seq: int, event: Event, *, is_repeat: bool = False
) -> dict[str, Any]:
    """Return the document of an event (its form is the contract of `events`); absent fields are left out."""
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
    document["seq"] = seq
    return document


class EventLog:
    """The collection `events` of one database; `masks` are the numbers that are not stored in full."""

    def __init__(self, store: Store, masks: Masks = _NO_MASKS) -> None:
        self.masks = masks
        self._events = store.database["events"]
        self._raw_events = self._events.with_options(
            codec_options=CodecOptions(document_class=RawBSONDocument)
        )

    def encode(self, documents: Sequence[dict[str, Any]]) -> Sequence[Document]:
        """Return `documents` as `append` sends them, to spare it the work; what BSON refuses stays as it is."""
        encoded: list[Document] = []
        encode = self._encode if self.masks.rules else _encode
        for document in documents:
            try:
                encoded.append(encode(document))
            except _NOT_BSON:
                encoded.append(document)
        return encoded

    def append(self, documents: Sequence[Document]) -> None:
        """Store `documents`, durable on a majority when it returns; one already stored counts as stored.

        Raises Refused, with everything else stored, where single documents cannot be; StoreUnavailable or
        StoreRefused, with nothing known of any of them, where MongoDB did not answer as it should, or somebody
        gave the collection an index or a validator that does not admit an event: the call can be repeated.
        """
        whole: list[tuple[int, RawBSONDocument]] = []
        reasons: dict[int, str] = {}
        for position, document in enumerate(documents):
            try:
                whole.append((position, self._encode(document)))
            except _NOT_BSON as error:
                reasons[position] = f"not BSON: {error}"[:200]
        if whole:
            with store_errors():
                self._insert(whole, reasons)
        if reasons:
            raise Refused(reasons)

    def _encode(self, document: Document) -> RawBSONDocument:
        if isinstance(document, RawBSONDocument):
            return document
        return _encode(mask_numbers(document, *self.masks) if self.masks.rules else document)

    def _insert(self, whole: Sequence[tuple[int, RawBSONDocument]], reasons: dict[int, str]) -> None:
        """Insert documents by position, and note why single ones are refused.

        A batch that is refused as a whole for one document's sake is halved until that one is alone.
        """
        try:
            self._raw_events.insert_many([document for _, document in whole], ordered=False)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            for failure in error.details.get("writeErrors", ()):
                if reason := _find_blame(failure, error):
                    reasons[whole[failure["index"]][0]] = reason
        except OperationFailure as error:
            if not blames_document(error.code):
                raise
            if len(whole) == 1:
                reasons[whole[0][0]] = str(error)[:200]
                return
            for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
                self._insert(half, reasons)


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
    content = bson.encode(document, codec_options=_CODEC)
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
