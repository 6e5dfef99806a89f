"""How single groups do now: who waits, what their agents do, and today's service level."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from ipecs_mw.figures.answers.formulas import SERVICE_LEVELS
from ipecs_mw.figures.answers.rows import apply_rule
from ipecs_mw.figures.counting.rules import Rules, read_rules
from ipecs_mw.figures.counting.sums import Sums, add
from ipecs_mw.figures.time.intervals import begin_day, find_day
from ipecs_mw.model.configuration.settings import HostSettings, Settings
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.figures.place import load_places
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_STALE = timedelta(minutes=5)
"""A service level that is counted up to so long ago is not that of today any more."""

_SUMS = ("offered", "answered", "abandoned", "waits", "abandon_waits")


class GroupNow(Struct, frozen=True):
    """A group now; what is not known, or no longer true, is None. `level` is from 0 to 1."""

    host: str
    group: str
    waiting: int | None = None
    longest_wait_seconds: float | None = None
    agents: Mapping[str, int] | None = None
    level: float | None = None


def load_groups_now(store: Store, settings: Settings, now: datetime) -> list[GroupNow]:
    """Return how the groups in `figures.metrics` do, at each host that has them. Raises StoreError."""
    wanted = settings.figures.metrics
    live = load_live(store, kind="group")
    shown = {
        (each["host"], each["group"]): each
        for each in live.items
        if each["group"] in wanted and not each["is_stale"]
    }
    rules = read_rules(settings.figures)
    places = {place.host: place.as_of for place in load_places(store)}
    found = []
    for host in settings.hosts:
        as_of = places.get(host.name)
        is_counted = as_of is not None and now - as_of <= _STALE
        levels = dict(_find_levels(store, host, wanted, rules, now)) if is_counted else {}
        for group in dict.fromkeys(wanted):
            known = shown.get((host.name, group))
            if known is not None or group in levels:
                told = {} if known is None else _describe(known, now)
                found.append(GroupNow(host.name, group, level=levels.get(group), **told))
    return found


def _describe(live: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    since = live.get("longest_wait_since")
    return {
        "waiting": live.get("waiting", 0),
        "longest_wait_seconds": 0.0 if since is None else max(0.0, (now - since).total_seconds()),
        "agents": live.get("agents") or {},
    }


def _find_levels(
    store: Store, host: HostSettings, groups: Sequence[str], rules: Rules, now: datetime
) -> Iterator[tuple[str, float]]:
    """Yield the service level of each group since midnight at the host; nothing for one without calls."""
    zone = ZoneInfo(host.timezone)
    query = {
        "host": host.name,
        "kind": "group",
        "group": {"$in": list(groups)},
        "agent": None,  # as the index has it
        "from": {"$gte": begin_day(find_day(now, zone), zone)},
    }
    sums: dict[str, Sums] = {}
    with store_errors():
        fields = {"group": 1, **dict.fromkeys(_SUMS, 1)}
        for each in store.database["figures"].find(query, fields).hint("by_name"):
            known = {name: each[name] for name in _SUMS if name in each}
            add(sums.setdefault(each["group"], {}), known)
    for group, found in sums.items():
        rule = rules.find(group)
        if (value := SERVICE_LEVELS[rule.formula].compute(apply_rule(found, rule))) is not None:
            yield group, value
