"""Whether figures are counted is told by how far they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

from call_scene import tell

from ipecs_mw.clock import SystemClock
from ipecs_mw.service.doctor.figure_findings import examine_figures
from ipecs_mw.store.figures.place import Place, save_place
from ipecs_mw.store.server.connection import Store

OLD = {"started_at": datetime.now(UTC) - timedelta(hours=1)}


def examine(store: Store, *alive: Any) -> dict[str, Any]:
    """Return name → level and facts of what is found."""
    found = examine_figures(store, alive, SystemClock(), str)
    return {finding.name: (finding.level, finding.facts) for finding in found}


def count(store: Store, seconds_ago: float = 0.0, *, told_ago: float = 0.0, **fields: Any) -> None:
    """Have figures be counted up to some time ago, while it is known what is true now."""
    tell(store)
    live = {"_id": "main:host", "host": "main", "kind": "host", "is_stale": False}
    store.database["live"].replace_one({"_id": "main:host"}, live, upsert=True)
    now = datetime.now(UTC)
    place = Place("main", now - timedelta(seconds=seconds_ago), **fields)
    save_place(store, place, now - timedelta(seconds=told_ago))


def test_where_nothing_was_counted_there_is_nothing_to_say(migrated: Store) -> None:
    assert examine(migrated, OLD) == {}


def test_figures_that_are_counted_are_well(migrated: Store) -> None:
    count(migrated, 20)
    assert examine(migrated, OLD)["figures"][0] == "ok"


def test_figures_that_are_behind_are_a_warning(migrated: Store) -> None:
    count(migrated, 90, waiting=300)
    found = examine(migrated, OLD)
    assert found["figures_behind"][0] == "warning"
    assert found["figures_behind"][1]["host"] == "main"
    assert abs(found["figures_behind"][1]["seconds"] - 90) < 30
    assert found["figures_waiting"] == ("warning", {"host": "main", "quarters": 300})


def test_nobody_who_counts_is_a_warning_where_a_daemon_runs(migrated: Store) -> None:
    count(migrated, 90, told_ago=90)
    assert "figures_still" not in examine(migrated)
    assert list(examine(migrated, OLD)) == ["figures_still"]
