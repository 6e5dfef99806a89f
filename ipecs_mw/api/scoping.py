"""The scope of a token in questions to MongoDB: what lies outside of it is not found."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw.api.answers import Problem
from ipecs_mw.messages.rights import COMMANDS, Scope, allows
from ipecs_mw.store.applications.tokens import Token


def build_scope(scope: Scope, stations: str, groups: str) -> Mapping[str, Any] | None:
    """Return the query for what is in a scope, by the fields that have stations and groups; None for everything.

    A blank field is one that the collection does not have: nothing there concerns a single station.
    """
    parts: list[dict[str, Any]] = []
    if scope.hosts:
        parts.append({"host": {"$in": sorted(scope.hosts)}})
    if scope.is_narrow:
        sides = ((stations, scope.stations), (groups, scope.groups))
        either = [{name: {"$in": sorted(values)}} for name, values in sides if name and values]
        parts.append({"$or": either} if either else {"_id": {"$in": []}})
    return {"$and": parts} if parts else None


def is_in_scope(scope: Scope, document: Mapping[str, Any]) -> bool:
    """Tell whether a document that names its station and groups is in a scope."""
    stations = [document["station"]] if "station" in document else document.get("stations") or ()
    groups = [document["group"]] if "group" in document else document.get("groups") or ()
    return scope.has(str(document.get("host", "")), stations, groups)


def check_right(token: Token, right: str) -> None:
    """Refuse what the token has no right to; raises Problem."""
    if not allows(token.rights, right):
        raise Problem(403, "error.right_missing", right=f"{right}ID" if right == COMMANDS else right)


def choose_host(scope: Scope, host: str | None) -> str | None:
    """Return the host that is asked about; raises Problem for one outside of the scope, or where none is named."""
    return _choose("host", scope.hosts, host)


def choose_group(scope: Scope, group: str | None) -> str | None:
    """Return the group that is asked about, as `choose_host`."""
    return _choose("group", scope.groups, group)


def choose_station(scope: Scope, station: str | None) -> str | None:
    """Return the station that is asked about, as `choose_host`."""
    return _choose("station", scope.stations, station)


def _choose(name: str, allowed: frozenset[str], value: str | None) -> str | None:
    if not allowed or value in allowed:
        return value
    if value is None and len(allowed) == 1:
        return next(iter(allowed))
    key = "error.outside_scope" if value is not None else "error.name_one"
    raise Problem(403, key, name=name, value=value or "-", allowed=", ".join(sorted(allowed)))
