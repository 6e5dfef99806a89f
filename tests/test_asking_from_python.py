"""`ipecs_mw.Client` asks for calls, live state and missed calls, and follows both from a position."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from call_scene import OTHER, instant, keep, tell
from figures_scene import SINCE, UNTIL, make_day
from server_failures import failing

from ipecs_mw import Client
from ipecs_mw.errors import CommandRefused, NoSuchName, PositionLost
from ipecs_mw.store.server.connection import Store

SOON = 0.3


@pytest.fixture
def client(migrated: Store, mongo_uri: str) -> Iterator[Client]:
    with Client(mongo_uri) as opened:
        yield opened


def test_calls_are_given_by_filters_and_pages(migrated: Store, client: Client) -> None:
    keep(migrated)
    found = list(client.calls(group="620"))
    assert [call["call_refs"] for call in found] == [[12], [8], [7]]
    assert [call["call_refs"] for call in client.calls(number="06-12345678", before=found[0]["_id"])] == [[7]]
    assert client.call(found[2]["_id"][:12]) == found[2]
    assert [call["call_refs"] for call in client.calls(name="LEE")] == [[8]]
    assert [call["_id"] for call in client.calls(is_open=True)] == [found[0]["_id"]]


def test_the_live_state_and_missed_calls_are_given(migrated: Store, client: Client) -> None:
    keep(migrated)
    tell(migrated)
    live = client.live("main", group="620")
    assert live["is_stale"] is False
    assert live["hosts"][0]["host"] == "main"
    assert {item["kind"] for item in live["items"]} == {"station", "agent", "group"}
    assert [item["number"] for item in client.missed(number=OTHER)] == [OTHER]
    assert list(client.missed("closed")) == []
    assert list(client.missed(None, owner="kim")) == []


def test_what_there_is_not_is_an_error_that_says_what_there_is(client: Client) -> None:
    for ask in (
        lambda: client.calls(direction="inwards"),
        lambda: client.calls(outcome="lost"),
        lambda: client.missed("done"),
        lambda: client.follow("news"),
        lambda: client.figures("news"),
        lambda: client.figures(period="tomorrow"),
        lambda: client.figures(formula="best"),
    ):
        with pytest.raises(
            NoSuchName, match=r"inbound|abandoned|open, closed|events, calls|queues|yesterday|offered"
        ):
            ask()  # type: ignore[no-untyped-call]
    with pytest.raises(NoSuchName, match="There is no call nowhere"):
        client.call("nowhere")
    with pytest.raises(NoSuchName, match="There is no call nowhere"):
        list(client.calls(before="nowhere"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": -1}, "limit is -1"),
        ({"group": 620}, "group is 620"),
        ({"number": 612345678}, "number is 612345678"),
        ({"station": ""}, "station is ''"),
        ({"number": " "}, "number is ' '"),
        ({"name": "4711"}, "name is '4711'. Allowed: text with at least one letter"),
        ({"name": 7}, "name is 7"),
        ({"since": "2026-03-02"}, "since is '2026-03-02'. Allowed: a datetime with a time zone"),
        ({"until": datetime(2026, 3, 2)}, "until is datetime"),  # noqa: DTZ001 - that is what is wrong
    ],
)
def test_what_would_match_nothing_is_refused(client: Client, given: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandRefused, match=re.escape(said)):
        list(client.calls(**given))
    if "number" in given:
        with pytest.raises(CommandRefused, match="call_id is ''"):
            client.call("")
    if {"limit", "group", "number"} & given.keys():
        with pytest.raises(CommandRefused, match=re.escape(said)):
            list(client.missed(**given))


# following


@pytest.fixture(params=["replica set", "standalone"])
def followed(request: pytest.FixtureRequest) -> Iterator[tuple[Store, Client]]:
    """A database, and a client that is connected to it, on each kind of server."""
    is_set = request.param == "replica set"
    store: Store = request.getfixturevalue("store" if is_set else "standalone_store")
    uri = request.getfixturevalue("mongo_uri" if is_set else "standalone_uri")
    with Client(uri if is_set else uri + store.database.name) as client:
        yield store, client


def put_event(store: Store, name: str, seconds: float, host: str = "main") -> None:
    store.database["events"].insert_one({"_id": name, "host": host, "received_at": instant(seconds)})


def put_call(store: Store, name: str, revision: int, seconds: float, host: str = "main") -> None:
    document = {"_id": f"{host}:{name}", "host": host, "revision": revision, "updated_at": instant(seconds)}
    store.database["calls"].replace_one({"_id": document["_id"]}, document, upsert=True)


def test_events_are_followed_from_now_on_and_again_from_a_position(followed: tuple[Store, Client]) -> None:
    store, client = followed
    put_event(store, "before", 0)
    with client.follow(timeout_seconds=SOON) as following:
        beginning = following.position
        for number in range(3):
            put_event(store, f"e{number}", 1 + number)
        seen = list(following)
    assert [change.id for change in seen] == ["e0", "e1", "e2"]
    assert seen[1].document is not None
    assert seen[1].document["received_at"] == instant(2)
    with client.follow(after=seen[0].position, timeout_seconds=SOON) as following:
        assert [change.id for change in following] == ["e1", "e2"]
    with client.follow(after=beginning, timeout_seconds=SOON) as following:
        assert [change.id for change in following] == ["e0", "e1", "e2"]
        end = following.position
    put_event(store, "e3", 10)
    with client.follow(after=end, timeout_seconds=SOON) as following:
        assert [change.id for change in following] == ["e3"]


def test_changes_of_calls_are_followed_each_once(followed: tuple[Store, Client]) -> None:
    store, client = followed
    put_call(store, "old", 1, 0)
    with client.follow("calls", timeout_seconds=SOON) as following:
        put_call(store, "a", 1, 1)
        first = [(change.id, change.document["revision"]) for change in following if change.document]
        put_call(store, "a", 2, 2)
        put_call(store, "b", 1, 3)
        put_call(store, "old", 2, 4)
        rest = [(change.id, change.document["revision"]) for change in following if change.document]
    assert first == [("main:a", 1)]
    assert rest == [("main:a", 2), ("main:b", 1), ("main:old", 2)]


def test_what_is_stored_a_little_late_is_followed_too(followed: tuple[Store, Client]) -> None:
    store, client = followed
    with client.follow(timeout_seconds=SOON) as following:
        put_event(store, "newer", 100)
        assert [change.id for change in following] == ["newer"]
        put_event(store, "older", 95)
        assert [change.id for change in following] == ["older"]


def test_following_can_be_of_one_host_alone(followed: tuple[Store, Client]) -> None:
    store, client = followed
    with client.follow("calls", host="main", timeout_seconds=SOON) as following:
        put_call(store, "a", 1, 1, host="branch")
        put_call(store, "b", 1, 2)
        store.database["calls"].delete_one({"_id": "branch:a"})
        assert [change.id for change in following] == ["main:b"]


def test_that_a_call_is_no_more_is_told_where_there_is_a_log_of_changes(store: Store, mongo_uri: str) -> None:
    put_call(store, "a", 1, 1)
    put_call(store, "x", 1, 1, host="branch")
    with Client(mongo_uri) as client, client.follow("calls", host="main", timeout_seconds=SOON) as following:
        store.database["calls"].delete_many({})
        assert [(change.id, change.document) for change in following] == [("main:a", None)]


def test_a_collection_that_is_dropped_is_followed_on(store: Store, mongo_uri: str) -> None:
    put_event(store, "e0", 0)
    with Client(mongo_uri) as client, client.follow(timeout_seconds=SOON) as following:
        put_event(store, "e1", 1)
        store.database["events"].drop()
        put_event(store, "e2", 2)
        assert [change.id for change in following] == ["e1", "e2"]


@pytest.mark.parametrize(
    "position", ["", "nowhere", "events:", "events:AAAA", "events:zz!", "calls:AAAA", "events@x|y"]
)
def test_what_is_no_position_is_refused_in_words(followed: tuple[Store, Client], position: str) -> None:
    _, client = followed
    with pytest.raises(CommandRefused, match="is no position"):
        client.follow(after=position, timeout_seconds=SOON)


def test_a_position_of_calls_is_none_of_events(followed: tuple[Store, Client]) -> None:
    _, client = followed
    with client.follow("calls", timeout_seconds=SOON) as following:
        position = following.position
    with pytest.raises(CommandRefused, match="is no position"):
        client.follow("events", after=position)


def test_a_position_that_the_server_no_longer_has_is_lost(store: Store, mongo_uri: str) -> None:
    put_event(store, "e0", 0)
    with Client(mongo_uri) as client:
        with client.follow(timeout_seconds=SOON) as following:
            position = following.position
        lost = failing(store, "events", "aggregate", errorCode=286)
        with lost, pytest.raises(PositionLost, match="no longer has"):
            client.follow(after=position)


def test_following_begins_when_it_is_asked_for_not_when_it_is_read(followed: tuple[Store, Client]) -> None:
    store, client = followed
    following = client.follow(timeout_seconds=SOON)
    put_event(store, "e0", 0)
    assert [change.id for change in following] == ["e0"]
    following.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"threshold_seconds": 0}, "threshold_seconds is 0. Allowed: a whole number from 1 to 3600"),
        ({"top": -1}, "top is -1"),
        ({"zone": "Mars/Base"}, "zone is 'Mars/Base'"),
        ({"group": ""}, "group is ''"),
        ({"since": "2026-03-02"}, "since is '2026-03-02'"),
    ],
)
def test_wrong_questions_about_figures_are_refused(client: Client, given: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandRefused, match=re.escape(said)):
        client.figures(**given)


def test_figures_are_asked_for_and_followed(migrated: Store, mongo_uri: str) -> None:
    make_day(migrated)
    with Client(mongo_uri) as client, client.follow("figures", host="main", timeout_seconds=20) as follower:
        answer = client.figures("queues", since=SINCE, until=UNTIL, zone="UTC")
        assert {row["group"] for row in answer["items"]} >= {"620", "621"}
        assert answer["total"]["offered"] == sum(row["offered"] for row in answer["items"])
        migrated.database["figures"].update_one(
            {"kind": "host"}, {"$set": {"open": 1}, "$inc": {"revision": 1}}
        )
        change = next(follower)
        assert change.document is not None
        assert change.document["kind"] == "host"
