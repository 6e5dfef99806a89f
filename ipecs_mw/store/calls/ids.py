"""Ids as people give them: a beginning that only one document has is enough, and the host may be left out."""

import re

from ipecs_mw.errors import NoSuchName
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.pages import Listing

_MOST_NAMED = 10


def list_ids(store: Store, collection: str, beginning: str, most: int) -> list[str]:
    """Return the first ids that begin so: `main:4f1c`, or `4f1c` at whichever host."""
    with store_errors():
        there = store.database[collection]
        prefixes = [beginning, *(f"{host}:{beginning}" for host in sorted(map(str, there.distinct("host"))))]
        found: dict[str, None] = {}
        for prefix in prefixes:
            query = {"_id": {"$regex": f"^{re.escape(prefix)}"}}
            found |= {each["_id"]: None for each in there.find(query, {"_id": 1}).sort("_id").limit(most)}
    return list(found)[:most]


def find_id(store: Store, listing: Listing, beginning: str) -> str:
    """Return the only id that begins so; a whole id is itself. Raises NoSuchName for none, and for several."""
    found = list_ids(store, listing.collection, beginning, _MOST_NAMED + 1) if beginning else []
    if beginning in found or len(found) == 1:
        return beginning if beginning in found else found[0]
    if not found:
        raise NoSuchName(listing.missing, id=beginning)
    some = ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")
    raise NoSuchName("error.ambiguous_id", id=beginning, found=some)
