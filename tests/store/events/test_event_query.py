"""Questions to the event log on a real MongoDB: by index, page by page, and values are only values."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support import START_AT

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.configuration.settings import EventSettings
from ipecs_mw.model.event import Event
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.events.event_query import Filter, build_page, count_events, find_events
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import Retention, apply_retention
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded

KINDS = ("acd", "call", "system")


@pytest.fixture(scope="module", params=[{}, {"call": 24855}], ids=["one retention", "a retention by kind"])
def filled(mongo: Embedded, request: pytest.FixtureRequest) -> Iterator[Store]:
    """300 events, always three of the same instant; the tests of this file only read them."""
    bootstrap = Bootstrap(Path("bootstrap.json"), mongo.access.make_uri("test_event_query"))
    with closing(connect(bootstrap, SystemClock())) as store:
        migrate(store, SystemClock())
        EventLog(store).append(build_documents())
        apply_retention(store, "default", Retention(EventSettings(retention_days_by_kind=request.param)))
        yield store
        store.client.drop_database(store.database.name)


def build_documents() -> list[dict[str, Any]]:
    documents = []
    for n in range(300):
        event = Event(
            KINDS[n % 3],
            ("hold", "ringing", "gap")[n % 3],
            START_AT + timedelta(seconds=n // 3),
            code=49 if n % 3 == 0 else None,
            call_ref=n % 5 if n % 2 else None,
            stations=(f"10{n % 10:02d}", "1099"),
        )
        documents.append(build_document(f"main:{n:04d}", ("main", "branch")[n % 2], n, event))
    return documents


def ids(store: Store, wanted: Filter, **options: Any) -> list[str]:
    return [event["_id"] for event in find_events(store, wanted, **{"limit": 0, **options})]


FILTERS = {
    "host": Filter(host="main"),
    "kind": Filter(kind="acd"),
    "type": Filter(type="hold"),
    "code": Filter(code=49),
    "station": Filter(station="1003"),
    "call": Filter(call=3),
    "since": Filter(since=START_AT + timedelta(seconds=50)),
    "until": Filter(until=START_AT + timedelta(seconds=50)),
    "nothing": Filter(),
    "host and kind": Filter(host="main", kind="acd"),
    "station and time": Filter(station="1003", since=START_AT + timedelta(seconds=50)),
}


def stages(plan: dict[str, Any]) -> set[str]:
    """Return the names of all stages of a winning plan."""
    found = {plan["stage"]}
    for inner in [plan.get("inputStage"), *plan.get("inputStages", [])]:
        found |= stages(inner) if inner else set()
    return found


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("page", [{}, {"before": "main:0150"}, {"after": "main:0150"}], ids=str)
@pytest.mark.parametrize("way", [-1, 1])
def test_a_filter_is_answered_by_an_index_without_sorting(
    filled: Store, wanted: Filter, page: dict[str, str], way: int
) -> None:
    query = build_page(filled, wanted, **page)
    plan = filled.database["events"].find(query).sort([("received_at", way), ("_id", way)]).explain()
    found = stages(plan["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in found
    assert not found & {"SORT", "COLLSCAN"}


def test_events_come_newest_first(filled: Store) -> None:
    assert ids(filled, Filter()) == [f"main:{n:04d}" for n in reversed(range(300))]
    assert ids(filled, Filter(), limit=2) == ["main:0299", "main:0298"]


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_visit_every_event_once(filled: Store, wanted: Filter, size: int) -> None:
    if size == 1:
        wanted = Filter(kind=wanted.kind, station="1003", call=wanted.call)
    whole = ids(filled, wanted)
    paged: list[str] = []
    while page := ids(filled, wanted, limit=size, before=paged[-1] if paged else None):
        paged += page
        assert len(paged) <= len(whole)
    assert paged == whole
    assert count_events(filled, wanted) == len(whole)


def test_a_filter_finds_what_it_says_and_nothing_else(filled: Store) -> None:
    at = START_AT + timedelta(seconds=10)
    assert ids(filled, Filter(since=at, until=at + timedelta(seconds=1))) == [
        "main:0032",
        "main:0031",
        "main:0030",
    ]
    assert len(ids(filled, Filter(station="1003"))) == 30
    assert len(ids(filled, Filter(station="1099"))) == 300
    assert ids(filled, Filter(call=0, code=49, host="main")) == []
    assert len(ids(filled, Filter(code=49))) == 100


def test_an_event_that_is_not_there_cannot_begin_a_page(filled: Store) -> None:
    with pytest.raises(NoSuchName) as caught:
        ids(filled, Filter(), before="main:9999")
    assert caught.value.facts["id"] == "main:9999"


@pytest.mark.parametrize("operator", [{"$ne": None}, {"$gt": ""}, {"$regex": ".*"}, {"$exists": True}])
@pytest.mark.parametrize("field", ["host", "kind", "type", "code", "station", "call"])
def test_an_operator_given_as_a_value_is_a_value(filled: Store, field: str, operator: Any) -> None:
    wanted = Filter(**{field: operator})
    assert ids(filled, wanted) == []
    assert count_events(filled, wanted) == 0


def test_an_operator_given_as_an_id_is_no_id(filled: Store) -> None:
    before: Any = {"$ne": None}
    with pytest.raises(NoSuchName):
        ids(filled, Filter(), before=before)
