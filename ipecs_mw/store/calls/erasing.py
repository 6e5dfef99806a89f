"""Taking a phone number out of what MongoDB has: found wherever it stands, masked, the rest left as it was.

What is derived from events is masked as it would be derived from the masked ones. What the reader had in mind at a
moment cannot be masked: it is deleted, and the reader begins again from an older one.
"""

import re
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bson import decode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne, UpdateOne

from ipecs_mw.calls.documents.found_by import list_beginnings
from ipecs_mw.calls.documents.missed import name_item
from ipecs_mw.clock import Clock
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.masking import erase_number
from ipecs_mw.model.numbering.numbers import PLAIN, find_spellings
from ipecs_mw.store.calls.live_query import load_reader
from ipecs_mw.store.coordination.requests import DONE_STATES
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_BATCH_DOCUMENTS = 500
_COMMON_DIGITS = 6  # how a number ends is the same in all its spellings
_MOMENTS = "reader_states"
_READER_LOOKS_SECONDS = 5.0  # it looks each 2 s whether it is to begin again
_MOST_DATA_BYTES = 1 << 30

Document = dict[str, Any]
_Write = UpdateOne | ReplaceOne[Document] | DeleteOne


class _Place(NamedTuple):
    """A collection where numbers stand: which documents are looked through, and what about them is known.

    `is_ours`: integers are none of theirs. `is_derived`: made of events. `references` are fields that name events
    and documents, digits among them.
    """

    name: str
    wanted: Mapping[str, Any] = {}
    is_ours: bool = False
    is_derived: bool = False
    references: frozenset[str] = frozenset()


_PLACES: Mapping[str, _Place] = {
    place.name: place
    for place in (
        _Place("events"),
        # what is still to be carried out needs its number
        _Place("requests", {"state": {"$in": sorted(DONE_STATES)}}),
        _Place("instances", is_ours=True),
        _Place("calls", is_ours=True, is_derived=True, references=frozenset({"first", "quality"})),
        _Place("agent_states", is_ours=True, is_derived=True, references=frozenset({"first"})),
        _Place("missed", is_ours=True, is_derived=True, references=frozenset({"calls"})),
        _Place("live", is_ours=True, references=frozenset({"call", "calls"})),
        _Place("alarms", is_ours=True, references=frozenset({"cause"})),
        _Place("reports", is_ours=True),
        _Place("deliveries", is_ours=True, references=frozenset({"order", "webhook", "call"})),
    )
}


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
    """Look for a bare number through all that may hold it. Raises StoreError."""
    kinds: Counter[str] = Counter()
    ids: dict[str, list[Any]] = {}
    with store_errors():
        for name, place in _PLACES.items():
            ids[name] = []
            for document in _find(store, place, number, plan):
                ids[name].append(document["_id"])
                if name == "events":
                    kinds[str(document.get("kind"))] += 1
        ids[_MOMENTS] = list(_find_moments(store, number, plan))
    return Mentions(ids, dict(sorted(kinds.items())))


def erase_mentions(
    store: Store, mentions: Mentions, number: str, clock: Clock, plan: NumberSettings = PLAIN
) -> None:
    """Mask the number in these documents, and the names with it; have a reader forget it.

    Raises StoreError; the same call can then be repeated.
    """
    with store_errors():
        for name, ids in mentions.ids.items():
            there = store.database[name]
            for first in range(0, len(ids), _BATCH_DOCUMENTS):
                batch = {"_id": {"$in": list(ids[first : first + _BATCH_DOCUMENTS])}}
                if name == _MOMENTS:
                    there.delete_many(batch)
                    continue
                place = _PLACES[name]
                writes = [
                    write
                    for found in there.find(batch)
                    if (masked := _mask(place, found, number, plan)) != found
                    for write in _build_writes(place, found, masked, clock.now())
                ]
                if writes:
                    there.bulk_write(writes)
    _forget(store, number, clock, plan)


def _forget(store: Store, number: str, clock: Clock, plan: NumberSettings) -> None:
    """Have the reader begin again from a moment that does not name the number.

    A moment that it keeps before it looks is found by looking once more.
    """
    with store_errors():
        store.database["readers"].update_many({}, {"$inc": {"restarts": 1}})
    if load_reader(store).state != "running":
        return
    clock.wait(threading.Event(), _READER_LOOKS_SECONDS)
    with store_errors():
        if late := list(_find_moments(store, number, plan)):
            store.database[_MOMENTS].delete_many({"_id": {"$in": late}})
            store.database["readers"].update_many({}, {"$inc": {"restarts": 1}})


