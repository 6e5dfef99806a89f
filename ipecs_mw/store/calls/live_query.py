"""What is true now, and whether anybody can know: the live documents, and what the reader says of itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, to_builtins

from ipecs_mw.store.calls.reader import GONE_SECONDS, NAME
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

BEHIND_SECONDS = 60.0
"""A reader that is further behind does not tell what is true now."""

_CATCHING_UP_SECONDS = 5.0  # a reader that is busy with what has just come is not said to be late

_SORT = [("host", 1), ("kind", 1), ("_id", 1)]
_AGE = {"$divide": [{"$subtract": ["$$NOW", "$told_at"]}, 1000]}

Document = dict[str, Any]


class Reader(Struct, frozen=True, omit_defaults=True):
    """What the reader of calls says of itself: `gone` since it told last, or `never` where none has run.

    `owner` is the daemon that it is part of, `format` counts how it keeps what it has in mind.
    """

    state: str
    told_at: datetime | None = None
    hosts: Mapping[str, Mapping[str, Any]] = {}
    owner: str = ""
    format: int = 0

    def list_behind(self) -> Mapping[str, float]:
        """Return by how many seconds it is behind, for each host where that is too many."""
        behind = {name: float(host.get("behind_seconds") or 0) for name, host in self.hosts.items()}
        return {name: seconds for name, seconds in behind.items() if seconds > BEHIND_SECONDS}


class LiveHost(Struct, frozen=True, omit_defaults=True):
    """A host, when it was last heard, and why what is shown of it is not what is true now; empty where it is."""

    host: str
    reasons: Sequence[str]
    heard_at: datetime | None = None
    gap_at: datetime | None = None
    behind_seconds: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether what is shown of it may no longer be so."""
        return bool(self.reasons)


class Live(Struct, frozen=True):
    """All that is known to be true now; each item says whether it `is_stale`."""

    reader: Reader
    hosts: Sequence[LiveHost]
    items: Sequence[Document]

    @property
    def is_stale(self) -> bool:
        """Whether any of it may no longer be so."""
        return self.reader.state != "running" or any(host.is_stale for host in self.hosts)

    def describe(self, as_of: datetime) -> Document:
        """Return all of it as one document; what is not known is absent."""
        hosts = [
            to_builtins(host, builtin_types=(datetime,)) | {"is_stale": host.is_stale} for host in self.hosts
        ]
        return {
            "as_of": as_of,
            "is_stale": self.is_stale,
            "reader": to_builtins(self.reader, builtin_types=(datetime,)),
            "hosts": hosts,
            "items": list(self.items),
        }


def load_reader(store: Store) -> Reader:
    """Return what the reader of calls says of itself; its age is by the server's clock."""
    pipeline: list[Document] = [{"$match": {"_id": NAME}}, {"$set": {"age_seconds": _AGE}}]
    with store_errors():
        found = next(iter(store.database["readers"].aggregate(pipeline)), None)
    if found is None:
        return Reader("never")
    hosts = {str(each["host"]): each for each in found.get("hosts") or () if "host" in each}
    told_at, state = found.get("told_at"), "gone"
    if told_at is None:  # it has stopped, and nobody goes on
        told_at = max((each["taken_at"] for each in hosts.values() if "taken_at" in each), default=None)
    elif found["age_seconds"] <= GONE_SECONDS:
        state = "running"
    return Reader(state, told_at, hosts, str(found.get("owner", "")), int(found.get("format", 0)))


def describe_readers(store: Store) -> Mapping[str, Any]:
    """Return all that readers tell, and of what they keep in mind no more than how much it is."""
    moments = {
        "_id": 0,
        "host": 1,
        "order": 1,
        "at": 1,
        "format": 1,
        "layout": 1,
        "bytes": {"$binarySize": "$data"},
    }
    with store_errors():
        return {
            "readers": list(store.database["readers"].find()),
            "moments": list(store.database["reader_states"].aggregate([{"$project": moments}])),
        }


def load_live(
    store: Store, *, host: str | None = None, group: str | None = None, kind: str | None = None
) -> Live:
    """Return the stations, agents and groups of all hosts or of one, and those of one group where it is given.

    Where a kind is given, such as `group`, only those.
    """
    reader = load_reader(store)
    query: Document = {} if host is None else {"host": {"$eq": host}}
    if kind is not None:
        query["kind"] = {"$in": ["host", kind]}
    with store_errors():
        found = list(store.database["live"].find(query).sort(_SORT))
    told = {str(each["host"]): each for each in found if each.get("kind") == "host"}
    names = sorted({*(str(each["host"]) for each in found), *([] if host else reader.hosts)})
    hosts = {name: _judge(name, told.get(name), reader) for name in names}
    items = [each for each in found if each.get("kind") != "host" and _is_of(each, group)]
    for item in items:
        item.pop("holder", None)  # of the reader alone
        item["is_stale"] = hosts[str(item["host"])].is_stale
    return Live(reader, list(hosts.values()), items)


def _is_of(item: Mapping[str, Any], group: str | None) -> bool:
    return group is None or group == item.get("group") or group in (item.get("groups") or ())


def _judge(name: str, told: Mapping[str, Any] | None, reader: Reader) -> LiveHost:
    """Return what is to be said of a host, by what its document and the reader tell."""
    document, progress = told or {}, reader.hosts.get(name) or {}
    behind = progress.get("behind_seconds")
    reasons = {
        reader.state: reader.state != "running",
        "session_down": bool(document.get("is_stale", True)),
        "behind": behind is not None and behind > BEHIND_SECONDS,
        "catching_up": bool(progress.get("is_catching_up")) and (behind or 0) > _CATCHING_UP_SECONDS,
    }
    said = [reason for reason, is_so in reasons.items() if is_so]
    return LiveHost(name, said, document.get("heard_at"), document.get("gap_at"), behind)
