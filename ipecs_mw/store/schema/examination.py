"""What MongoDB tells of itself and of a host's events: facts for `ipecs-mw check`, no judgement."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from pymongo import DESCENDING

from ipecs_mw.clock import Clock
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

STORED: Mapping[str, Any] = {"type": "collection", "name": {"$not": {"$regex": r"^system\."}}}
"""What picks out of a list of collections those that have documents of their own: no views."""

_PROBE = "check"


class Server(NamedTuple):
    """A server as it describes itself; `clock_ahead_seconds` is how far its clock is before ours."""

    version: str
    topology: str  # "standalone", "replica_set" or "sharded"
    members: int
    clock_ahead_seconds: float


def examine_server(store: Store, clock: Clock) -> Server:
    """Ask the server about itself. Raises StoreError."""
    with store_errors():
        begun_at, begun = clock.now(), clock.monotonic()
        hello = store.client.admin.command("hello", codec_options=store.client.codec_options)
        middle = begun_at + timedelta(seconds=(clock.monotonic() - begun) / 2)
    is_sharded = hello.get("msg") == "isdbgrid"
    topology = "sharded" if is_sharded else "replica_set" if "setName" in hello else "standalone"
    ahead = (hello["localTime"] - middle).total_seconds()
    return Server(store.server_version, topology, len(hello.get("hosts", ())) or 1, ahead)


def try_write(store: Store) -> None:
    """Write and remove a document as the daemon writes: journalled, on a majority. Raises StoreError."""
    leases = store.database["leases"]
    with store_errors():
        leases.replace_one({"_id": _PROBE}, {"_id": _PROBE}, upsert=True)
        leases.delete_one({"_id": _PROBE})


def find_newest(store: Store, host: str, kind: str) -> Mapping[str, Any] | None:
    """Return times and call reference of the host's newest event of `kind`, None without. Raises StoreError."""
    fields = {"at": True, "received_at": True, "call_ref": True}
    newest = [("received_at", DESCENDING), ("_id", DESCENDING)]
    wanted = {"kind": kind, "host": {"$eq": host}}
    with store_errors():
        found: Mapping[str, Any] | None = store.database["events"].find_one(wanted, fields, sort=newest)
    return found


def find_last(store: Store, host: str, most: int) -> list[Mapping[str, Any]]:
    """Return kind and problems of the newest events of a host. Raises StoreError."""
    newest = [("received_at", DESCENDING), ("_id", DESCENDING)]
    with store_errors():
        found = store.database["events"].find({"host": {"$eq": host}}, {"kind": True, "problems": True})
        return list(found.sort(newest).limit(most))


def describe_database(store: Store) -> Mapping[str, Any]:
    """Return collection → about how many documents and bytes it has, and its indexes. Raises StoreError."""
    database = store.database
    with store_errors():
        return {
            name: {
                "documents": database[name].estimated_document_count(),
                "bytes": _measure(store, name),
                "indexes": database[name].index_information(),
            }
            for name in sorted(database.list_collection_names(filter=STORED))
        }


def _measure(store: Store, name: str) -> Mapping[str, int]:
    """Return how many bytes a collection takes on the disk, and its indexes beside it."""
    stages: list[Mapping[str, Any]] = [{"$collStats": {"storageStats": {}}}]
    parts = [each["storageStats"] for each in store.database[name].aggregate(stages)]  # one a shard
    return {
        "documents": sum(part.get("storageSize", 0) for part in parts),
        "indexes": sum(part.get("totalIndexSize", 0) for part in parts),
    }


def find_system_events(store: Store, most: int) -> list[Mapping[str, Any]]:
    """Return the newest events of the middleware itself, the newest first. Raises StoreError."""
    newest = [("received_at", DESCENDING), ("_id", DESCENDING)]
    with store_errors():
        return list(store.database["events"].find({"kind": "system"}, sort=newest, limit=most))


def find_remembered_tokens(store: Store) -> list[str]:
    """Return the session tokens that daemons left in their leases. Raises StoreError."""
    with store_errors():
        found = store.database["leases"].find({"note.token": {"$exists": True}}, {"note.token": True})
        return [str(lease["note"]["token"]) for lease in found]
