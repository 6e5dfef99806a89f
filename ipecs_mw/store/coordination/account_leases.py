"""The leases on accounts in MongoDB: all of a daemon's are renewed, read and taken in one round trip each.

A lease is dead that nobody renews. Whoever wants it says which renewal was the last it saw, and gets it only where
that still is the last one: a write that MongoDB carries out late, or beside a living owner's, finds nothing to do.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import UpdateMany, UpdateOne, timeout
from pymongo.errors import BulkWriteError

from ipecs_mw.clock import Clock
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_DUPLICATE_KEY = 11000
_MOST_HOLDERS = 1_000_000_000

Note = Mapping[str, Any]
"""What an owner leaves for the next one: `token` of its session, `heard_at`, when it last heard the host."""


@dataclass(frozen=True)
class FoundLease:
    """A lease as it stands; without an owner it is free. `holder` names the owner to people.

    `heard_seconds` is how long ago by the server's clock the note's `heard_at` was, which is by its owner's.
    `holder_number` counts up each time the lease is taken, from 0: it orders the holders, whatever their clocks.
    """

    name: str
    owner: Any = None
    holder: str | None = None
    expires_at: Any = None
    note: Note = field(default_factory=dict)
    heard_seconds: float | None = None
    holder_number: int = 0


class LeaseTable:
    """The collection `leases` as `owner` uses it; what it holds it holds for `seconds`. Raises StoreError.

    `server_ahead_seconds` is by how much MongoDB's clock was ahead of ours at the last read that found a lease.
    """

    def __init__(self, store: Store, owner: str, holder: str, seconds: float, clock: Clock) -> None:
        self._leases = store.database["leases"]
        self._owner = owner
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self.server_ahead_seconds = 0.0

    def write(
        self, renewed: Collection[str], notes: Mapping[str, Note], given_back: Mapping[str, Note]
    ) -> None:
        """Renew leases, leave notes in some and give others back: only those that are ours, in one command.

        An empty note leaves that in place which is there.
        """
        ours = {"owner": self._owner}
        writes: list[UpdateOne | UpdateMany] = []
        if renewed:
            writes.append(UpdateMany({"_id": {"$in": list(renewed)}, **ours}, [{"$set": self._fresh()}]))
        for name, note in notes.items():
            writes.append(UpdateOne({"_id": name, **ours}, [{"$set": self._note(note)}]))
        for name, note in given_back.items():
            change: list[dict[str, Any]] = [{"$unset": ["owner", "holder"]}]
            if note:
                change.append({"$set": self._note(note)})
            writes.append(UpdateOne({"_id": name, **ours}, change))
        if writes:
            with store_errors():
                self._leases.bulk_write(writes, ordered=False)

    def read(self, names: Collection[str]) -> dict[str, FoundLease]:
        """Return how these leases stand, each of them."""
        names_of = ("owner", "holder", "expires_at", "heard_at", "note", "holder_number")
        fields: dict[str, Any] = {**dict.fromkeys(names_of, True), "now": "$$NOW"}
        with store_errors():
            found = list(self._leases.find({"_id": {"$in": list(names)}}, fields))
        for document in found[:1]:
            self.server_ahead_seconds = (document["now"] - self._clock.now()).total_seconds()
        leases = {name: FoundLease(name) for name in names}
        for document in found:
            name, holder = document["_id"], document.get("holder")
            leases[name] = FoundLease(
                name,
                document.get("owner"),
                holder if isinstance(holder, str) else None,
                document.get("expires_at"),
                _read_note(document.get("note")),
                _find_age(document),
                _read_number(document.get("holder_number")),
            )
        return leases

    def take(self, leases: Collection[FoundLease]) -> None:
        """Take these leases, each only as long as it stands as it was found, in one command; `read` tells which.

        The note of the former owner stays.
        """
        number = {"$add": [{"$cond": [{"$isNumber": "$holder_number"}, "$holder_number", -1]}, 1]}
        change = [{"$set": {"owner": {"$literal": self._owner}, "holder_number": number, **self._fresh()}}]
        writes = [
            UpdateOne(
                {"_id": lease.name, "owner": {"$eq": lease.owner}, "expires_at": {"$eq": lease.expires_at}},
                change,
                upsert=lease.owner is None and lease.expires_at is None,
            )
            for lease in leases
        ]
        with store_errors():
            self._write_unless_taken(writes)

    def _write_unless_taken(self, writes: list[UpdateOne]) -> None:
        try:
            self._leases.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            codes = {item.get("code") for item in details.get("writeErrors") or ()}
            # another one has made the lease in between
            if codes != {_DUPLICATE_KEY} or details.get("writeConcernErrors"):
                raise

    def _note(self, note: Note) -> dict[str, Any]:
        """Return what is written of a note: when the host was heard by MongoDB's clock too, as clocks differ."""
        fields: dict[str, Any] = {"note": {"$literal": dict(note)}}
        heard_at = note.get("heard_at")
        if heard_at is None:
            return fields
        ago_seconds = (self._clock.now() - heard_at).total_seconds()
        by_server = {"$subtract": ["$$NOW", int(ago_seconds * 1000)]} if ago_seconds >= 0 else "$$REMOVE"
        is_former = {"$eq": ["$note.heard_at", heard_at]}  # and was by the former owner's clock
        return {**fields, "heard_at": {"$cond": [is_former, "$heard_at", by_server]}}

    def _fresh(self) -> dict[str, Any]:
        return {
            "holder": {"$literal": self._holder},
            "expires_at": {"$add": ["$$NOW", int(self._seconds * 1000)]},
            "former_note": "$$REMOVE",  # of the first versions: it held a token
        }


@contextmanager
def answering_within(seconds: float) -> Iterator[None]:
    """Have what the block asks of MongoDB fail, as StoreUnavailable, once it took `seconds` together."""
    with store_errors(), timeout(seconds):
        yield


def _find_age(document: Mapping[str, Any]) -> float | None:
    """Return how many seconds ago the host was heard, None where nobody can tell."""
    heard_at = document.get("heard_at")
    if not isinstance(heard_at, datetime):
        return None
    now: datetime = document["now"]
    return max(0.0, (now - heard_at).total_seconds())


def _read_number(value: Any) -> int:
    """Return the number of a holder, 0 where somebody made it something else."""
    return value if isinstance(value, int) and 0 <= value <= _MOST_HOLDERS else 0


def _read_note(value: Any) -> Note:
    """Return what can be used of a note, which people may have edited."""
    note: dict[str, Any] = {}
    if not isinstance(value, Mapping):
        return note
    if isinstance(token := value.get("token"), str):
        note["token"] = token
    if isinstance(heard_at := value.get("heard_at"), datetime):
        note["heard_at"] = heard_at
    return note
