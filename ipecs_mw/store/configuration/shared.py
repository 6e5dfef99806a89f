"""The part of the configuration that is no secret, for processes that hold no session with a host."""

from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.configuration.settings import build_settings
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_HIDDEN = {"address": "hidden.invalid", "password": {"env": "HIDDEN"}}
"""What stands for the settings of a host that are not shared; its account, too, is one that no other host has."""


def load_shared(store: Store, profile: str) -> tuple[Settings, int]:
    """Return the settings of `profile` that are shared, and their revision; all others are as if not given.

    Each host has its name and its zone alone. Raises as `load_settings`, StoreRefused where the database does not
    have the view yet.
    """
    with store_errors():
        shared = store.database["config_shared"]
        document = shared.find_one({"_id": profile})
        profiles = [] if document else sorted(str(each["_id"]) for each in shared.find({}, {"_id": 1}))
        if document is None and not profiles and "config_shared" not in _list_views(store):
            raise StoreRefused("error.not_migrated", part="config_shared")
    hosts = (document or {}).get("hosts")
    if document is not None and isinstance(hosts, list):
        named = [
            {**_HIDDEN, "user": f"hidden{number}", **each}
            for number, each in enumerate(hosts)
            if isinstance(each, dict)
        ]
        document = {**document, "hosts": named}
    return build_settings(document, profile, profiles)


def _list_views(store: Store) -> list[str]:
    return store.database.list_collection_names(authorizedCollections=True, nameOnly=True)
