"""Taking a phone number out of what MongoDB has: found wherever it stands, masked, the rest left as it was."""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import decode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne

from ipecs_mw.model.numbers import replace_number
from ipecs_mw.store.coordination.requests import DONE_STATES
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_BATCH_DOCUMENTS = 500
_COLLECTIONS: Mapping[str, Mapping[str, Any]] = {
    "events": {},
    "requests": {"state": {"$in": sorted(DONE_STATES)}},  # what is still to be carried out needs its number
    "instances": {},
}
"""Where numbers stand, and which documents there are looked through."""


@dataclass(frozen=True)
class Mentions:
    """The documents that name a number: their ids by collection, and how many events of each kind."""

    ids: Mapping[str, Sequence[Any]]
    kinds: Mapping[str, int]

    @property
    def is_any(self) -> bool:
        """Whether there are any."""
        return any(self.ids.values())


def find_mentions(store: Store, number: str) -> Mentions:
    """Look through every event, ended request and instance. Raises StoreError."""
    kinds: Counter[str] = Counter()
    ids: dict[str, list[Any]] = {}
    with store_errors():
        for collection in _COLLECTIONS:
            ids[collection] = []
            for document in _find(store, collection, number):
                ids[collection].append(document["_id"])
                if collection == "events":
                    kinds[str(document.get("kind"))] += 1
    return Mentions(ids, dict(sorted(kinds.items())))


def erase_mentions(store: Store, mentions: Mentions, number: str) -> None:
    """Mask the number in these documents. Raises StoreError; the same call can then be repeated."""
    with store_errors():
        for collection, ids in mentions.ids.items():
            there = store.database[collection]
            for first in range(0, len(ids), _BATCH_DOCUMENTS):
                batch = there.find({"_id": {"$in": list(ids[first : first + _BATCH_DOCUMENTS])}})
                updates = [update for found in batch for update in _build_update(collection, found, number)]
                if updates:
                    there.bulk_write(updates, ordered=False)


def _find(store: Store, collection: str, number: str) -> Iterator[dict[str, Any]]:
    """Yield each document that names the number; those without its bytes are not even decoded."""
    forms = _spellings(number)
    there = store.database[collection].with_options(codec_options=_RAW)
    for found in there.find(_COLLECTIONS[collection]):
        content = found.raw
        if any(form in content for form in forms):
            document = decode(content, _PLAIN)
            if _mask(collection, document, number) != document:
                yield document


def _build_update(collection: str, document: dict[str, Any], number: str) -> Iterator[UpdateOne]:
    masked = _mask(collection, document, number)
    fields = {name: part for name, part in masked.items() if part != document[name]}
    if fields:
        yield UpdateOne({"_id": document["_id"]}, {"$set": fields})


def _mask(collection: str, document: dict[str, Any], number: str) -> dict[str, Any]:
    """Return a document with the number masked; integers in what the middleware itself says are no numbers."""
    is_ours = collection == "instances" or document.get("kind") == "system"
    masked: dict[str, Any] = replace_number(document, number, has_integers=not is_ours)
    return masked


def _spellings(number: str) -> list[bytes]:
    """Return how a number can stand in BSON: as text, and as an integer of either size."""
    forms = [number.encode()]
    if number.isascii() and number.isdecimal() and str(int(number)) == number:
        forms += [
            struct.pack(form, int(number))
            for form, most in (("<i", 2**31), ("<q", 2**63))
            if int(number) < most
        ]
    return forms
