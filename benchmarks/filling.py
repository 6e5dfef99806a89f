"""Filling a collection with many documents: its indexes come last and all at once, which takes the least time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from pymongo import IndexModel, WriteConcern, timeout
from scene import Scene

from ipecs_mw.store.schema.layout import INDEXES

_BATCH = 5000
_INDEX_SECONDS = 900.0


def insert(scene: Scene, name: str, documents: Iterable[Mapping[str, Any]]) -> None:
    """Insert documents, many at a time."""
    waiting = iter(documents)
    collection = scene.store.database[name].with_options(write_concern=WriteConcern(w=1))
    while batch := list(islice(waiting, _BATCH)):
        collection.insert_many(batch, ordered=False)


@contextmanager
def without_indexes(scene: Scene, name: str) -> Iterator[None]:
    """Have a collection without its indexes for a while; at the end it has them as the schema wants them."""
    collection = scene.store.database[name]
    collection.drop_indexes()
    yield
    with timeout(_INDEX_SECONDS):
        collection.create_indexes(
            [IndexModel(list(index.keys), name=index.name, **index.options) for index in INDEXES[name]]
        )
