"""The collection `reports`: what a report said, each time that it was due, for applications that are told."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw.model.writing.plain import replace_halves
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_COLLECTION = "reports"


def keep_report(store: Store, run: str, content: Mapping[str, Any]) -> None:
    """Keep what a report said, by the id of its run: what is there already stays as it is. Raises StoreError."""
    with store_errors():
        store.database[_COLLECTION].update_one(
            {"_id": run}, {"$setOnInsert": _make_storable(content)}, upsert=True
        )


def _make_storable(value: Any) -> Any:
    """Return a value without half a character in any text."""
    if isinstance(value, Mapping):
        return {name: _make_storable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_make_storable(part) for part in value]
    return replace_halves(value) if isinstance(value, str) else value
