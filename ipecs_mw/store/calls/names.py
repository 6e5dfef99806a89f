"""Names that calls are asked for by, and calls of former versions, which are not found by a name yet."""

from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, UpdateOne

from ipecs_mw.calls.documents.found_by import fold_words, list_beginnings
from ipecs_mw.errors import CommandRefused, Words
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_MARK = "found_by"
"""The document of `readers` that says how far calls of former versions have been gone through."""

_BATCH = 1000


def read_name(text: str) -> Sequence[str]:
    """Return the words of a name to be compared with the field `found_by`.

    Raises CommandRefused where it has no letter: nothing would be found by it.
    """
    words = fold_words(text)
    if not words:
        raise CommandRefused(
            "error.argument", name="name", value=repr(text)[:80], allowed=Words("allowed.name_with_letter")
        )
    return words


def fill_next(store: Store) -> bool:
    """Have the next calls of former versions be found by their names; tell whether there may be more of them.

    Where it stopped, it goes on: who calls it may end at any time. What somebody else writes meanwhile stays.
    Raises StoreError.
    """
    with store_errors():
        marks, calls = store.database["readers"], store.read_anything().database["calls"]
        mark: dict[str, Any] = marks.find_one({"_id": _MARK}) or {}
        if mark.get("is_done"):
            return False
        behind = {"_id": {"$gt": mark.get("after", "")}}  # an id of another type is none of ours
        fields = {"caller.name": 1, "found_by": 1}
        found = list(calls.find(behind, fields).sort("_id", ASCENDING).limit(_BATCH))
        writes = [
            UpdateOne(
                {"_id": call["_id"], "caller.name": {"$eq": call["caller"]["name"]}, "found_by": None},
                {"$set": {"found_by": beginnings}},
            )
            for call in found
            if "found_by" not in call and (beginnings := list_beginnings(call))
        ]
        if writes:
            calls.bulk_write(writes, ordered=False)
        is_done = len(found) < _BATCH
        place = {"is_done": True} if is_done else {"after": found[-1]["_id"]}
        marks.replace_one({"_id": _MARK}, {"_id": _MARK, **place}, upsert=True)
    return not is_done
