"""Events that may show what became of a request, on a real MongoDB: one station's, of a short span, by index."""

from datetime import timedelta
from typing import Any

import pytest
from support import START_AT

from ipecs_mw.model.event import Event
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.events.evidence import (
    _build_events_query,
    _build_past_query,
    find_call_events,
    has_call_before,
)
from ipecs_mw.store.server.connection import Store

SINCE, UNTIL = START_AT + timedelta(seconds=10), START_AT + timedelta(seconds=70)
TYPES = ("alerting", "connected")


def keep(store: Store, name: str, seconds: float, **changes: Any) -> None:
    facts: dict[str, Any] = {"host": "main", "kind": "call", "type": "alerting", "stations": ("1001",)}
    facts |= {"call_ref": 7} | changes
    host = facts.pop("host")
    event = Event(received_at=START_AT + timedelta(seconds=seconds), raw={"x": 1}, data={"a": 1}, **facts)
    EventLog(store).append([build_document(name, host, 1, event)])


def test_only_what_may_show_something_is_found_and_the_oldest_first(migrated: Store) -> None:
    keep(migrated, "later", 69.9, type="connected", stations=("1002", "1001"))
    keep(migrated, "first", 10)
    for name, seconds, changes in (
        ("too early", 9.9, {}),
        ("too late", 70, {}),
        ("another host", 20, {"host": "branch"}),
        ("another station", 20, {"stations": ("1002",)}),
        ("another type", 20, {"type": "ringing"}),
        ("another kind", 20, {"kind": "acd"}),
    ):
        keep(migrated, name, seconds, **changes)
    found = find_call_events(migrated, "main", "1001", TYPES, since=SINCE, until=UNTIL)
    assert [event["_id"] for event in found] == ["first", "later"]
    assert found[0] == {"_id": "first", "kind": "call", "type": "alerting", "call_ref": 7, "data": {"a": 1}}


@pytest.mark.parametrize(
    ("seconds", "changes", "is_known"),
    [
        (9.9, {}, True),
        (9.9, {"type": "proceeding", "stations": ("1002", "1001")}, True),
        (9.9, {"kind": "acd", "type": "station_ring"}, False),
        (10, {}, False),
        (10 - 86401, {}, False),
        (9.9, {"call_ref": 8}, False),
        (9.9, {"host": "branch"}, False),
        (9.9, {"stations": ("1002",)}, False),
    ],
)
def test_a_call_is_known_by_any_call_event_of_it_at_the_station_within_a_day(
    migrated: Store, seconds: float, changes: dict[str, Any], is_known: bool
) -> None:
    keep(migrated, "a", seconds, **changes)
    assert has_call_before(migrated, "main", "1001", 7, SINCE) is is_known


@pytest.mark.parametrize(
    "query",
    [
        _build_events_query("main", "1001", TYPES, SINCE, UNTIL),
        _build_past_query("main", "1001", 7, SINCE),
    ],
    ids=["events", "past"],
)
def test_a_look_costs_what_the_station_or_the_call_had_in_that_span_not_the_whole_log(
    migrated: Store, query: dict[str, Any]
) -> None:
    documents = [
        build_document(
            f"main:{n:05d}",
            "main",
            n,
            Event(
                "call",
                ("alerting", "connected", "ringing")[n % 3],
                START_AT + timedelta(seconds=n - 5000),
                call_ref=n % 500,
                stations=(f"10{n % 50:02d}",),
            ),
        )
        for n in range(10_000)
    ]
    EventLog(migrated).append(documents)
    order = [("received_at", 1), ("_id", 1)]
    explained = migrated.database["events"].find(query).sort(order).limit(200).explain()
    assert "'COLLSCAN'" not in str(explained["queryPlanner"]["winningPlan"])
    assert explained["executionStats"]["totalKeysExamined"] < 150
    assert explained["executionStats"]["totalDocsExamined"] < 150


def test_operators_as_values_are_values(migrated: Store) -> None:
    keep(migrated, "a", 20)
    anything: Any = {"$ne": None}
    assert find_call_events(migrated, anything, "1001", TYPES, since=SINCE, until=UNTIL) == []
    assert find_call_events(migrated, "main", anything, TYPES, since=SINCE, until=UNTIL) == []
    assert not has_call_before(migrated, "main", "1001", anything, UNTIL)
