"""Databases that are ready: with the schema, or seeded too; each is given out as new and used again.

To make a database takes far longer than most tests do with it. What a test has left is put back before another one
gets the database; where that is not sure to be possible, the database is dropped and another one is made.
"""

import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.server.connection import Store, connect

READY = "ready_"
"""How the name of each of these databases begins."""

SMALL_LOG = ("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=64MB)")
"""Options of a mongod whose data lies in memory: without them its log takes 300 MB before the first write."""

_RESTING = 3
"""So many rest before one is used again: a daemon that was killed may have left a write on its way."""

_MOST_LEFT = 1000
"""More documents than these are dropped sooner than deleted."""

_AS_THEY_ARE: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

Client = MongoClient[dict[str, Any]]


class Catalog(NamedTuple):
    """What a collection is beside its documents."""

    options: Mapping[str, Any]
    indexes: Mapping[str, Any]


class Ready:
    """One database, and what it was when it was ready."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self.name = database.name
        self._database = database
        self._catalogs = _read_catalogs(database)
        self._hashes = _read_hashes(database)
        self._documents: dict[str, Sequence[RawBSONDocument]] = {
            name: list(self._open(name).find()) for name in self._catalogs
        }

    def restore(self) -> bool:
        """Make it what it was; False where it may be something else."""
        database = self._database
        if database.command("usersInfo", 1)["users"] or database.command("rolesInfo", 1)["roles"]:
            return False
        found = _read_catalogs(database)
        if any(
            name not in found or found[name].options != self._catalogs[name].options
            for name in self._catalogs
        ):
            return False
        for name in found.keys() - self._catalogs.keys():
            database.drop_collection(name)
        hashes = _read_hashes(database)
        changed = [name for name in self._catalogs if hashes[name] != self._hashes[name]]
        if any(database[name].estimated_document_count() > _MOST_LEFT for name in changed):
            return False
        for name in changed:
            database[name].delete_many({})
        for name, catalog in self._catalogs.items():
            self._restore_indexes(name, catalog.indexes, found[name].indexes)
        for name in changed:
            if documents := self._documents[name]:
                self._open(name).insert_many(documents)
        return True

    def _restore_indexes(self, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        if drop := [index for index in found if found[index] != wanted.get(index)]:
            self._database.command("dropIndexes", name, index=drop)
        if make := [wanted[index] for index in wanted if wanted[index] != found.get(index)]:
            self._database.command("createIndexes", name, indexes=make)

    def _open(self, name: str) -> Collection[RawBSONDocument]:
        return self._database.get_collection(name, codec_options=_AS_THEY_ARE)


class Pool:
    """Databases on the server of `client`, as `fill` makes them of an empty one."""

    def __init__(self, client: Client, make_uri: Callable[[str], str], fill: Callable[[Store], None]) -> None:
        self._client = client
        self._make_uri = make_uri
        self._fill = fill
        self._resting: deque[Ready] = deque()

    def take(self) -> Ready:
        """Return a database that nobody else has."""
        if len(self._resting) >= _RESTING:
            ready = self._resting.popleft()
            if ready.restore():
                return ready
            self._client.drop_database(ready.name)
        name = f"{READY}{uuid.uuid4().hex[:12]}"
        bootstrap = Bootstrap(path=Path("bootstrap.json"), mongo_uri=self._make_uri(name))
        with closing(connect(bootstrap, SystemClock())) as store:
            self._fill(store)
        return Ready(self._client[name])

    def give_back(self, ready: Ready) -> None:
        """Take a database back, whatever has become of it."""
        self._resting.append(ready)


def _read_catalogs(database: Database[dict[str, Any]]) -> dict[str, Catalog]:
    """Return those of all collections; a collection that was made anew has another one."""
    rows = database.client.admin.aggregate([{"$listCatalog": {}}, {"$match": {"db": database.name}}])
    return {
        row["name"]: Catalog(
            row["md"]["options"],
            {index["spec"]["name"]: index["spec"] for index in row["md"].get("indexes", ())},
        )
        for row in rows
        if "md" in row and not row["name"].startswith("system.")  # views have nothing of their own
    }


def _read_hashes(database: Database[dict[str, Any]]) -> dict[str, str]:
    hashes: dict[str, str] = database.command("dbHash")["collections"]
    return hashes
