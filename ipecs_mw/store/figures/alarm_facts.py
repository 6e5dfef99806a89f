"""What alarms are judged by, read from MongoDB: calls, live groups, quarter hours."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.figures.answers.alarms import OF_CALLS, Facts, find_judged
from ipecs_mw.figures.counting.rules import Rules, read_rules
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.figures.place import load_places
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

LATEST = timedelta(days=7)
"""A call that has ended before is not told any more."""

_OVERLAP = timedelta(
    seconds=30
)  # who writes calls has a clock of his own, and stamps them before they are there
_NEEDS_OPEN = frozenset({"long_call", "trunks_busy"})
_CALL_FIELDS = dict.fromkeys(
    (
        "host", "direction", "is_open", "began_at", "answered_at", "ended_at", "caller", "dialed", "answered_by",
        "trunks", "stations", "groups", "updated_at",
    ),
    1,
)  # fmt: skip

Document = dict[str, Any]


def load_facts(
    store: Store,
    settings: Settings,
    rules: Collection[AlarmSettings],
    seen_at: datetime,
    lasting: Sequence[str],
    now: datetime,
) -> tuple[Mapping[str, Facts], datetime]:
    """Return what is known of each host of a profile, as far as these rules go by it.

    Calls are those that changed since `seen_at`, those that last, and those whose ids are in `lasting`. Beside it:
    up to when changed calls are known now. Raises StoreError.
    """
    names = [host.name for host in settings.hosts]
    kinds = {rule.when for rule in rules}
    calls: list[Document] = []
    if kinds & (OF_CALLS | _NEEDS_OPEN):
        calls = _load_calls(store, names, seen_at, lasting, now)
    live = load_live(store, kind="group") if kinds & {"waiting", "trunks_busy", "long_call"} else None
    stale = {host.host for host in live.hosts if host.is_stale} if live else set()
    known = {host.host for host in live.hosts} if live else set()
    counted = load_places(store) if "service_level" in kinds else []
    places = {place.host: place.as_of for place in counted if place.host in names}
    figure_rules = read_rules(settings.figures)
    levels = _load_levels(store, places, figure_rules)
    facts = {
        name: Facts(
            host=name,
            now=now,
            calls=[each for each in calls if each["host"] == name],
            groups=[each for each in live.items if each["host"] == name] if live else (),
            levels=[each for each in levels if each["host"] == name],
            as_of=places.get(name),
            is_live=name in known and name not in stale,
            plan=settings.numbers,
            rules=figure_rules,
            trunks=settings.figures.trunks or 0,
        )
        for name in names
    }
    if not kinds & OF_CALLS:  # nobody asks what happened
        return facts, now
    changed = [each["updated_at"] for each in calls if "updated_at" in each]
    return facts, max(seen_at, min(now, max(changed, default=seen_at)))


def _load_calls(
    store: Store, hosts: Sequence[str], seen_at: datetime, lasting: Sequence[str], now: datetime
) -> list[Document]:
    ours, oldest = {"$in": hosts}, now - LATEST
    changed = {
        "updated_at": {"$gte": max(seen_at, oldest) - _OVERLAP},
        "host": ours,
        "ended_at": {"$gte": oldest},
    }
    # MongoDB, which may choose the index of hosts, would read all calls each second
    queries: Mapping[str, Document] = {
        "by_is_open": {"is_open": True, "host": ours},
        "changed": changed,
        "_id_": {"_id": {"$in": list(lasting)}},
    }
    found: dict[str, Document] = {}
    with store_errors():
        for index, query in queries.items():
            calls = store.database["calls"].find(query, _CALL_FIELDS, batch_size=5000).hint(index)
            found.update((each["_id"], each) for each in calls)
    return list(found.values())


def _load_levels(store: Store, places: Mapping[str, datetime | None], rules: Rules) -> list[Document]:
    """Return the figures of each host's groups in the quarter hours that are judged now."""
    waits = {rule.threshold_seconds for rule in (rules.default, *rules.groups.values())}
    found: list[Document] = []
    with store_errors():
        for host, as_of in places.items():
            if as_of is not None:
                quarters = {find_judged(as_of, seconds) for seconds in waits}
                query = {"host": host, "kind": "group", "from": {"$in": sorted(quarters)}}
                found += store.database["figures"].find(query).hint("by_quarter")
    return found
