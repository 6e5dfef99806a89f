"""Taking a phone number out of what MongoDB has: found wherever it stands, masked, the rest left as it was."""

import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import decode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne

from ipecs_mw.model.formats import NumberSettings
from ipecs_mw.model.masking import erase_number
from ipecs_mw.model.numbers import PLAIN, find_spellings
from ipecs_mw.store.coordination.requests import DONE_STATES
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_BATCH_DOCUMENTS = 500
_COMMON_DIGITS = 6  # how a number ends is the same in all its spellings
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


def find_mentions(store: Store, number: str, plan: NumberSettings = PLAIN) -> Mentions:
    """Look through every event, ended request and instance for a bare number. Raises StoreError."""
    kinds: Counter[str] = Counter()
    ids: dict[str, list[Any]] = {}
    with store_errors():
        for collection in _COLLECTIONS:
            ids[collection] = []
            for document in _find(store, collection, number, plan):
                ids[collection].append(document["_id"])
                if collection == "events":
                    kinds[str(document.get("kind"))] += 1
    return Mentions(ids, dict(sorted(kinds.items())))


def erase_mentions(store: Store, mentions: Mentions, number: str, plan: NumberSettings = PLAIN) -> None:
    """Mask the number in these documents, and the names with it.

    Raises StoreError; the same call can then be repeated.
    """
    with store_errors():
        for collection, ids in mentions.ids.items():
            there = store.database[collection]
            for first in range(0, len(ids), _BATCH_DOCUMENTS):
                batch = there.find({"_id": {"$in": list(ids[first : first + _BATCH_DOCUMENTS])}})
                updates = [
                    update for found in batch for update in _build_update(collection, found, number, plan)
                ]
                if updates:
                    there.bulk_write(updates, ordered=False)


def _find(store: Store, collection: str, number: str, plan: NumberSettings) -> Iterator[dict[str, Any]]:
    """Yield each document that names the number; those without its bytes are not even decoded."""
    may_name = _compile(number, plan)
    there = store.database[collection].with_options(codec_options=_RAW)
    for found in there.find(_COLLECTIONS[collection]):
        if may_name.search(found.raw):
            document = decode(found.raw, _PLAIN)
            if _mask(collection, document, number, plan) != document:
                yield document


def _build_update(
    collection: str, document: dict[str, Any], number: str, plan: NumberSettings
) -> Iterator[UpdateOne]:
    masked = _mask(collection, document, number, plan)
    fields = {name: part for name, part in masked.items() if part != document[name]}
    if fields:
        yield UpdateOne({"_id": document["_id"]}, {"$set": fields})


def _mask(collection: str, document: dict[str, Any], number: str, plan: NumberSettings) -> dict[str, Any]:
    """Return a document with the number masked; integers in what the middleware itself says are no numbers."""
    is_ours = collection == "instances" or document.get("kind") == "system"
    return erase_number(document, number, has_integers=not is_ours, plan=plan)


def _compile(number: str, plan: NumberSettings) -> re.Pattern[bytes]:
    """Return a pattern of the bytes by which a number can stand in BSON: its last digits, or an integer."""
    spelled = [re.escape(each).encode() for each in number[-_COMMON_DIGITS:]]
    forms = [rb"[^0-9A-Za-z]{0,9}".join(spelled)]
    for spelling in find_spellings(number, plan):
        if spelling.isascii() and spelling.isdecimal() and str(int(spelling)) == spelling:
            forms += [
                re.escape(struct.pack(form, int(spelling)))
                for form, most in (("<i", 2**31), ("<q", 2**63))
                if int(spelling) < most
            ]
    return re.compile(b"|".join(forms), re.DOTALL)
