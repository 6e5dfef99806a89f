"""All that MongoDB says before the first connection, as documents: to be loaded, compared and kept as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipecs_mw.store.configuration.settings import find_newest_revision, list_profiles, load_document
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

WATCHED = ("config", "languages", "commands", "codes")
"""The collections that the documents come from."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Setup:
    """The configuration of one profile (None: there is none), and everything that all profiles share.

    `newest` is the newest revision in the history where the configuration was deleted, else 0.
    """

    profiles: Sequence[str]
    config: Document | None
    languages: Sequence[Document]
    commands: Sequence[Document]
    codes: Sequence[Document]
    newest: int = 0


def read_setup(store: Store, profile: str) -> Setup:
    """Return the documents as they stand; raises StoreError."""
    config = load_document(store, profile)
    with store_errors():
        languages, commands, codes = (
            list(store.database[name].find().sort("_id")) for name in ("languages", "commands", "codes")
        )
    newest = 0 if config else find_newest_revision(store, profile)
    return Setup(list_profiles(store), config, languages, commands, codes, newest)
