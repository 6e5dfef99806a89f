"""Questions to the event log: filters, newest first, pages whose cost does not grow with their depth."""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import DESCENDING

from ipecs_mw.clock import Clock
from ipecs_mw.errors import InvalidDocument
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_POLL_SECONDS = 0.5
_CHANGE_WAIT_MS = 1000


class Filter(Struct, frozen=True):
    """Which events: every field that is given must match; `since` ≤ received < `until` (aware UTC)."""

    host: str | None = None
    kind: str | None = None
    type: str | None = None
    code: int | None = None
    station: str | None = None
    call: int | None = None
    since: datetime | None = None
    until: datetime | None = None

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
        times = {"$gte": self.since, "$lt": self.until}
        if received := {name: value for name, value in times.items() if value is not None}:
            query["received_at"] = received
        return query


def find_events(
    store: Store, wanted: Filter, *, limit: int, before: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield events, newest first: `limit` at the most (0: all), those older than the event `before`.

    Raises InvalidDocument where there is no event `before`.
    """
    query = wanted.build()
    with store_errors():
        if before is not None:
            query = _older_than(store, query, before)
        cursor = store.database["events"].find(query).sort([("received_at", DESCENDING), ("_id", DESCENDING)])
        yield from cursor.limit(limit)


def count_events(store: Store, wanted: Filter) -> int:
    """Return how many events there are."""
    query = wanted.build()
    with store_errors():
        events = store.database["events"]
        return events.count_documents(query) if query else events.estimated_document_count()


def follow_events(store: Store, wanted: Filter, clock: Clock) -> Iterator[dict[str, Any]]:
    """Yield events as they are stored, for ever: by change stream, or by polling on a standalone server."""
    if store.has_change_streams:
        yield from _watch(store, wanted)
    else:
        yield from _poll(store, wanted, clock)


def _older_than(store: Store, query: dict[str, Any], event_id: str) -> dict[str, Any]:
    last = store.database["events"].find_one({"_id": {"$eq": event_id}}, {"received_at": 1})
    if last is None:
        raise InvalidDocument("error.no_such_event", id=event_id)
    at = last["received_at"]
    received = query.get("received_at", {})
    # the bound on received_at lets the index start where the last page ended; the $or settles equal instants
    return {
        **query,
        "received_at": {**received, "$lte": at},
        "$or": [{"received_at": {"$lt": at}}, {"_id": {"$lt": event_id}}],
    }


def _watch(store: Store, wanted: Filter) -> Iterator[dict[str, Any]]:
    """Follow by change stream; where one ends, for the collection is dropped or renamed, the next goes on."""
    match = {f"fullDocument.{name}": value for name, value in wanted.build().items()}
    is_wanted = {"$or": [{"operationType": "insert", **match}, {"operationType": "invalidate"}]}
    ended: Mapping[str, Any] | None = None
    while True:
        with (
            store_errors(),
            store.database["events"].watch(
                [{"$match": is_wanted}], max_await_time_ms=_CHANGE_WAIT_MS, start_after=ended
            ) as stream,
        ):
            while stream.alive:
                change = stream.try_next()
                if change is not None and change["operationType"] == "insert":
                    yield change["fullDocument"]
            ended = stream.resume_token


def _poll(store: Store, wanted: Filter, clock: Clock) -> Iterator[dict[str, Any]]:
    newest = next(iter(find_events(store, Filter(), limit=1)), None)
    seen = newest["_id"] if newest else ""
    since = newest["received_at"] if newest else None
    query = wanted.build()
    never = threading.Event()
    while True:
        after = {} if since is None else {"received_at": {"$gte": since}}
        with store_errors():
            fresh = list(
                store.database["events"].find({"$and": [query, after]}).sort([("received_at", 1), ("_id", 1)])
            )
        for event in fresh:
            if since is None or (event["received_at"], event["_id"]) > (since, seen):
                since, seen = event["received_at"], event["_id"]
                yield event
        clock.wait(never, _POLL_SECONDS)
