"""Who may do what in the database: the table of the roles, and which right a command lacked."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ipecs_mw.errors import StoreRefused

_READ = ("find",)
_FOLLOW = ("find", "changeStream")
_GIVE = ("find", "insert")
_MEANING: Mapping[str, Sequence[str]] = {
    "events": _FOLLOW,
    "calls": _FOLLOW,
    "agent_states": _FOLLOW,
    "live": _FOLLOW,
    "missed": _FOLLOW,
    "figures": _FOLLOW,
    "figure_days": _FOLLOW,
    "figure_marks": _READ,
    "readers": _FOLLOW,
    "alarms": _FOLLOW,
    "instances": _READ,
    "commands": _READ,
    "codes": _READ,
    "languages": _READ,
    "migrations": _READ,
}
"""What happened, and all that one needs to understand it."""

RIGHTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    # migrations of later versions may touch any collection, so its rights are those on the whole database
    "daemon": {
        "": (
            "find", "insert", "update", "remove", "changeStream", "createCollection", "listCollections",
            "createIndex", "dropIndex", "listIndexes", "collMod", "collStats",
        ),
    },
    # `ipecs-mw serve`: answers applications, takes their commands, closes missed calls
    "api": {
        **_MEANING,
        "missed": (*_FOLLOW, "update"),
        "reports": _FOLLOW,
        "requests": (*_FOLLOW, "insert"),
        "config_shared": _READ,
        "tokens": _READ,
        "token_uses": ("find", "insert", "update"),
        "stream_tickets": ("find", "insert", "remove"),
        "page_sessions": ("find", "insert", "remove"),
        "webhooks": ("find", "insert", "update", "remove"),
        # and never read; who may change what is there could guess it, by what fits
        "webhook_secrets": ("insert",),
        "webhook_tasks": ("find", "insert"),
        "deliveries": _READ,
    },
    "sender": {
        "requests": _GIVE,
        "instances": _READ,
        "readers": _READ,
        "commands": _READ,
        "codes": _READ,
        "languages": _READ,
        "migrations": _READ,
    },
    # closes missed calls, says who sees to one, and notes what was agreed
    "supervisor": {**_MEANING, "missed": (*_FOLLOW, "update")},
    "reader": _MEANING,
}  # fmt: skip
"""Role → collection → what it may do there; the empty name stands for every collection of the database."""

ROLE_PREFIX = "ipecs_mw_"
"""What a role of `RIGHTS` is called in MongoDB begins with this."""


_ACTIONS: Mapping[str, str] = {
    "aggregate": "find",
    "count": "find",
    "create": "createCollection",
    "createIndexes": "createIndex",
    "delete": "remove",
    "distinct": "find",
    "dropIndexes": "dropIndex",
    "findAndModify": "update",
    "getMore": "find",
}
"""Command of MongoDB → the right that it needs, where that has another name."""

_OF_USERS = re.compile(r"(create|update|drop|grant|revoke)\w*(User|Role)\w*|usersInfo|rolesInfo")
_REFUSED = re.compile(r"not authorized on (\S+) to execute command \{ (\w+): (?:\"([^\"]*)\")?")


def build_privileges(role: str, database: str) -> list[dict[str, Any]]:
    """Return what a role of `RIGHTS` may do, as MongoDB spells it."""
    return [
        {"resource": {"db": database, "collection": collection}, "actions": list(actions)}
        for collection, actions in RIGHTS[role].items()
    ]


def explain_refusal(words: str) -> StoreRefused:
    """Return the error for what the server says to who lacks a right: which one, for what, who has it.

    Nothing else of the command is in it: that may be a whole document.
    """
    if "requires authentication" in words:
        return StoreRefused("error.mongo_no_user")
    found = _REFUSED.search(words)
    database, command, collection = found.groups("") if found else ("?", "?", "")
    place = f"{database}.{collection}" if collection else database
    if _OF_USERS.fullmatch(command):
        return StoreRefused("error.mongo_user_rights", command=command, place=place)
    right = "changeStream" if "$changeStream" in words else _ACTIONS.get(command, command)
    roles = [
        role for role, rights in RIGHTS.items() if right in {*rights.get("", ()), *rights.get(collection, ())}
    ]
    least = " / ".join(reversed(roles)) or "daemon"
    return StoreRefused("error.mongo_rights", command=command, place=place, right=right, roles=least)
