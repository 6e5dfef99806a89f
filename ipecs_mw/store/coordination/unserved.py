"""Requests that nobody will ever take: written otherwise than agreed, or for a host or profile that is not there.

A queue that any MongoDB client writes to holds anything. What is wrong is refused by name, so that who waits for
it is told at once, and holds up nobody meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ipecs_mw.errors import CommandRefused
from ipecs_mw.model.texts import join_some
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.coordination.requests import (
    DONE_STATES,
    IS_SOUND,
    MOST_BYTES,
    TYPES,
    Secrets,
    mask_secrets,
    open_requests,
)
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Row = Mapping[str, Any]
"""What `find_unserved` knows of a request."""

Addressees = Mapping[str, frozenset[str]]
"""Profile → the names of its hosts."""

_MOST_AT_ONCE = 100
_SHORT_BYTES = 1024
_KEPT = ("host", "profile", "command", "created_at", "expires_at", "created_by")
_WITHOUT_CLAIM = {"state": "sent", "claimed_by": {"$exists": False}}
_OTHER_STATE = {"state": {"$nin": ["queued", "sent", *sorted(DONE_STATES)]}}
_NOT_SOUND = {"state": "queued", "$expr": {"$not": IS_SOUND}}


def read_addressees(store: Store) -> Addressees:
    """Return the profiles and their hosts: those configured, and those that daemons run with all the same."""
    found: dict[str, set[str]] = {}
    with store_errors():
        for config in store.database["config"].find({}, {"hosts.name": 1}):
            found.setdefault(str(config["_id"]), set()).update(_read_names(config.get("hosts")))
    for instance in load_instances(store):
        if instance["is_alive"]:
            hosts = instance.get("hosts")
            running = found.setdefault(str(instance.get("profile")), set())
            running.update(hosts if isinstance(hosts, dict) else ())
    return {profile: frozenset(names) for profile, names in found.items()}


def _read_names(hosts: Any) -> Iterator[str]:
    for host in hosts if isinstance(hosts, list) else ():
        if isinstance(host, dict) and isinstance(host.get("name"), str):
            yield host["name"]


def find_address_fault(known: Addressees, profile: Any, host: Any) -> CommandRefused | None:
    """Return why a request for `host` and `profile` (None: it names none) is never taken; None where it is.

    Without a profile it is for the daemons of all of them, without a host for one that has a single host.
    """
    if profile is not None and profile not in known:
        return _refuse("error.no_such_profile", profile=profile, allowed=join_some(sorted(known)))
    asked = [known[profile]] if profile is not None else list(known.values())
    names = sorted(frozenset[str]().union(*asked))
    if host is None:
        is_clear = any(len(hosts) == 1 for hosts in asked)
        return None if is_clear else _refuse("error.host_not_named", allowed=join_some(names) or "-")
    return (
        None if host in names else _refuse("error.request_host", host=host, allowed=join_some(names) or "-")
    )


def has_unserved(store: Store) -> bool:
    """Tell whether there is anything that `find_unserved` would look at."""
    with store_errors():
        wanted = {"$or": [{"state": "queued"}, _OTHER_STATE, _WITHOUT_CLAIM]}
        return open_requests(store).find_one(wanted, {"_id": 1}) is not None


def find_unserved(store: Store, known: Addressees) -> list[tuple[Row, CommandRefused]]:
    """Return the requests that nobody will take, a hundred at the most, with the reasons; for `refuse_request`."""
    wanted = {"$or": [_NOT_SOUND, _OTHER_STATE, _WITHOUT_CLAIM, *_build_address_filters(known)]}
    shown = {
        **{field: _shorten(f"${field}") for field in TYPES},
        "command": _shorten("$command"),
        "is_claimed": {"$ne": [{"$type": "$claimed_by"}, "missing"]},
        "bytes": {"$bsonSize": "$$ROOT"},
        "types": {field: {"$type": f"${field}"} for field in TYPES},
    }
    pipeline = [{"$match": wanted}, {"$limit": _MOST_AT_ONCE}, {"$project": shown}]
    with store_errors():
        rows = list(open_requests(store).aggregate(pipeline))
    return [(row, fault) for row in rows if (fault := _find_fault(row, known)) is not None]


def refuse_request(
    store: Store, row: Row, known: Addressees, names: Secrets, error: Mapping[str, Any]
) -> bool:
    """End a request of `find_unserved` as failed, unless it was changed meanwhile; tell whether it is.

    One that is too large keeps only who asked for what. Raises StoreError.
    """
    filters = [_NOT_SOUND, _OTHER_STATE, _WITHOUT_CLAIM, *_build_address_filters(known)]
    ended = {"state": "failed", "error": {"$literal": dict(error)}, "ended_at": "$$NOW"}
    change: dict[str, Any] = {"$set": {**ended, "args": mask_secrets(names)}}
    if row["bytes"] > MOST_BYTES:
        kept = {field: _shorten(f"${field}") for field in _KEPT}
        change = {"$replaceWith": {"_id": "$_id", **kept, **ended}}
    with store_errors():
        found = store.database["requests"].update_one({"_id": row["_id"], "$or": filters}, [change])
    return bool(found.matched_count)


def _build_address_filters(known: Addressees) -> Iterator[dict[str, Any]]:
    """Yield what matches a queued request for which `find_address_fault` returns an error."""
    yield {"state": "queued", "profile": {"$nin": [None, *known]}}
    everywhere: set[str | None] = set()
    for profile, hosts in known.items():
        mine: set[str | None] = {*hosts, None} if len(hosts) == 1 else {*hosts}
        everywhere |= mine
        yield {"state": "queued", "profile": {"$eq": profile}, "host": {"$nin": list(mine)}}
    yield {"state": "queued", "profile": None, "host": {"$nin": list(everywhere)}}


def _find_fault(row: Row, known: Addressees) -> CommandRefused | None:
    if row["bytes"] > MOST_BYTES:
        return _refuse("error.request_too_large", bytes=row["bytes"], most=MOST_BYTES)
    for field, types in TYPES.items():
        found = row["types"][field]
        if found not in types:
            return _refuse_value(field, found, types)
    if row["state"] != "queued":
        return _refuse_value("state", repr(row["state"]), ("queued",))
    return find_address_fault(known, row.get("profile"), row.get("host"))


def _refuse_value(path: str, value: str, allowed: Sequence[str]) -> CommandRefused:
    return _refuse(
        "error.field_value", document="requests", path=path, value=value, allowed=", ".join(allowed)
    )


def _refuse(key: str, **facts: Any) -> CommandRefused:
    return CommandRefused(key, **facts, family="arguments", name=key.removeprefix("error."))


def _shorten(field: str) -> dict[str, Any]:
    """Return a field's value, `…` where it is long, as an expression."""
    return {"$cond": [{"$lt": [{"$bsonSize": {"v": field}}, _SHORT_BYTES]}, field, "…"]}
