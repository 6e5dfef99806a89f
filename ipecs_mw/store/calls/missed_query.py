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
    return change_item(store, beginning, by=by, at=at, state="closed", note=note or None)


def note_item(store: Store, beginning: str, text: str, *, by: str, at: datetime) -> Item:
    """Write a note on an item, open or closed; an empty one takes it away. Raises as `close_item`."""
    return change_item(store, beginning, by=by, at=at, note=text)


def own_item(store: Store, beginning: str, name: str, *, by: str, at: datetime) -> Item:
    """Say who sees to an item; an empty name means nobody. Raises as `close_item`."""
    return change_item(store, beginning, by=by, at=at, owner=name)


def change_item(
    store: Store,
    beginning: str,
    *,
    by: str,
    at: datetime,
    state: str | None = None,
    owner: str | None = None,
    note: str | None = None,
) -> Item:
    """Change an item, all or nothing, and return it; what is None stays as it is, what is empty is taken away.

    An item that a person closed can be opened again, unless its number was missed anew since then; one that its
    number closed, by a callback or another call, stays closed. Raises NoSuchName for an id that none or several
    have, CommandRefused where the state is not to be had.
    """
    item_id = find_id(store, LISTING, beginning)
    with store_errors():
        present = store.database["missed"].find_one({"_id": item_id}) or {}
    fields: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    only: dict[str, Any] = {}
    if owner is not None:
        fields["owner"] = owner
        entries.append({"at": at, "by": by, "did": "owned", "text": owner})
    if note is not None:
        fields["note"] = note
        entries.append({"at": at, "by": by, "did": "noted", "text": note})
    if state == "closed":
        only = {"state": "open"}
        fields |= {"state": "closed", "closing": {"by": by, "at": at}, "closed_at": at, "closed_by": by}
        entries = [each for each in entries if each["did"] != "noted"]
        entries.append({"at": at, "by": by, "did": "closed"} | ({"text": note} if note else {}))
    elif state == "open" and present.get("state") == "closed":
        _check_openable(store, present)
        only = {"closing": present["closing"]}
        fields |= {"state": "open", "closing": "", "closed_at": "", "closed_by": ""}
        entries.append({"at": at, "by": by, "did": "opened"})
    if not entries:
        return present
    found = _change(store, item_id, only, fields, entries, at)
    if found is None:
        with store_errors():
            closed = store.database["missed"].find_one({"_id": item_id}) or {}
        raise CommandRefused("error.missed_closed", id=item_id, by=closed.get("closed_by", "-"))
    return found


def _check_openable(store: Store, item: Item) -> None:
    """Refuse to open an item that no person closed, or whose number has another one that is open."""
    if "closing" not in item:
        raise CommandRefused("error.missed_settled", id=item["_id"], by=item.get("closed_by", "-"))
    others = {"host": item.get("host"), "number": item.get("number"), "state": "open"}
    with store_errors():
        other = store.database["missed"].find_one(others, {"_id": 1})
    if other is not None:
        raise CommandRefused("error.missed_again", id=item["_id"], other=other["_id"])


def _change(
    store: Store,
    item_id: str,
    only: dict[str, Any],
    fields: dict[str, Any],
    entries: Sequence[dict[str, Any]],
    at: datetime,
) -> Item | None:
    """Change an item and note in its `history` who did what; a field that is empty becomes absent."""
    filled = {name: value for name, value in fields.items() if value}
    update: dict[str, Any] = {
        "$set": {**filled, "updated_at": at},
        "$inc": {"revision": 1},
        "$push": {
            "history": {
                "$each": [{name: value for name, value in entry.items() if value} for entry in entries],
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
