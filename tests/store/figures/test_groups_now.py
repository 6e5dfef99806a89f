"""How groups do now is what MongoDB has, and nothing where that may not be true any more."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from call_scene import tell
from support import FakeClock

from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.model.configuration.settings import Settings, parse_settings
from ipecs_mw.seeds import read_json
from ipecs_mw.service.readers import group_watch
from ipecs_mw.service.readers.group_watch import GroupWatch
from ipecs_mw.store.figures.groups_now import GroupNow, load_groups_now
from ipecs_mw.store.figures.place import Place, save_place
from ipecs_mw.store.server.connection import Store

NOW = datetime.now(UTC).replace(microsecond=0)


def build_settings(*groups: str, **sections: Any) -> Settings:
    content = {**read_json("config.json"), "health": {"port": 9464}, **sections}
    content["hosts"][0]["timezone"] = "UTC"
    content["figures"] = {"metrics": list(groups)}
    return parse_settings(content, source="test")


def keep(store: Store, *, is_stale: bool = False, **group: Any) -> None:
    """Have group 620 be so."""
    tell(store)
    live = [
        {"_id": "main:host", "host": "main", "kind": "host", "is_stale": is_stale},
        {"_id": "main:group:620", "host": "main", "kind": "group", "group": "620", **group},
    ]
    for each in live:
        store.database["live"].replace_one({"_id": each["_id"]}, each, upsert=True)


def keep_figures(store: Store, group: str, answered: int, offered: int, begin: datetime = NOW) -> None:
    document = {"host": "main", "kind": "group", "group": group, "from": begin, "offered": offered}
    figures = {**document, "answered": answered, "waits": {"3": answered}}
    store.database["figures"].insert_one({"_id": f"{group}:{begin}", **figures})


def test_a_group_that_is_asked_for_is_told_and_no_other(migrated: Store) -> None:
    since = NOW - timedelta(seconds=30)
    keep(migrated, waiting=2, longest_wait_since=since, agents={"ready": 3})
    assert load_groups_now(migrated, build_settings("621"), NOW) == []
    (found,) = load_groups_now(migrated, build_settings("620", "621", "620"), NOW)
    assert found == GroupNow("main", "620", 2, 30.0, {"ready": 3})


def test_what_may_not_be_true_any_more_is_not_told(migrated: Store) -> None:
    keep(migrated, is_stale=True, waiting=2)
    assert load_groups_now(migrated, build_settings("620"), NOW) == []
    keep(migrated, waiting=2)
    tell(migrated, seconds_ago=300)
    assert load_groups_now(migrated, build_settings("620"), NOW) == []


def test_a_service_level_is_that_of_today(migrated: Store) -> None:
    keep_figures(migrated, "620", 7, 10)
    keep_figures(migrated, "620", 0, 90, NOW - timedelta(days=1))
    keep_figures(migrated, "621", 0, 0)
    save_place(migrated, Place("main", NOW), NOW)
    assert load_groups_now(migrated, build_settings("620", "621"), NOW) == [
        GroupNow("main", "620", level=0.7)
    ]
    save_place(migrated, Place("main", NOW - timedelta(minutes=6)), NOW)
    assert load_groups_now(migrated, build_settings("620"), NOW) == []


def test_a_watch_that_cannot_read_tells_nothing_old(migrated: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOW)
    watch = GroupWatch(migrated, lambda: build_settings("620"), clock, threading.Event())
    assert watch.describe() == ()
    keep(migrated, waiting=2)
    watch.look()
    assert [each.waiting for each in watch.describe()] == [2]

    def fail(*_: Any) -> Any:
        raise StoreUnavailable("error.mongo_away", reason="gone")

    monkeypatch.setattr(group_watch, "load_groups_now", fail)
    clock.advance(20)
    watch.look()
    assert len(watch.describe()) == 1
    clock.advance(1)
    assert watch.describe() == ()


def test_without_groups_or_a_port_nothing_is_read(migrated: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_watch, "load_groups_now", None)
    for settings in (build_settings(), build_settings("620", health={})):
        watch = GroupWatch(migrated, lambda now=settings: now, FakeClock(NOW), threading.Event())
        watch.look()
        assert watch.describe() == ()
