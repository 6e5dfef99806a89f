"""A document is told as it was right after each change, however late that is read."""

import random
from datetime import UTC, datetime
from typing import Any

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.applications.feed import read_feed
from ipecs_mw.store.calls.writing import Written
from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def grow(chance: random.Random, call: dict[str, Any]) -> dict[str, Any]:
    """Return the next version of a call: fields come, change and go, lists grow, shrink and are replaced."""
    call = {**call, "seconds": {**call.get("seconds", {}), chance.choice("abc"): chance.random()}}
    segments = [dict(each) for each in call.get("segments", [])]
    match chance.randrange(6):
        case 0:
            segments.append({"kind": "ring", "from": NOW, "station": str(chance.randrange(9))})
        case 1 if segments:
            segments[chance.randrange(len(segments))]["until"] = NOW
        case 2 if segments:
            segments.pop()
        case 3 if segments:
            segments[0].pop("until", None)
        case 4:
            call.pop("cause", None)
        case _:
            call["cause"] = {"code": chance.randrange(9), "deep": [[1, chance.randrange(9)], {}]}
    return {
        **call,
        "segments": segments,
        "stations": [str(chance.randrange(4)) for _ in range(chance.randrange(3))],
    }


def test_each_version_is_told_as_it_was(migrated: Store) -> None:
    chance = random.Random(5)
    calls, written = migrated.database["calls"], Written(migrated, "calls")
    feed = read_feed(migrated, SystemClock(), "calls")
    next(feed)
    versions: list[dict[str, Any]] = []
    now: dict[str, dict[str, Any]] = {
        f"main:{name}": {"_id": f"main:{name}", "host": "main", "began_at": NOW, "is_open": True}
        for name in "xyz"
    }
    for _ in range(300):
        name = chance.choice(sorted(now))
        now[name] = grow(chance, now[name])
        written.write({name: now[name]}, NOW)
        found = calls.find_one({"_id": name})
        assert found is not None
        versions.append(found)
    told: list[Any] = []
    for step in feed:
        if step.changed is not None:
            told.append(step.changed.document)
        if len(told) == len(versions):
            break
    feed.close()
    assert told == versions


def test_what_somebody_else_changed_is_told_as_it_is_by_then(migrated: Store) -> None:
    calls = migrated.database["calls"]
    calls.insert_one({"_id": "main:1", "host": "main", "revision": 1, "a": 1})
    feed = read_feed(migrated, SystemClock(), "calls")
    next(feed)
    calls.update_one({"_id": "main:1"}, {"$set": {"a": 2, "revision": 2}})  # the version before is not known
    calls.update_one({"_id": "main:1"}, {"$set": {"a": 3}})  # no revision
    calls.update_one({"_id": "main:1"}, {"$set": {"a": 4, "revision": 9}})  # another one
    told = []
    for step in feed:
        if step.changed is not None:
            told.append(step.changed.document)
        if len(told) == 3:
            break
    feed.close()
    assert told == [{"_id": "main:1", "host": "main", "revision": 9, "a": 4}] * 3