def _find(store: Store, place: _Place, number: str, plan: NumberSettings) -> Iterator[Document]:
    """Yield each document that names the number; those without its bytes are not even decoded."""
    may_name = _compile(number, plan)
    there = store.database[place.name].with_options(codec_options=_RAW)
    for found in there.find(place.wanted):
        if may_name.search(found.raw):
            document = decode(found.raw, _PLAIN)
            if _mask(place, document, number, plan) != document:
                yield document


def _find_moments(store: Store, number: str, plan: NumberSettings) -> Iterator[Any]:
    """Yield the id of each moment of a reader that may name the number; so may what cannot be unpacked."""
    names = _compile_text(number, plan)
    for found in store.database[_MOMENTS].find({}, {"data": 1}):
        unpack = zlib.decompressobj()
        try:
            data = unpack.decompress(found.get("data", b""), _MOST_DATA_BYTES)
        except (zlib.error, TypeError):
            yield found["_id"]
            continue
        if not unpack.eof or names.search(data):
            yield found["_id"]


def _build_writes(place: _Place, document: Document, masked: Document, at: datetime) -> Iterator[_Write]:
    same = {"_id": document["_id"]}
    fields = {name: part for name, part in masked.items() if part != document.get(name)}
    if place.is_derived:
        fields |= {"revision": int(document.get("revision") or 0) + 1, "updated_at": at}
    if place.name == "live":  # the reader writes it anew
        yield DeleteOne(same)
    elif place.name == "missed" and "number" in fields:  # which its id is made of
        new = name_item(masked["host"], masked["number"], masked["calls"][0])
        yield ReplaceOne({"_id": new}, {**masked, **fields, "_id": new}, upsert=True)
        yield DeleteOne(same)
    else:
        gone = dict.fromkeys(document.keys() - masked.keys(), "")
        yield UpdateOne(same, {"$set": fields} | ({"$unset": gone} if gone else {}))


def _mask(place: _Place, document: Document, number: str, plan: NumberSettings) -> Document:
    """Return a document with the number masked; integers in what the middleware itself says are no numbers."""
    is_ours = place.is_ours or document.get("kind") == "system"
    masked = erase_number(document, number, has_integers=not is_ours, plan=plan)
    masked |= {name: document[name] for name in place.references & document.keys()}
    if place.is_derived and masked.get("numbers") != document.get("numbers"):
        masked["numbers"] = list(dict.fromkeys(masked["numbers"]))  # its readings have one mask
    if place.name == "calls" and masked.get("caller") != document.get("caller"):
        found_by = list_beginnings(masked)
        masked = {name: part for name, part in masked.items() if name != "found_by"}
        masked |= {"found_by": found_by} if found_by else {}
    return masked


def _compile(number: str, plan: NumberSettings) -> re.Pattern[bytes]:
    """Return a pattern of the bytes by which a number can stand in BSON: its last digits, or an integer."""
    forms = [_spell_end(number)]
    for integer in _find_integers(number, plan):
        forms += [
            re.escape(struct.pack(form, integer))
            for form, most in (("<i", 2**31), ("<q", 2**63))
            if integer < most
        ]
    return re.compile(b"|".join(forms), re.DOTALL)


def _compile_text(number: str, plan: NumberSettings) -> re.Pattern[bytes]:
    """Return a pattern of the bytes by which a number can stand in what a reader had in mind.

    A short number has to stand there alone: each of those bytes would be part of it else.
    """
    if len(number) < _COMMON_DIGITS:
        spelled = b"|".join(re.escape(each.encode()) for each in find_spellings(number, plan))
        return re.compile(rb"(?<![0-9])(?:" + spelled + rb")(?![0-9])")
    forms = [_spell_end(number) + rb"(?![0-9])"]
    forms += [
        re.escape(struct.pack("<q", integer).rstrip(b"\0"))
        for integer in _find_integers(number, plan)
        if integer < 2**63
    ]
    return re.compile(b"|".join(forms), re.DOTALL)


def _spell_end(number: str) -> bytes:
    spelled = [re.escape(each).encode() for each in number[-_COMMON_DIGITS:]]
    return rb"[^0-9A-Za-z]{0,9}".join(spelled)


def _find_integers(number: str, plan: NumberSettings) -> Iterator[int]:
    """Yield the spellings of a number that can stand as an integer."""
    for spelling in find_spellings(number, plan):
        if spelling.isascii() and spelling.isdecimal() and str(int(spelling)) == spelling:
            yield int(spelling)
