"""Missed calls: who is to be called back, and what people do with an item; the reader keeps what they add."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import ReturnDocument

from ipecs_mw.errors import CommandRefused, NoSuchName
from ipecs_mw.store.calls.ids import find_id
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.pages import Listing, Place, narrow

STATES = ("open", "closed")
"""What an item is."""

LISTING = Listing("missed", "last_at", "error.no_such_missed")
_MOST_HISTORY = 200

Item = dict[str, Any]


class MissedFilter(Struct, frozen=True):
    """Which missed calls: every field that is given must match. `group` is the last one at which one waited.

    `within` is a query that they must match as well.
    """

    state: str | None = None
    host: str | None = None
    group: str | None = None
    owner: str | None = None
    numbers: Sequence[str] | None = None
    within: Mapping[str, Any] | None = None

    def build(self) -> dict[str, Any]:
        """Return the filter as MongoDB takes it; values are values, never operators."""
        equal = {"state": self.state, "host": self.host, "group": self.group, "owner": self.owner}
        query: dict[str, Any] = {name: {"$eq": value} for name, value in equal.items() if value is not None}
        if self.numbers is not None:
            query["numbers"] = {"$in": list(self.numbers)}
        return narrow(query, self.within)


def find_items(
    store: Store,
    wanted: MissedFilter,
    *,
    limit: int,
    before: str | Place | None = None,
    after: str | None = None,
) -> Iterator[Item]:
    """Return missed calls, that of the latest call first: `limit` at the most (0: all), between two of them.

    Raises NoSuchName where there is no such item.
    """
    return LISTING.find(store, wanted.build(), limit=limit, before=before, after=after)


def load_item(store: Store, beginning: str) -> Item:
    """Return the item whose id begins so; raises NoSuchName for an id that none or several have."""
    item_id = find_id(store, LISTING, beginning)
    with store_errors():
        found: Item | None = store.database["missed"].find_one({"_id": item_id})
    if found is None:
        raise NoSuchName(LISTING.missing, id=item_id)
    return found


def close_item(store: Store, beginning: str, *, by: str, at: datetime, note: str | None = None) -> Item:
    """Close the item whose id begins so, and return it.

    Raises NoSuchName for an id that none or several have, CommandRefused where it is closed already.
    """
    closing: dict[str, Any] = {"closing": {"by": by, "at": at}, "closed_at": at, "closed_by": by}
    entry = {"at": at, "by": by, "did": "closed"}
    changed = {"state": "closed", **closing} | ({"note": note} if note else {})
    item_id = find_id(store, LISTING, beginning)
    found = _change(store, item_id, {"state": "open"}, changed, entry | ({"text": note} if note else {}), at)
    if found is None:
        with store_errors():
            closed = store.database["missed"].find_one({"_id": item_id}) or {}
        raise CommandRefused("error.missed_closed", id=item_id, by=closed.get("closed_by", "-"))
    return found


def note_item(store: Store, beginning: str, text: str, *, by: str, at: datetime) -> Item:
    """Write a note on an item, open or closed; an empty one takes it away. Raises as `close_item`."""
    return _set(store, beginning, "note", text, {"at": at, "by": by, "did": "noted", "text": text})


def own_item(store: Store, beginning: str, name: str, *, by: str, at: datetime) -> Item:
    """Say who sees to an item; an empty name means nobody. Raises as `close_item`."""
    return _set(store, beginning, "owner", name, {"at": at, "by": by, "did": "owned", "text": name})


def _set(store: Store, beginning: str, field: str, value: str, entry: dict[str, Any]) -> Item:
    item_id = find_id(store, LISTING, beginning)
    found = _change(store, item_id, {}, {field: value}, entry, entry["at"])
    return {"_id": item_id} if found is None else found


def _change(
    store: Store,
    item_id: str,
    only: dict[str, Any],
    fields: dict[str, str],
    entry: dict[str, Any],
    at: datetime,
) -> Item | None:
    """Change an item and note in its `history` who did it; a field that is empty becomes absent."""
    filled = {name: value for name, value in fields.items() if value}
    update: dict[str, Any] = {
        "$set": {**filled, "updated_at": at},
        "$inc": {"revision": 1},
        "$push": {
            "history": {
                "$each": [{name: value for name, value in entry.items() if value}],
                "$slice": -_MOST_HISTORY,
            }
        },
    }
    if empty := dict.fromkeys(fields.keys() - filled.keys(), ""):
        update["$unset"] = empty
    with store_errors():
        found: Item | None = store.database["missed"].find_one_and_update(
            {"_id": item_id, **only}, update, return_document=ReturnDocument.AFTER
        )
    return found
