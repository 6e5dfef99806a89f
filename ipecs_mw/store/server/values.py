"""What a field can be among the documents of a collection."""

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors


def list_values(store: Store, collection: str, field: str) -> list[str]:
    """Return the values of a field, sorted; one with an index of its own tells them at once. Raises StoreError."""
    with store_errors():
        found = store.database[collection].distinct(field)  # by an index, which has null for what is absent
    return sorted(str(value) for value in found if value is not None)
