"""Following a collection from a position: what is stored or changed, each with the position to go on after."""

import base64
import re
import threading
from binascii import Error as NotBase64
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import bson
from pymongo.errors import OperationFailure

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, PositionLost
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.pages import Listing

_WAIT_SECONDS = 1.0
_POLL_SECONDS = 0.5
_LATE = timedelta(seconds=10)
LOST = frozenset({136, 237, 280, 286})  # the server's log no longer has what comes after the position
_NO_POSITION = frozenset({9, 260, 40647, 40648, 40649, 50811})
_POSITION = re.compile(r"(\w+)([:@])(.+)", re.DOTALL)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Document = dict[str, Any]
_Place = tuple[datetime, str]


class Source(NamedTuple):
    """What is followed: a collection, the instant at which a document was stored, and which changes count."""

    listing: Listing
    operations: Sequence[str]
    version: str = "_id"


class Change(NamedTuple):
    """A document as it is now, None where it is no more; who goes on after `position` gets what comes after it."""

    position: str
    id: str
    document: Document | None


def _encode_token(token: Mapping[str, Any] | None) -> str:
    return base64.urlsafe_b64encode(bson.encode(token or {})).decode()


def _decode_token(place: str) -> Mapping[str, Any]:
    try:
        return bson.decode(base64.urlsafe_b64decode(place))
    except (NotBase64, ValueError, bson.errors.BSONError) as error:
        raise CommandRefused("error.position_wrong", position=place[:80]) from error


def _encode_place(place: _Place) -> str:
    return f"{place[0].isoformat()}|{place[1]}"


def _decode_place(place: str) -> _Place:
    at, _, name = place.partition("|")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), name
    except ValueError as error:
        raise CommandRefused("error.position_wrong", position=place[:80]) from error


@contextmanager
def _told_where_lost(after: str | None) -> Iterator[None]:
    """Have it be said where a position is too old, or none."""
    try:
        yield
    except OperationFailure as error:
        if error.code in LOST:
            raise PositionLost("error.position_lost") from error
        if after is not None and error.code in _NO_POSITION:
            raise CommandRefused("error.position_wrong", position=after[:80]) from error
        raise


def _nest(field: str, query: Mapping[str, Any]) -> Document:
    """Return a query of documents as one of a field that holds them."""
    return {
        name if name[0] == "$" else f"{field}.{name}": (
            [_nest(field, part) for part in value] if name[0] == "$" else value
        )
        for name, value in query.items()
    }


