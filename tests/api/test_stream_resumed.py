"""Who comes back to a stream gets what was missed, once and in order."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from api_scene import Served, read_problem, served
from following_scene import NOW, names, numbers, put_call, put_event, wait_open
from server_failures import failing
from sites import wait_until
from stream_clients import following, make_token

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store


@pytest.mark.parametrize("has_memory", [True, False], ids=["from memory", "from MongoDB"])
def test_who_comes_back_gets_what_was_missed_once_and_in_order(
    site: Served, store: Store, mongo_uri: str, tmp_path: Path, has_memory: bool
) -> None:
    token = make_token(store)
    with following(site.port, token, topics="events,calls", snapshot="true") as first:
        wait_open(first)
        put_event(store, 1)
        wait_until(lambda: names(first))
    for number in range(2, 400):
        put_event(store, number)
    put_call(store, "a", is_open=True, began_at=NOW, rang_at=datetime.now(UTC))
    with ExitStack() as stack:
        port = site.port
        if not has_memory:  # another process, to which nothing was told yet but what came in its last seconds
            other = stack.enter_context(served(store, tmp_path / "other", uri=mongo_uri))
            port = other.port
        second = stack.enter_context(following(port, token, topics="events,calls", last_id=first.last_id))
        wait_until(lambda: len(second.named()) >= 400)
        put_event(store, 400)
        wait_until(lambda: 400 in numbers(second))
        # in the middle of a change that is two messages
        began = second.named("call.began")[0]
        third = stack.enter_context(following(port, token, topics="calls", last_id=began.id))
        wait_until(lambda: third.named("call.ringing"))
    assert numbers(second) == list(range(2, 401))
    assert names(third) == ["call.ringing"]


@pytest.mark.fault(57)
def test_a_server_that_is_killed_costs_no_client_anything(
    site: Served, store: Store, mongo_uri: str, tmp_path: Path
) -> None:
    token = make_token(store)
    with (
        served(store, tmp_path / "other", uri=mongo_uri) as other,
        following(site.port, token, topics="events", snapshot="true") as one,
        following(other.port, token, topics="events", snapshot="true") as two,
    ):
        wait_open(one, two)
        for number in range(1, 300):
            put_event(store, number)
            if number == 100:
                site.kill()
                one.port = other.port
            if number == 200:
                two.drop()
        wait_until(lambda: 299 in numbers(one) and 299 in numbers(two), 60)
    assert numbers(one) == list(range(1, 300))
    assert numbers(two) == list(range(1, 300))
    assert one.connections >= 2


@pytest.mark.fault(62)
def test_a_position_that_is_too_old_gets_one_reset_and_then_the_state(site: Served, store: Store) -> None:
    token = make_token(store)
    put_call(store, "a", is_open=True, began_at=NOW)
    old = ".".join(f"{letter}0000100000000001" for letter in "cglm")
    # what a server says whose own log does not reach back so far: to fill one would take a gigabyte
    with (
        failing(store, "calls", "aggregate", errorCode=286),
        following(site.port, token, topics="calls", last_id=old, is_once=True) as follower,
    ):
        wait_until(lambda: follower.named("snapshot"))
        put_call(store, "a", rang_at=datetime.now(UTC))
        wait_until(lambda: follower.named("call.ringing"))
    assert [frame.name for frame in follower.named()] == ["reset", "call.changed", "snapshot", "call.ringing"]
    ahead = ".".join(f"{letter}f000000000000001" for letter in "cglm")
    with following(site.port, token, topics="calls", last_id=ahead, is_once=True) as follower:
        wait_until(lambda: follower.named("snapshot"))
    assert names(follower).count("reset") == 1


@pytest.mark.parametrize(
    "position", ["x", "c12", "c0000100000000001.c0000100000000001", "c~", "é", "c" * 3000]
)
def test_what_is_no_position_is_refused(site: Served, store: Store, position: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415

    token = make_token(store)
    told = read_problem(site.get(f"stream?topics=calls&after={quote(position)}", token))
    assert told in {(400, "position_wrong"), (400, "argument")}


def test_what_is_stored_on_a_dropped_collection_comes_still(site: Served, store: Store) -> None:
    token = make_token(store)
    with following(site.port, token, topics="events", snapshot="true") as follower:
        wait_open(follower)
        put_event(store, 1)
        wait_until(lambda: numbers(follower))
        store.database["events"].drop()
        put_event(store, 2)
        wait_until(lambda: 2 in numbers(follower), 40)
    assert numbers(follower) == [1, 2]


def test_who_comes_back_to_another_server_is_told_of_a_host_only_what_is_news(
    site: Served, store: Store, mongo_uri: str, tmp_path: Path
) -> None:
    token, live = make_token(store), store.database["live"]
    live.insert_one({"_id": "main:host:main", "host": "main", "kind": "host", "is_stale": False})
    with following(site.port, token, topics="events") as follower:
        wait_open(follower)
        put_event(store, 1)
        wait_until(lambda: numbers(follower))
    for number in range(2, 30):
        live.update_one({"_id": "main:host:main"}, {"$set": {"heard_at": datetime.now(UTC)}})
        put_event(store, number)
    site.kill()
    with (
        served(store, tmp_path / "other", uri=mongo_uri) as other,
        following(other.port, token, last_id=follower.last_id, topics="events") as again,
    ):
        wait_until(lambda: 29 in numbers(again))
        assert numbers(again) == list(range(2, 30))
        assert len(again.named("host")) <= 1


def make_schema(store: Store) -> None:
    migrate(store, SystemClock())
    put_right(store, SystemClock())
    store.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": []})


@pytest.mark.fault(62)
def test_without_change_streams_another_server_goes_on_after_a_position(
    standalone_store: Store, standalone_uri: str, tmp_path: Path
) -> None:
    store = standalone_store
    make_schema(store)
    token, uri, live = make_token(store), standalone_uri + store.database.name, store.database["live"]
    live.insert_one({"_id": "main:group:620", "host": "main", "kind": "group", "group": "620", "waiting": 1})
    with served(store, tmp_path / "first", uri=uri) as first:
        with following(first.port, token, topics="events,state", snapshot="true") as follower:
            wait_open(follower)
            put_event(store, 1)
            wait_until(lambda: numbers(follower))
        position = follower.last_id
        live.update_one({"_id": "main:group:620"}, {"$set": {"waiting": 2}})
        put_event(store, 2)
        with following(first.port, token, last_id=position, topics="events,state") as same:
            wait_until(lambda: len(same.named()) >= 2)
        assert sorted(names(same)) == ["event", "queue"]
    with served(store, tmp_path / "second", uri=uri) as second:
        with following(second.port, token, last_id=position, topics="events") as follower:
            wait_until(lambda: numbers(follower))
            put_event(store, 3)
            wait_until(lambda: len(numbers(follower)) >= 2)
            assert numbers(follower) == [2, 3]
        # what is true now has no instant of its changes
        with following(second.port, token, last_id=position, topics="events,state") as follower:
            wait_until(lambda: follower.named("snapshot"))
            assert names(follower) == ["event", "event", "reset", "queue"]
            assert follower.named("queue")[0].data["waiting"] == 2
        assert second.stop() == 0


@pytest.mark.fault(62)
def test_a_server_without_change_streams_is_asked_again_and_again(
    standalone_store: Store, standalone_uri: str, tmp_path: Path
) -> None:
    store = standalone_store
    make_schema(store)
    token = make_token(store)
    uri = standalone_uri + store.database.name
    with (
        served(store, tmp_path / "serve", uri=uri) as process,
        following(process.port, token, topics="calls,state,events", snapshot="true") as follower,
    ):
        wait_open(follower)
        put_event(store, 1)
        put_call(store, "a", is_open=True, began_at=NOW)
        wait_until(lambda: follower.named("call.began"))
        put_call(store, "a", is_open=False, ended_at=NOW, outcome="answered")
        store.database["live"].insert_one(
            {"_id": "main:group:620", "host": "main", "kind": "group", "group": "620"}
        )
        wait_until(lambda: len(follower.named()) >= 5)
        follower.drop()
        put_event(store, 2)
        wait_until(lambda: len(numbers(follower)) >= 2)
    assert sorted(names(follower)) == ["call.began", "call.ended", "event", "event", "queue"]
