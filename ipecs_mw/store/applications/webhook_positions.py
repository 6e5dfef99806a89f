"""The collection `webhook_positions`: up to which place of which collection a webhook's deliveries are kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pymongo import UpdateOne

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

COLLECTION = "webhook_positions"

Places = dict[tuple[str, str], str]
"""Webhook and collection → place."""


def load_places(store: Store) -> Places:
    """Return every place. Raises StoreError."""
    with store_errors():
        return {
            (each["webhook"], each["collection"]): each["place"] for each in store.database[COLLECTION].find()
        }


def save_places(store: Store, places: Mapping[tuple[str, str], str], now: datetime) -> None:
    """Save places; what comes before each is kept. Raises StoreError."""
    writes = [
        UpdateOne(
            {"_id": f"{webhook}|{collection}"},
            {"$set": {"webhook": webhook, "collection": collection, "place": place, "at": now}},
            upsert=True,
        )
        for (webhook, collection), place in places.items()
    ]
    if writes:
        with store_errors():
            store.database[COLLECTION].bulk_write(writes, ordered=False)


def forget_places(store: Store, but: Iterable[str]) -> None:
    """Delete the places of webhooks that are no more; `but` are those that there are. Raises StoreError."""
    with store_errors():
        store.database[COLLECTION].delete_many({"webhook": {"$nin": list(but)}})