class Following(Iterator[Change]):
    """The changes of one collection as they come, for ever, or until none came for `timeout_seconds`.

    `position` moves on also while nothing comes: keep it to go on later. With `after` it begins there, else now.
    Raises CommandRefused for what is no position of this collection and server, PositionLost where the server no
    longer has what came after it. On a standalone server it asks again and again, by the instant at which
    documents were stored and their id: one that is stored more than ten seconds later than others with a newer
    instant is missed there, and so is that a document is no more.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        source: Source,
        query: Mapping[str, Any],
        *,
        after: str | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        self.position = ""
        self._store = store
        self._clock = clock
        self._source = source
        self._query = dict(query)
        self._timeout_seconds = timeout_seconds
        self._heard_at = clock.monotonic()
        self._changes = self._watch(after) if store.has_change_streams else self._poll(after)
        next(self._changes)  # opens it: what comes from now on is not missed

    def __next__(self) -> Change:
        self._heard_at = self._clock.monotonic()
        for change in self._changes:
            if change is not None:
                return change
            if self._is_over():
                break
        raise StopIteration

    def close(self) -> None:
        """Let the server forget it."""
        self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_over(self) -> bool:
        waited = self._clock.monotonic() - self._heard_at
        return self._timeout_seconds is not None and waited >= self._timeout_seconds

    # by change stream

    def _watch(self, after: str | None) -> Generator[Change | None, None, None]:
        """Yield changes, and None where there was none for a while; a stream that a drop ends is opened anew."""
        token = None if after is None else _decode_token(self._read(after, ":"))
        pipeline = [{"$match": self._build_match()}]
        seconds = min(_WAIT_SECONDS, self._timeout_seconds or _WAIT_SECONDS)
        while True:
            with (
                store_errors(),
                _told_where_lost(after),
                self._store.database[self._source.listing.collection].watch(
                    pipeline,
                    full_document="updateLookup",
                    max_await_time_ms=int(seconds * 1000),
                    start_after=token,
                ) as stream,
            ):
                self.position = self._spell(":", _encode_token(stream.resume_token))
                yield None
                while stream.alive:
                    change = stream.try_next()
                    token = stream.resume_token
                    self.position = self._spell(":", _encode_token(token))
                    found = None if change is None else self._read_change(change)
                    if change is None or found is not None:
                        yield found

    def _build_match(self) -> Document:
        """Return which changes count: of those where a document is gone only its id is known, and so its host."""
        changed = [each for each in self._source.operations if each != "delete"]
        wanted: list[Document] = [
            {"operationType": {"$in": changed}, **_nest("fullDocument", self._query)},
            {"operationType": "invalidate"},
        ]
        if "delete" in self._source.operations:
            host = self._query.get("host", {}).get("$eq")
            of_host = {} if host is None else {"documentKey._id": {"$regex": f"^{re.escape(host)}:"}}
            wanted.append({"operationType": "delete", **of_host})
        return {"$or": wanted}

    def _read_change(self, change: Mapping[str, Any]) -> Change | None:
        if "documentKey" not in change:
            return None
        name = str(change["documentKey"]["_id"])
        document = change.get("fullDocument")
        is_gone = change["operationType"] == "delete"
        # one that was deleted before it could be looked up: that it is gone is told next
        return Change(self.position, name, document) if is_gone or document is not None else None

    # by asking again and again

    def _poll(self, after: str | None) -> Generator[Change | None, None, None]:
        """Yield what was stored or changed, the oldest first, and None where there was nothing for a while."""
        place = self._find_newest() if after is None else _decode_place(self._read(after, "@"))
        given = {
            self._name(document) for document in self._find_since(place) if place >= self._place(document)
        }
        self.position = self._spell("@", _encode_place(place))
        never = threading.Event()
        seconds = min(_POLL_SECONDS, self._timeout_seconds or _POLL_SECONDS)
        yield None
        while True:
            recent = set()
            for document in self._find_since(place):
                recent.add(name := self._name(document))
                if name not in given:
                    place = max(place, self._place(document))
                    self.position = self._spell("@", _encode_place(place))
                    yield Change(self.position, document["_id"], document)
            given = recent
            yield None
            self._clock.wait(never, seconds)

    def _find_since(self, place: _Place) -> Iterator[Document]:
        """Yield the documents from a little before a place on, the oldest first."""
        listing = self._source.listing
        query = {"$and": [self._query, {listing.instant: {"$gte": place[0] - _LATE}}]}
        with store_errors():
            yield from self._store.database[listing.collection].find(query).sort(listing.oldest_first)

    def _place(self, document: Document) -> _Place:
        return document[self._source.listing.instant], document["_id"]

    def _name(self, document: Document) -> tuple[str, Any]:
        return document["_id"], document.get(self._source.version)

    def _find_newest(self) -> _Place:
        listing = self._source.listing
        with store_errors():
            newest = self._store.database[listing.collection].find_one({}, sort=listing.newest_first)
        if newest is None:
            return _EPOCH, ""
        return newest[listing.instant], newest["_id"]

    # positions

    def _spell(self, mark: str, place: str) -> str:
        return f"{self._source.listing.collection}{mark}{place}"

    def _read(self, position: str, mark: str) -> str:
        """Return what a position says; raises CommandRefused where it is of something else."""
        found = _POSITION.fullmatch(position)
        if found is None or (found[1], found[2]) != (self._source.listing.collection, mark):
            raise CommandRefused("error.position_wrong", position=position[:80])
        return found[3]
