"""How events are read, by the configuration in MongoDB, for those who may read that."""

from ipecs_mw.calls.steps.options import ReadingOptions, build_reading_options
from ipecs_mw.errors import CannotStart, StoreRefused
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.server.connection import Store


def load_options(store: Store, profile: str | None) -> ReadingOptions | None:
    """Return how events are read by a profile; None where it is not there, or not for this user to read."""
    try:
        return build_reading_options(load_settings(store, profile or "default")[0])
    except (CannotStart, StoreRefused):
        return None
