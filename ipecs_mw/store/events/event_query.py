"""Questions to the event log: filters, newest first, pages whose cost does not grow with their depth."""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.following import Source
from ipecs_mw.store.server.pages import NEWER, Listing, Place, build_span, narrow

_POLL_SECONDS = 0.5
_CHANGE_WAIT_MS = 1000
LISTING = Listing("events", "received_at", "error.no_such_event")

SOURCE = Source(LISTING, ("insert",))
"""How the event log is followed from a position: an event is stored once."""


class Filter(Struct, frozen=True):
    """Which events: every field that is given must match; `since` ≤ received < `until` (aware UTC).

    `within` is a query that they must match as well.
    """

    host: str | None = None
    kind: str | None = None
    type: str | None = None
    code: int | None = None
    station: str | None = None
    call: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    within: Mapping[str, Any] | None = None

    def build(self) -> dict[str, Any]:
        """Return the filter as MongoDB takes it; values are values, never operators."""
        equal = {
            "host": self.host,
            "kind": self.kind,
            "type": self.type,
            "code": self.code,
            "stations": self.station,
            "call_ref": self.call,
        }
        query: dict[str, Any] = {name: {"$eq": value} for name, value in equal.items() if value is not None}
        if received := build_span(self.since, self.until):
            query["received_at"] = received
        return narrow(query, self.within)


def find_events(
    store: Store, wanted: Filter, *, limit: int, before: str | Place | None = None, after: str | None = None
) -> Iterator[dict[str, Any]]:
    """Return events, newest first: `limit` at the most (0: all), between the events `after` and `before`.

    Raises NoSuchName where there is no such event.
    """
    return LISTING.find(store, wanted.build(), limit=limit, before=before, after=after)


def build_page(
    store: Store, wanted: Filter, *, before: str | None = None, after: str | None = None
) -> dict[str, Any]:
    """Return the filter for the events between two; raises NoSuchName where there is no such event."""
    return LISTING.build_page(store, wanted.build(), before=before, after=after)


def count_events(store: Store, wanted: Filter) -> int:
    """Return how many events there are."""
    query = wanted.build()
    with store_errors():
        events = store.database["events"]
        return events.count_documents(query) if query else events.estimated_document_count()


def has_any(store: Store, wanted: Filter) -> bool:
    """Return whether there is such an event."""
    with store_errors():
        return store.database["events"].find_one(wanted.build(), {"_id": True}) is not None


def follow_events(
    store: Store, wanted: Filter, clock: Clock, *, after: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield events as they are stored, for ever: by change stream, or by polling on a standalone server.

    With `after`, the id of an event, or `wanted.since`, those that are stored already come first, the oldest
    first; none is given twice. Raises NoSuchName where there is no event `after`.
    """
    with store_errors():
        start = build_page(store, wanted, after=after)
    is_behind = after is not None or wanted.since is not None
    if store.has_change_streams:
        yield from _watch(store, wanted, start if is_behind else None)
    else:
        yield from _poll(store, wanted, clock, start if is_behind else None)


def _find_oldest_first(store: Store, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from store.database["events"].find(query).sort(LISTING.oldest_first)


def _watch(store: Store, wanted: Filter, start: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Follow by change stream; where one ends, for the collection is dropped or renamed, the next goes on."""
    match = {f"fullDocument.{name}": value for name, value in wanted.build().items()}
    is_wanted = {"$or": [{"operationType": "insert", **match}, {"operationType": "invalidate"}]}
    ended: Mapping[str, Any] | None = None
    # stored while the first ones were read: also told by the stream, which was opened before
    given: set[str] = set()
    while True:
        with (
            store_errors(),
            store.database["events"].watch(
                [{"$match": is_wanted}], max_await_time_ms=_CHANGE_WAIT_MS, start_after=ended
            ) as stream,
        ):
            if start is not None:
                for event in _find_oldest_first(store, start):
                    given.add(event["_id"])
                    yield event
                start = None
            while stream.alive:
                change = stream.try_next()
                if change is None:
                    given.clear()  # the stream has told everything up to now
                elif change["operationType"] == "insert" and change["fullDocument"]["_id"] not in given:
                    yield change["fullDocument"]
            ended = stream.resume_token


def _poll(
    store: Store, wanted: Filter, clock: Clock, start: dict[str, Any] | None
) -> Iterator[dict[str, Any]]:
    query = wanted.build()
    with store_errors():
        newest = store.database["events"].find_one({}, sort=LISTING.newest_first)
    place = (newest["received_at"], newest["_id"]) if newest else None
    fresh = query if place is None else {"$and": [query, LISTING.lie(NEWER, *place)]}
    never = threading.Event()
    while True:
        with store_errors():
            for event in _find_oldest_first(store, fresh if start is None else start):
                place = (event["received_at"], event["_id"])
                yield event
        if place is not None:
            fresh = {"$and": [query, LISTING.lie(NEWER, *place)]}
        start = None
        clock.wait(never, _POLL_SECONDS)
