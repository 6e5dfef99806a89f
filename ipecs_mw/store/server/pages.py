"""Pages of a collection, newest first by an instant and `_id`: their cost does not grow with their depth."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bson.datetime_ms import DatetimeMS
from pymongo import ASCENDING, DESCENDING

from ipecs_mw.errors import NoSuchName
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

OLDER, NEWER = "$lt", "$gt"
Query = dict[str, Any]
Place = tuple[datetime | DatetimeMS, str]
"""The instant and the id of a document: where a page ends, also when that document is no more."""


class Listing(NamedTuple):
    """A collection, the instant by which it is listed, and what is said of an `id` that it does not have."""

    collection: str
    instant: str
    missing: str

    @property
    def newest_first(self) -> list[tuple[str, int]]:
        """The order of its pages."""
        return [(self.instant, DESCENDING), ("_id", DESCENDING)]

    @property
    def oldest_first(self) -> list[tuple[str, int]]:
        """The order in which it is followed."""
        return [(self.instant, ASCENDING), ("_id", ASCENDING)]

    def find(
        self,
        store: Store,
        query: Query,
        *,
        limit: int,
        before: str | Place | None = None,
        after: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield documents, newest first: `limit` at the most (0: all), between `after` and `before`.

        Raises NoSuchName where there is no such document, StoreError.
        """
        with store_errors():
            page = self.build_page(store, query, before=before, after=after)
            yield from store.database[self.collection].find(page).sort(self.newest_first).limit(limit)

    def build_page(
        self, store: Store, query: Query, *, before: str | Place | None = None, after: str | None = None
    ) -> Query:
        """Return the query for what lies between two documents; raises NoSuchName where one is not there."""
        for name, side in ((before, OLDER), (after, NEWER)):
            if name is not None:
                query = {"$and": [query, self._beside(store, name, side)]}
        return query

    def find_place(self, document: Mapping[str, Any]) -> tuple[int, str] | None:
        """Return the place of a document: its instant in milliseconds since 1970, and its id.

        None where it has no instant: such documents come last.
        """
        at = document.get(self.instant)
        if isinstance(at, datetime):
            at = DatetimeMS(at)
        return (int(at), str(document["_id"])) if isinstance(at, DatetimeMS) else None

    def lie(self, side: str, at: datetime | DatetimeMS, name: str) -> Query:
        """Return the query for what lies on one side of an instant and `_id`."""
        # the bound on the instant lets the index start where the last page ended; the $or settles equal instants
        return {
            self.instant: {f"{side}e": at},
            "$or": [{self.instant: {side: at}}, {"_id": {side: name}}],
        }

    def _beside(self, store: Store, name: str | Place, side: str) -> Query:
        if isinstance(name, tuple):
            return self.lie(side, *name)
        found = store.database[self.collection].find_one({"_id": {"$eq": name}}, {self.instant: 1})
        if found is None:
            raise NoSuchName(self.missing, id=name)
        return self.lie(side, found[self.instant], name)


def build_span(since: datetime | None, until: datetime | None) -> Query:
    """Return the condition on an instant: `since` ≤ it < `until`; empty where neither is given."""
    return {name: value for name, value in (("$gte", since), ("$lt", until)) if value is not None}


def read_place(milliseconds: int, name: str) -> Place:
    """Return what `Listing.find_place` told; raises ValueError, TypeError for what is no instant of MongoDB."""
    return DatetimeMS(milliseconds), name


def narrow(query: Query, within: Mapping[str, Any] | None) -> Query:
    """Return a query for what matches another one as well, where that is given."""
    return {"$and": [query, dict(within)]} if within else query
