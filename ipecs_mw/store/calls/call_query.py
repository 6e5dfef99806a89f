"""Questions to `calls`: filters, newest first, pages; one call by its id or a beginning of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.store.calls.ids import find_id
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.following import Source
from ipecs_mw.store.server.pages import Listing, Place, build_span, narrow

LISTING = Listing("calls", "began_at", "error.no_such_call")

SOURCE = Source(
    LISTING._replace(instant="updated_at"), ("insert", "replace", "update", "delete"), version="revision"
)
"""How calls are followed from a position: each change of one, and that it became part of another."""

Call = dict[str, Any]


class CallFilter(Struct, frozen=True):
    """Which calls: every field that is given must match; `since` ≤ began < `until` (aware UTC).

    A station, an agent or a group is one that was involved in any way, `numbers` what the number outside may mean,
    `words` how words of the caller's name begin, as `names.read_name` reads them.
    `is_open`: only those that last. `within` is a query that they must match as well.
    """

    host: str | None = None
    station: str | None = None
    agent: str | None = None
    group: str | None = None
    numbers: Sequence[str] | None = None
    words: Sequence[str] | None = None
    direction: str | None = None
    outcome: str | None = None
    is_open: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    within: Mapping[str, Any] | None = None

    def build(self) -> dict[str, Any]:
        """Return the filter as MongoDB takes it; values are values, never operators."""
        equal = {
            "host": self.host,
            "stations": self.station,
            "segments.agent": self.agent,
            "groups": self.group,
            "direction": self.direction,
            "outcome": self.outcome,
            "is_open": self.is_open,
        }
        query: dict[str, Any] = {name: {"$eq": value} for name, value in equal.items() if value is not None}
        if began := build_span(self.since, self.until):
            query["began_at"] = began
        if self.numbers is not None:
            query["numbers"] = {"$in": list(self.numbers)}
        if self.words is not None:
            query["found_by"] = {"$all": sorted(self.words, key=len, reverse=True)}
        return narrow(query, self.within)


def find_calls(
    store: Store,
    wanted: CallFilter,
    *,
    limit: int,
    before: str | Place | None = None,
    after: str | None = None,
) -> Iterator[Call]:
    """Return calls, newest first: `limit` at the most (0: all), between the calls `after` and `before`.

    Raises NoSuchName where there is no such call.
    """
    return LISTING.find(store, wanted.build(), limit=limit, before=before, after=after)


def count_calls(store: Store, wanted: CallFilter) -> int:
    """Return how many calls there are."""
    query = wanted.build()
    with store_errors():
        calls = store.database["calls"]
        return calls.count_documents(query) if query else calls.estimated_document_count()


def load_call(store: Store, beginning: str) -> Call:
    """Return the call whose id begins so, with or without its host; raises NoSuchName for none and for several."""
    call_id = find_id(store, LISTING, beginning)
    with store_errors():
        found: Call | None = store.database["calls"].find_one({"_id": call_id})
    return {"_id": call_id} if found is None else found
