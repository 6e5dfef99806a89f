"""Who may do what in the database: the least rights of the daemon, of who gives commands, of who reads events."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from pymongo.errors import OperationFailure

from ipecs_mw import logs
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.rights import RIGHTS, ROLE_PREFIX, build_privileges

_NOT_FOUND = frozenset({11, 31})  # no such user, no such role


class Rights(NamedTuple):
    """Who this connection is, what it lacks as a daemon, and in which other databases it may do anything.

    `user` is None where the server asks for no password; `*` stands for every database.
    """

    user: str | None
    lacking: Sequence[str]
    elsewhere: Sequence[str]


class Granted(NamedTuple):
    """Whether the user was made, and every role that it now has; those of other databases with their name."""

    is_new: bool
    roles: Sequence[str]


def grant(store: Store, role: str, user: str, password: str | None, *, only: bool = False) -> Granted:
    """Give `user` of this database the role of `RIGHTS`, beside those that it has, or with `only` instead of them.

    Role and user are made where they are missing. An existing user keeps its password where `password` is None;
    a new one needs it. Raises StoreRefused where the bootstrap's user may not do this, KeyError for a new user
    without a password.
    """
    logs.hide(password)
    name = ROLE_PREFIX + role
    database = store.database
    granted = {"role": name, "db": database.name}
    with store_errors():
        _update_or_create_role(store, name, build_privileges(role, database.name))
        known = database.command("usersInfo", user)["users"]
        former = known[0]["roles"] if known and not only else []
        roles = [*(one for one in former if one != granted), granted]
        if not known and password is None:
            raise KeyError(user)
        changes: dict[str, Any] = {"roles": roles} | ({} if password is None else {"pwd": password})
        database.command("updateUser" if known else "createUser", user, **changes)
    return Granted(not known, [_spell(one, database.name) for one in roles])


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


def _spell(role: Mapping[str, str], database: str) -> str:
    """Return what people call a role: ours without the prefix, one of another database with that."""
    if role["db"] == database:
        return role["role"].removeprefix(ROLE_PREFIX)
    return f"{role['role']}@{role['db']}"


def _update_or_create_role(store: Store, name: str, privileges: Sequence[Mapping[str, Any]]) -> None:
    try:
        store.database.command("updateRole", name, privileges=privileges, roles=[])
    except OperationFailure as error:
        if error.code not in _NOT_FOUND:
            raise
        store.database.command("createRole", name, privileges=privileges, roles=[])
