"""Whether calls are read is told by what the reader says, and by the log itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from call_scene import tell

from ipecs_mw.calls.documents.snapshot import FORMAT
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.service.doctor.reader_findings import examine_reader
from ipecs_mw.store.server.connection import Store

NOW = datetime.now(UTC)
OLD = {"started_at": NOW - timedelta(hours=1)}
YOUNG = {"started_at": NOW + timedelta(days=1)}  # however long this run takes


def examine(store: Store, *alive: Any) -> dict[str, Any]:
    """Return name → level and facts of what is found."""
    found = examine_reader(store, alive, SystemClock(), explain)
    assert {finding.where for finding in found} <= {"calls"}
    return {finding.name: (finding.level, finding.facts) for finding in found}


def explain(error: IpecsMwError) -> str:
    return str(error)


def keep_event(store: Store, seconds_ago: float, host: str = "main", seq: int = 1) -> None:
    store.database["events"].insert_one(
        {
            "_id": f"{host}:a:{seq:012}",
            "host": host,
            "kind": "acd",
            "type": "station_ring",
            "connection": 1,
            "seq": seq,
            "received_at": datetime.now(UTC) - timedelta(seconds=seconds_ago),
        }
    )


def test_where_no_daemon_runs_nobody_has_to_read(migrated: Store) -> None:
    assert examine(migrated) == {}
    tell(migrated, seconds_ago=100)
    assert examine(migrated) == {}


def test_a_reader_that_tells_is_well(migrated: Store) -> None:
    tell(migrated)
    assert examine(migrated, OLD) == {"reader": ("ok", {"owner": "one"})}
    named = {**OLD, "_id": "one", "hostname": "pbx-server"}
    assert examine(migrated, named) == {"reader": ("ok", {"owner": "pbx-server"})}
    keep_event(migrated, 300)
    assert list(examine(migrated, OLD)) == ["reader"]


def test_nobody_who_reads_is_a_warning_once_a_daemon_had_the_time_to_begin(migrated: Store) -> None:
    assert examine(migrated, YOUNG) == {}
    assert examine(migrated, YOUNG, OLD)["reader_never"][0] == "warning"
    tell(migrated, seconds_ago=100)
    assert examine(migrated, YOUNG) == {}
    level, facts = examine(migrated, OLD)["reader_gone"]
    assert level == "warning"
    assert (datetime.now(UTC) - facts["at"]).total_seconds() > 30


def test_a_reader_that_is_behind_is_a_warning(migrated: Store) -> None:
    tell(migrated, behind_seconds=59)
    assert list(examine(migrated, OLD)) == ["reader"]
    tell(migrated, behind_seconds=75.4)
    assert examine(migrated, OLD) == {"reader_behind": ("warning", {"host": "main", "seconds": 75})}


def test_a_reader_that_says_all_is_well_and_takes_nothing_stands_still(migrated: Store) -> None:
    tell(migrated)
    taken_at = datetime.now(UTC) - timedelta(minutes=30)
    migrated.database["readers"].update_one({}, {"$set": {"hosts.0.taken_at": taken_at}})
    keep_event(migrated, 1800)
    assert list(examine(migrated, OLD)) == ["reader"]
    keep_event(migrated, 120, seq=2)
    level, facts = examine(migrated, OLD)["reader_still"]
    assert (level, facts["host"]) == ("warning", "main")


def test_an_event_that_came_just_now_need_not_be_read_yet(migrated: Store) -> None:
    tell(migrated)
    migrated.database["readers"].update_one({}, {"$set": {"hosts.0.taken_at": NOW - timedelta(minutes=30)}})
    keep_event(migrated, 5)
    assert list(examine(migrated, OLD)) == ["reader"]


def test_a_host_that_the_reader_does_not_know_is_not_read(migrated: Store) -> None:
    tell(migrated)
    keep_event(migrated, 120, host="branch")
    assert examine(migrated, OLD)["reader_still"][1]["host"] == "branch"


def test_a_position_of_a_newer_version_is_an_error_whether_a_daemon_runs_or_not(migrated: Store) -> None:
    tell(migrated)
    migrated.database["readers"].update_one({}, {"$set": {"format": FORMAT + 1}})
    expected = {"reader_newer": ("error", {"format": FORMAT + 1, "known": FORMAT})}
    assert examine(migrated) == examine(migrated, OLD) == expected
