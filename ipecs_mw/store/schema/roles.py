"""Who may do what in the database: the least rights of the daemon, of who gives commands, of who reads events."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from pymongo.errors import OperationFailure

from ipecs_mw import logs
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_READ = ("find",)
_FOLLOW = ("find", "changeStream")
_GIVE = ("find", "insert")

RIGHTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    # migrations of later versions may touch any collection, so its rights are those on the whole database
    "daemon": {
        "": (
            "find", "insert", "update", "remove", "changeStream", "createCollection", "listCollections",
            "createIndex", "dropIndex", "listIndexes", "collMod", "collStats",
        ),
    },
    "sender": {
        "requests": _GIVE,
        "instances": _READ,
        "commands": _READ,
        "codes": _READ,
        "languages": _READ,
        "migrations": _READ,
    },
    "reader": {
        "events": _FOLLOW,
        "instances": _READ,
        "commands": _READ,
        "codes": _READ,
        "languages": _READ,
        "migrations": _READ,
    },
}  # fmt: skip
"""Role → collection → what it may do there; the empty name stands for every collection of the database."""

_PREFIX = "ipecs_mw_"
_NOT_FOUND = frozenset({11, 31})  # no such user, no such role


class Rights(NamedTuple):
    """Who this connection is, what it lacks as a daemon, and in which other databases it may do anything.

    `user` is None where the server asks for no password; `*` stands for every database.
    """

    user: str | None
    lacking: Sequence[str]
    elsewhere: Sequence[str]


def grant(store: Store, role: str, user: str, password: str | None) -> bool:
    """Give `user` of this database the role of `RIGHTS` and no other; tell whether the user is new.

    Role and user are made where they are missing. An existing user keeps its password where `password` is None;
    a new one needs it. Raises StoreRefused where the bootstrap's user may not do this, KeyError for a new user
    without a password.
    """
    logs.hide(password)
    name = _PREFIX + role
    database = store.database
    privileges = [
        {"resource": {"db": database.name, "collection": collection}, "actions": list(actions)}
        for collection, actions in RIGHTS[role].items()
    ]
    with store_errors():
        _update_or_create(store, "Role", name, {"privileges": privileges, "roles": []})
        roles: dict[str, Any] = {"roles": [{"role": name, "db": database.name}]}
        if password is not None:
            return _update_or_create(store, "User", user, {"pwd": password, **roles})
        try:
            database.command("updateUser", user, **roles)
        except OperationFailure as error:
            if error.code in _NOT_FOUND:
                raise KeyError(user) from error
            raise
    return False


def make_uri(store: Store, user: str) -> str:
    """Return the connection string for `user` of this database, with `PASSWORD` for the password."""
    with store_errors():
        set_name = store.client.admin.command("hello").get("setName")
    hosts = ",".join(f"{host}:{port}" for host, port in sorted(store.client.nodes))
    name = store.database.name
    options = f"authSource={name}" + (f"&replicaSet={set_name}" if set_name else "")
    return f"mongodb://{quote(user, safe='')}:PASSWORD@{hosts}/{name}?{options}"


def examine_rights(store: Store) -> Rights:
    """Compare the rights of the present user with what the daemon needs. Raises StoreError."""
    with store_errors():
        known = store.client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    users = known["authenticatedUsers"]
    if not users:
        return Rights(None, (), ())
    name = store.database.name
    allowed: set[str] = set()
    elsewhere: set[str] = set()
    for privilege in known["authenticatedUserPrivileges"]:
        resource: Mapping[str, Any] = privilege["resource"]
        place = "" if resource.get("anyResource") else resource.get("db")
        if place in ("", name) and resource.get("collection", "") == "":
            allowed.update(privilege["actions"])
        if place not in (None, name):
            elsewhere.add(place or "*")
    lacking = set(RIGHTS["daemon"][""]) - allowed
    return Rights(str(users[0]["user"]), tuple(sorted(lacking)), tuple(sorted(elsewhere)))


def _update_or_create(store: Store, what: str, name: str, content: Mapping[str, Any]) -> bool:
    """Bring a role or user to `content`; tell whether it is new."""
    try:
        store.database.command(f"update{what}", name, **content)
    except OperationFailure as error:
        if error.code not in _NOT_FOUND:
            raise
        store.database.command(f"create{what}", name, **content)
        return True
    return False
