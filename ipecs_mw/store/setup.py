"""All that MongoDB says before the first connection, as documents: to be loaded, compared and kept as one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipecs_mw.store.connection import Store
from ipecs_mw.store.failures import store_errors
from ipecs_mw.store.settings import list_profiles, load_document

WATCHED = ("config", "languages", "commands", "codes")
"""The collections that the documents come from."""

_QUIET_MS = 250

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Setup:
    """The configuration of one profile (None: there is none), and everything that all profiles share."""

    profiles: Sequence[str]
    config: Document | None
    languages: Sequence[Document]
    commands: Sequence[Document]
    codes: Sequence[Document]


def read_setup(store: Store, profile: str) -> Setup:
    """Return the documents as they stand; raises StoreError."""
    config = load_document(store, profile)
    with store_errors():
        languages, commands, codes = (
            list(store.database[name].find().sort("_id")) for name in ("languages", "commands", "codes")
        )
    return Setup(list_profiles(store), config, languages, commands, codes)


def watch_setup(store: Store) -> Iterator[bool]:
    """Yield True at the beginning and after each change of them, False after a quarter of a second without one.

    Needs change streams; ends when the stream does. Raises StoreError: what changed meanwhile is then to be read.
    """
    pipeline = [{"$match": {"ns.coll": {"$in": list(WATCHED)}}}]
    with store_errors(), store.database.watch(pipeline, max_await_time_ms=_QUIET_MS) as stream:
        yield True
        while stream.alive:
            yield stream.try_next() is not None
