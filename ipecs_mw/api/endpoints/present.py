"""What is true now: phone systems, stations, agents, groups."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ipecs_mw import __version__
from ipecs_mw.api.documents import Live, Status
from ipecs_mw.api.endpoints.logged import Host
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint, Nothing
from ipecs_mw.api.scoping import is_in_scope
from ipecs_mw.messages.rights import Scope
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.coordination.instances import load_instances

_OF_DAEMON = (
    "profile",
    "version",
    "started_at",
    "heartbeat_at",
    "age_seconds",
    "is_alive",
    "revision",
    "hosts",
)
_OF_HOST = (
    "state", "since", "session", "state_since", "last_frame_at", "last_event_at", "lag_seconds", "behind_seconds",
    "reconnects", "reason", "waiting", "stored", "is_stale",
)  # fmt: skip


class LiveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which host and group."""

    host: Host | None = None
    group: Annotated[str, Meta(description="of this group, and who is logged in to it")] | None = None


def _show_status(asked: Asked) -> Answer:
    """Return who runs and how each host is; of daemons what is no matter of the machine."""
    scope = asked.token.scope
    live = load_live(asked.site.store, kind="host").describe(asked.now)
    daemons = [_describe_daemon(each, scope) for each in load_instances(asked.site.store, asked.site.profile)]
    hosts = [host for host in live["hosts"] if scope.has(str(host["host"]), scope.stations, scope.groups)]
    reader = {name: value for name, value in live["reader"].items() if name in ("state", "told_at")}
    return Answer(
        {
            "as_of": asked.now,
            "is_stale": live["reader"]["state"] != "running" or any(host["is_stale"] for host in hosts),
            "version": __version__,
            "daemons": daemons,
            "reader": reader,
            "hosts": hosts,
        }
    )


def _describe_daemon(instance: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    told = {name: instance[name] for name in _OF_DAEMON if name in instance}
    hosts = told.get("hosts")
    shown = {}
    for name, host in hosts.items() if isinstance(hosts, Mapping) else ():
        if scope.has(str(name), scope.stations, scope.groups) and isinstance(host, Mapping):
            shown[str(name)] = {part: host[part] for part in _OF_HOST if part in host}
    return told | {"hosts": shown}


def _show(kind: str) -> Callable[[Asked], Answer]:
    def show(asked: Asked) -> Answer:
        query: LiveQuery = asked.query
        live = load_live(asked.site.store, host=query.host, group=query.group, kind=kind).describe(asked.now)
        items = [
            asked.cut(item)
            for item in live["items"]
            if item.get("kind") == kind and is_in_scope(asked.token.scope, item)
        ]
        return Answer({"as_of": live["as_of"], "is_stale": live["is_stale"], "items": items})

    return show


ROWS = (
    Endpoint("GET", f"{BASE}/status", "state.read", "getStatus", "Who runs, and how each phone system is.",
             _show_status, Status, Nothing),
    Endpoint("GET", f"{BASE}/stations", "state.read", "listStations", "What each station does now.",
             _show("station"), Live, LiveQuery),
    Endpoint("GET", f"{BASE}/agents", "state.read", "listAgents", "What each agent does now.", _show("agent"),
             Live, LiveQuery),
    Endpoint("GET", f"{BASE}/queues", "state.read", "listQueues", "Who waits in each group now, and its agents.",
             _show("group"), Live, LiveQuery),
)  # fmt: skip
"""The endpoints of what is true now."""
