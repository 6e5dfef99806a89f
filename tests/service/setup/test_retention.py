"""The retention is set as configured, as soon as MongoDB lets it be."""

import io
import threading
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import StoreRefused, StoreUnavailable
from ipecs_mw.model.configuration.settings import EventSettings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.setup import retention
from ipecs_mw.service.setup.retention import keep_as_configured
from ipecs_mw.store.schema.retention import Retention, apply_retention
from ipecs_mw.store.server.connection import Store


def keep(store: Store, clock: FakeClock, days: int = 7) -> str:
    """Have events kept for so many days; return what the log says."""
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    keep_as_configured(
        store, "own", lambda: Retention(EventSettings(retention_days=days)), clock, threading.Event()
    )
    return output.getvalue()


def test_it_is_tried_until_mongodb_has_done_it(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.database.create_collection("events")
    away = [StoreUnavailable("error.mongo_away", reason="x") for _ in range(10)]

    def keep_in_the_end(*arguments: Any) -> Any:
        if away:
            raise away.pop()
        return apply_retention(*arguments)

    monkeypatch.setattr(retention, "apply_retention", keep_in_the_end)
    assert keep(store, clock) == ""
    assert store.database["events"].index_information()["retention"]["expireAfterSeconds"] == 7 * 86400
    assert clock.waits[:3] == [1, 2, 4]
    assert clock.waits[-1] == 60


def test_what_is_kept_longer_for_another_profile_is_told(store: Store, clock: FakeClock) -> None:
    store.database.create_collection("events")
    store.database["config"].insert_one({"_id": "other", "events": {"retention_days": 30}})
    told = keep(store, clock)
    assert told.count("events.retention_longer") == 1
    assert "call 30" in told
    assert "events.retention_longer" not in keep(store, clock, days=31)


def test_a_refusal_is_told_and_not_repeated(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> Any:
        raise StoreRefused("error.mongo_rights", reason="x")

    monkeypatch.setattr(retention, "apply_retention", refuse)
    assert keep(store, clock).count("events.retention_refused") == 1
    assert clock.waits == []
