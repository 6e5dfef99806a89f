"""The first page of each question that people ask of calls comes by an index, without sorting."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.server.connection import Store

BEGAN_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

CALLS: Mapping[str, Any] = {
    "anything": {},
    "host": {"host": {"$eq": "main"}},
    "station": {"stations": {"$eq": "1001"}},
    "agent": {"segments.agent": {"$eq": "4001"}},
    "group": {"groups": {"$eq": "620"}},
    "number": {"numbers": {"$eq": "+6561234567"}},
    "either reading of a number": {"numbers": {"$in": ["+6561234567", "61234567"]}},
    "name": {"found_by": {"$all": ["ki"]}},
    "two words of a name": {"found_by": {"$all": ["kim", "mi"]}},
    "name and host": {"found_by": {"$all": ["ki"]}, "host": {"$eq": "main"}},
    "direction": {"direction": {"$eq": "inbound"}},
    "outcome": {"outcome": {"$eq": "answered"}},
    "open": {"is_open": {"$eq": True}},
    "reference": {"call_refs": {"$eq": 7}},
    "time": {"began_at": {"$gte": BEGAN_AT, "$lt": BEGAN_AT + timedelta(hours=1)}},
    "station and time": {"stations": {"$eq": "1001"}, "began_at": {"$lt": BEGAN_AT + timedelta(hours=1)}},
    "group and outcome": {"groups": {"$eq": "620"}, "outcome": {"$eq": "abandoned"}},
}
NEWEST: Mapping[str, str] = {"calls": "began_at", "missed": "last_at"}
MISSED: Mapping[str, Any] = {"anything": {}, "state": {"state": {"$eq": "open"}}}
MISSED_OF_HOST = {"host": {"$eq": "main"}, "state": {"$eq": "open"}}


@pytest.fixture
def filled(store: Store) -> Store:
    """A database with calls and missed calls."""
    put_right(store, SystemClock())
    store.database["calls"].insert_many([build_call(n) for n in range(200)])
    store.database["missed"].insert_many([build_missed(n) for n in range(50)])
    return store


def build_call(n: int) -> dict[str, Any]:
    return {
        "_id": f"main:{n:04d}",
        "host": ("main", "branch")[n % 2],
        "first": f"{n:08d}",
        "began_at": BEGAN_AT + timedelta(minutes=n),
        "stations": [f"10{n % 7:02d}", "1001"],
        "groups": [("620", "621")[n % 2]],
        "segments": [{"kind": "talk", "agent": f"40{n % 5:02d}"}, {"kind": "queue"}],
        "numbers": ["+6561234567", "61234567"] if n % 3 else [f"+65611{n:05d}"],
        **({} if n % 4 else {"found_by": ["k", "ki", "kim", "m", "mi", "min"]}),
        "direction": ("inbound", "outbound", "internal")[n % 3],
        "is_open": n > 190,
        "call_refs": [n % 50, 7],
        **({} if n > 190 else {"outcome": ("answered", "abandoned")[n % 2]}),
    }


def build_missed(n: int) -> dict[str, Any]:
    return {
        "_id": f"main:{n}",
        "host": ("main", "branch")[n % 2],
        "numbers": [f"+65611{n:05d}"],
        "state": ("open", "closed")[n % 2],
        "first_at": BEGAN_AT,
        "last_at": BEGAN_AT + timedelta(minutes=n),
    }


def find_stages(plan: Mapping[str, Any]) -> set[str]:
    """Return the names of all stages of a winning plan."""
    found = {str(plan["stage"])}
    for inner in [plan.get("inputStage"), *plan.get("inputStages", [])]:
        found |= find_stages(inner) if inner else set()
    return found


QUESTIONS = [
    *(("calls", query) for query in CALLS.values()),
    *(("missed", query) for query in (*MISSED.values(), MISSED_OF_HOST)),
]


@pytest.mark.parametrize(("collection", "query"), QUESTIONS, ids=str)
def test_the_newest_first_come_by_an_index_without_sorting(
    filled: Store, collection: str, query: dict[str, Any]
) -> None:
    newest = [(NEWEST[collection], -1), ("_id", -1)]
    plan = filled.database[collection].find(query).sort(newest).limit(50).explain()
    found = find_stages(plan["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in found
    assert not found & {"SORT", "COLLSCAN"}


ORDERED = {
    "calls": ({"host": "main", "first": {"$gt": "5"}}, [("first", 1)]),
    "agent_states": ({"host": "main", "first": {"$gt": "5"}}, [("first", 1)]),
    "events": ({"host": "main", "connection": {"$gte": 2}}, [("host", 1), ("connection", 1), ("seq", 1)]),
    "reader_states": ({"host": "main"}, [("connection", -1), ("seq", -1)]),
}


@pytest.mark.parametrize("collection", ORDERED)
def test_a_host_s_documents_come_as_the_host_sent_their_events_by_an_index(
    filled: Store, collection: str
) -> None:
    query, order = ORDERED[collection]
    plan = filled.database[collection].find(query).sort(order).explain()
    found = find_stages(plan["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in found
    assert not found & {"SORT", "COLLSCAN"}


def test_the_call_records_of_a_journal_come_by_an_index_of_their_own(filled: Store) -> None:
    query = {"journal": "abc", "seq": {"$gt": 7}}
    plan = filled.database["events"].find(query).sort([("journal", 1), ("seq", 1)]).explain()
    assert "records_of_journal" in str(plan["queryPlanner"]["winningPlan"])
