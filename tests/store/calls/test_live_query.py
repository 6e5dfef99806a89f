"""What is true now is told with whether anybody can know."""

from typing import Any

import pytest
from call_scene import MORNING, keep, tell

from ipecs_mw.store.calls.live_query import load_live, load_reader
from ipecs_mw.store.calls.reader import let_go
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.values import list_values


def test_stations_agents_and_groups_are_told_with_their_host(migrated: Store) -> None:
    keep(migrated)
    tell(migrated)
    live = load_live(migrated)
    assert not live.is_stale
    assert {item["kind"] for item in live.items} == {"station", "agent", "group"}
    assert [(host.host, host.is_stale) for host in live.hosts] == [("main", False)]
    assert not any(item["is_stale"] for item in live.items)


def test_a_host_or_a_group_can_be_asked_for_alone(migrated: Store) -> None:
    keep(migrated)
    keep(migrated, host="branch")
    assert {item["host"] for item in load_live(migrated, host="branch").items} == {"branch"}
    found = load_live(migrated, host="main", group="620").items
    assert sorted(item["_id"] for item in found) == [
        "main:agent:0042", "main:agent:0043", "main:group:620", "main:station:1001", "main:station:1002"
    ]  # fmt: skip
    assert list_values(migrated, "live", "group") == ["620"]


@pytest.mark.parametrize(
    ("facts", "state", "reasons"),
    [
        (None, "never", ["never"]),
        ({"seconds_ago": 40}, "gone", ["gone"]),
        ({"behind_seconds": 61}, "running", ["behind"]),
        ({"behind_seconds": 59}, "running", []),
    ],
)
def test_what_a_reader_that_is_not_up_to_date_has_left_is_stale(
    migrated: Store, facts: dict[str, Any] | None, state: str, reasons: list[str]
) -> None:
    keep(migrated)
    if facts is not None:
        tell(migrated, **facts)
    live = load_live(migrated)
    assert load_reader(migrated).state == state
    assert list(live.hosts[0].reasons) == reasons
    assert live.is_stale is bool(reasons)
    assert all(item["is_stale"] is bool(reasons) for item in live.items)


def test_after_a_reader_has_stopped_nothing_is_fresh_any_more(migrated: Store) -> None:
    keep(migrated)
    tell(migrated)
    let_go(migrated, "one")
    live = load_live(migrated)
    assert (live.reader.state, live.is_stale) == ("gone", True)
    assert live.reader.told_at is not None
    assert all(item["is_stale"] for item in live.items)


def test_while_the_session_is_down_only_what_is_shown_of_that_host_is_stale(migrated: Store) -> None:
    keep(migrated, [*MORNING, (700, "session_down", {"reason": "error.connection_lost"})])
    keep(migrated, host="branch")
    tell(migrated)
    live = load_live(migrated)
    assert {host.host: list(host.reasons) for host in live.hosts} == {"main": ["session_down"], "branch": []}
    assert {item["host"] for item in live.items if item["is_stale"]} == {"main"}


def test_a_host_that_is_read_and_of_which_nothing_is_known_is_named(migrated: Store) -> None:
    tell(migrated, host="silent")
    live = load_live(migrated)
    assert [(host.host, list(host.reasons)) for host in live.hosts] == [("silent", ["session_down"])]
    assert list(live.items) == []
