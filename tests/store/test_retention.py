"""How long MongoDB keeps events, by kind."""

import pytest

from ipecs_mw.model.settings import EventSettings
from ipecs_mw.store.connection import Store
from ipecs_mw.store.retention import keep_events

DAY = 86400


def kept(store: Store) -> dict[str, tuple[int, object]]:
    indexes = store.database["events"].index_information()
    return {
        name: (index["expireAfterSeconds"] // DAY, index.get("partialFilterExpression"))
        for name, index in indexes.items()
        if "expireAfterSeconds" in index
    }


@pytest.fixture(autouse=True)
def events(store: Store) -> None:
    store.database.create_collection("events")


def test_the_retention_follows_the_configuration(store: Store) -> None:
    for days in (365, 365, 30, None, None, 7):
        keep_events(store, EventSettings(retention_days=days))
        assert kept(store) == ({} if days is None else {"retention": (days, None)})


def test_each_kind_has_an_index_of_its_own_where_kinds_differ(store: Store) -> None:
    keep_events(store, EventSettings(retention_days=365))
    settings = EventSettings(
        retention_days=365, retention_days_by_kind={"call": 30, "system": None, "smdr": 1000}
    )
    for _ in range(2):
        keep_events(store, settings)
        found = kept(store)
        assert "retention" not in found  # it would delete what is to be kept longer
        assert found["retention_call"] == (30, {"kind": "call"})
        assert found["retention_smdr"] == (1000, {"kind": "smdr"})
        assert found["retention_acd"] == (365, {"kind": "acd"})
        assert "retention_system" not in found
        assert len(found) == 6
    keep_events(store, EventSettings(retention_days=30, retention_days_by_kind={"call": 7}))
    assert kept(store)["retention_call"] == (7, {"kind": "call"})
    keep_events(store, EventSettings(retention_days=30))
    assert kept(store) == {"retention": (30, None)}
