import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from following_scene import NOW, names, numbers, put_call, put_event, wait_open
from pymongo.read_concern import ReadConcern
from serving import Served, following, make_token, read_frames, served
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.messages.rights import Scope
from ipecs_mw.store.applications.tokens import revoke_token
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store


def test_the_life_of_a_call_is_told_step_by_step(site: Served, store: Store) -> None:
    token = make_token(store)
    with following(site.port, token, topics="calls", snapshot="true") as follower:
        wait_open(follower)
        now = datetime.now(UTC)
        put_call(
            store, "a", is_open=True, began_at=now, direction="inbound", stations=["1001"], groups=["620"]
        )
        put_call(store, "a", rang_at=now)
        put_call(store, "a", answered_at=now)
        put_call(store, "a", seconds={"talk": 3.0})
        put_call(store, "a", is_open=False, ended_at=now, outcome="answered")
        put_call(store, "a", records=[{}])
        put_call(store, "b", is_open=True, began_at=now, direction="inbound", rang_at=now)
        put_call(store, "b", is_open=False, ended_at=now, outcome="abandoned")
        wait_until(lambda: len(names(follower)) >= 10)  # what is gone by then cannot be looked up
        store.database["calls"].delete_one({"_id": "main:b"})
        wait_until(lambda: len(names(follower)) >= 11)
    assert names(follower) == [
        "call.began", "call.ringing", "call.answered", "call.changed", "call.ended", "call.changed",
        "call.began", "call.ringing", "call.ended", "call.missed", "call.changed",
    ]  # fmt: skip
    assert follower.named("call.ended")[0].data["id"] == "main:a"
    assert follower.named("call.changed")[-1].data == {"id": "main:b", "host": "main", "is_gone": True}


def test_the_first_who_follows_events_gets_what_is_stored_once_it_is_told_that_it_follows(
    site: Served, store: Store
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    with closing(connection):
        signed = {"Authorization": f"Bearer {make_token(store)}"}
        connection.request("GET", "/api/v1/stream?topics=events", headers=signed)
        answer = connection.getresponse()
        put_event(store, 1)
        frame = next(frame for frame in read_frames(answer) if frame.name != ":")
    assert frame.data["id"] == "main:000001"


def test_a_correction_of_an_old_call_is_no_news(site: Served, store: Store) -> None:
    token = make_token(store)
    old = datetime.now(UTC) - timedelta(days=3)
    put_call(store, "old", is_open=False, began_at=old, ended_at=old, outcome="answered", direction="inbound")
    with following(site.port, token, topics="calls", snapshot="true") as follower:
        wait_open(follower)
        put_call(store, "old", answered_at=old + timedelta(seconds=3))
        wait_until(lambda: names(follower))
    assert names(follower) == ["call.changed"]


def test_states_come_under_their_names_and_a_snapshot_comes_first(site: Served, store: Store) -> None:
    token = make_token(store)
    live = store.database["live"]
    live.insert_one(
        {"_id": "main:station:1001", "host": "main", "kind": "station", "station": "1001", "state": "idle"}
    )
    live.insert_one({"_id": "main:host", "host": "main", "kind": "host", "is_stale": False, "heard_at": NOW})
    put_call(store, "a", is_open=True, began_at=NOW, direction="inbound")
    with following(site.port, token, topics="state,calls", snapshot="true") as follower:
        wait_open(follower)
        assert {frame.name for frame in follower.named()} == {"host", "station", "call.changed", "snapshot"}
        assert follower.named("snapshot")[0].data["items"] == 3
        live.replace_one(
            {"_id": "main:host"},
            {"host": "main", "kind": "host", "is_stale": False, "heard_at": NOW + timedelta(1)},
        )
        live.replace_one(
            {"_id": "main:station:1001"},
            {"host": "main", "kind": "station", "station": "1001", "state": "ringing", "holder": 4},
        )
        live.insert_one(
            {"_id": "main:group:620", "host": "main", "kind": "group", "group": "620", "waiting": 1}
        )
        live.insert_one(
            {"_id": "main:agent:77", "host": "main", "kind": "agent", "agent": "77", "station": "1001"}
        )
        live.delete_one({"_id": "main:station:1001"})
        live.replace_one(
            {"_id": "main:host"}, {"host": "main", "kind": "host", "is_stale": True, "heard_at": NOW}
        )
        wait_until(lambda: len(follower.named()) >= 9)
    later = follower.named()[4:]
    assert [frame.name for frame in later] == ["station", "queue", "agent", "station", "host"]
    assert later[0].data == {
        "id": "main:station:1001",
        "host": "main",
        "kind": "station",
        "station": "1001",
        "state": "ringing",
    }
    assert later[3].data["is_gone"] is True


def test_filters_choose_and_stations_and_groups_are_one_filter(site: Served, store: Store) -> None:
    token = make_token(store)
    with ExitStack() as stack:
        one, both, kinds = (
            stack.enter_context(following(site.port, token, snapshot="true", **query))
            for query in (
                {"topics": "calls", "station": "1001"},
                {"topics": "calls,state", "station": "1001", "group": "620"},
                {"topics": "events", "kind": "system", "type": "gap"},
            )
        )
        wait_open(one, both, kinds)
        put_call(store, "a", is_open=True, began_at=NOW, stations=["1001"], groups=[])
        put_call(store, "b", is_open=True, began_at=NOW, stations=["1002"], groups=["620"])
        put_call(store, "c", is_open=True, began_at=NOW, stations=["1002"], groups=["621"])
        store.database["live"].insert_one(
            {"_id": "main:group:620", "host": "main", "kind": "group", "group": "620"}
        )
        put_event(store, 1)
        put_event(store, 2, kind="system", type="session_up")
        put_event(store, 3, kind="system", type="gap")
        wait_until(lambda: len(names(one)) >= 2 and len(names(both)) >= 4 and len(names(kinds)) >= 2)
    # each feed has its order; which of two feeds is first is open
    told = {(frame.name, frame.data["id"]) for frame in one.named("call.began", "gap")}
    assert told == {("call.began", "main:a"), ("gap", "main:000003")}
    assert sorted(names(both)) == ["call.began", "call.began", "gap", "queue"]
    assert sorted(names(kinds)) == ["event", "gap"]


def test_a_websocket_tells_the_same(site: Served, store: Store) -> None:
    import json  # noqa: PLC0415

    from websockets.sync.client import connect  # noqa: PLC0415

    token = make_token(store)
    url = f"ws://127.0.0.1:{site.port}/api/v1/stream?topics=calls&snapshot=true"
    headers = {"Authorization": f"Bearer {token}"}
    with (
        following(site.port, token, topics="calls", snapshot="true") as follower,
        connect(url, additional_headers=headers, compression=None) as socket_,
    ):
        wait_open(follower)
        first = json.loads(socket_.recv(10))
        assert first["event"] == "snapshot"
        put_call(store, "a", is_open=True, began_at=NOW)
        put_call(store, "a", rang_at=datetime.now(UTC))
        told = [json.loads(socket_.recv(10)) for _ in range(2)]
        wait_until(lambda: len(names(follower)) >= 2)
    assert [(each["event"], each["id"], each["data"]) for each in told] == [
        (frame.name, frame.id, frame.data) for frame in follower.named("call.began", "call.ringing")
    ]


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
            other = stack.enter_context(served(mongo_uri, tmp_path))
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
        served(mongo_uri, tmp_path) as other,
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
    fail = {"errorCode": 286, "failCommands": ["aggregate"], "appName": "ipecs-mw"}
    store.client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=fail)
    with following(site.port, token, topics="calls", last_id=old, is_once=True) as follower:
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
    status, _, problem = site.ask("GET", f"/api/v1/stream?topics=calls&after={quote(position)}", token)
    assert (status, problem["name"]) in {(400, "position_wrong"), (400, "argument")}


@pytest.mark.fault(59)
def test_a_stream_ends_within_two_seconds_of_its_token(site: Served, store: Store) -> None:
    revoked, narrowed, expiring, kept = (
        make_token(store, name) for name in ("revoked", "narrowed", "expiring", "kept")
    )
    with ExitStack() as stack:
        followers = [
            stack.enter_context(following(site.port, token, topics="calls", snapshot="true", is_once=True))
            for token in (revoked, narrowed, expiring, kept)
        ]
        wait_open(*followers)
        revoke_token(store, "revoked", at=datetime.now(UTC), by="test")
        store.database["tokens"].update_one({"_id": "narrowed"}, {"$set": {"stations": ["1001"]}})
        store.database["tokens"].update_one({"_id": "expiring"}, {"$set": {"expires_at": datetime.now(UTC)}})
        wait_until(lambda: not any(each.is_open for each in followers[:3]), 4.0)
        assert followers[3].is_open
    assert [each.frames[-1].data["reason"] for each in followers[:3]] == [
        "token_revoked",
        "token_changed",
        "token_revoked",
    ]
    assert site.ask("GET", "/api/v1/calls", revoked)[0] == 401
    assert site.ask("GET", "/api/v1/calls", kept)[0] == 200


@pytest.mark.fault(59)
def test_a_token_that_is_revoked_ends_its_stream_also_while_others_ask_what_takes_long(
    site: Served, store: Store
) -> None:
    asking, revoked = make_token(store, "asking"), make_token(store, "revoked")
    slow = {
        "failCommands": ["find"], "namespace": f"{store.database.name}.calls", "blockConnection": True,
        "blockTimeMS": 12_000, "appName": "ipecs-mw",
    }  # fmt: skip
    with following(site.port, revoked, topics="events", is_once=True) as follower, ExitStack() as stack:
        wait_open(follower)
        admin = store.client.admin
        before = admin.command("configureFailPoint", "failCommand", mode={"times": 10}, data=slow)["count"]
        stack.callback(admin.command, "configureFailPoint", "failCommand", mode="off")
        askers = stack.enter_context(ThreadPoolExecutor(10))
        answers = [askers.submit(site.ask, "GET", "/api/v1/calls", asking) for _ in range(10)]
        admin.command("waitForFailPoint", "failCommand", timesEntered=before + 6, maxTimeMS=20_000)
        revoke_token(store, "revoked", at=datetime.now(UTC), by="test")
        wait_until(
            lambda: not follower.is_open, 6.0
        )  # two seconds, on a busy machine more; the questions take longer
        assert not all(each.done() for each in answers)


@pytest.mark.fault(58)
def test_who_reads_nothing_is_closed_and_the_others_are_served(site: Served, store: Store) -> None:
    token = make_token(store)
    request = f"GET /api/v1/stream?topics=events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    with following(site.port, token, topics="events", snapshot="true") as other, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", site.port))
        deaf.sendall(request.encode())
        wait_open(other)
        for number in range(1, 1501):
            put_event(store, number, data={"x": "y" * 6000})
        wait_until(lambda: 1500 in numbers(other), 60)
        assert numbers(other) == list(range(1, 1501))
        wait_until(lambda: b"api.stream_closed" in site.log.read_bytes(), 30)
    assert b"too_slow" in site.log.read_bytes()


def test_a_hundred_readers_cost_no_more_change_streams_than_one(
    site: Served, store: Store, mongo: Any
) -> None:
    token = make_token(store)

    def count() -> int:
        pipeline = [
            {"$currentOp": {"idleCursors": True, "allUsers": True}},
            {"$match": {"ns": {"$regex": f"^{store.database.name}\\."}}},
        ]
        found = store.client.get_database("admin", read_concern=ReadConcern("local")).aggregate(pipeline)
        return len(
            {(each.get("cursor") or {}).get("cursorId") for each in found if "$changeStream" in str(each)}
        )

    with ExitStack() as stack:
        one = stack.enter_context(following(site.port, token, topics="events,calls", snapshot="true"))
        wait_open(one)
        before = count()
        many = [
            stack.enter_context(following(site.port, token, topics="events,calls", snapshot="true"))
            for _ in range(100)
        ]
        wait_open(*many)
        put_event(store, 1)
        wait_until(lambda: all(each.named("event") for each in many))
        assert 1 <= count() <= before


def test_a_scope_lets_through_what_concerns_it_alone(site: Served, store: Store) -> None:
    token = make_token(store, "agent", scope=Scope(stations=frozenset({"1001"})))
    with following(site.port, token, topics="calls,events,state", snapshot="true") as follower:
        wait_open(follower)
        put_event(store, 1, stations=["1002"])
        put_event(store, 2, stations=["1001", "1002"])
        put_call(store, "a", is_open=True, began_at=NOW, stations=["1002"])
        put_call(store, "b", is_open=True, began_at=NOW, stations=["1001"])
        live = store.database["live"]
        live.insert_one({"_id": "main:group:620", "host": "main", "kind": "group", "group": "620"})
        live.insert_one({"_id": "main:station:1001", "host": "main", "kind": "station", "station": "1001"})
        wait_until(lambda: len(names(follower)) >= 3)
        time.sleep(0)
    assert sorted((frame.name, frame.data["id"]) for frame in follower.named() if frame.name != "snapshot") == [
        ("call.began", "main:b"), ("event", "main:000002"), ("station", "main:station:1001"),
    ]  # fmt: skip


def test_outside_numbers_are_masked_for_who_may_not_see_them(site: Served, store: Store) -> None:
    rights = ("calls.read", "events.read")
    token = make_token(store, "masked", rights)
    with following(site.port, token, topics="calls,events", snapshot="true") as follower:
        wait_open(follower)
        put_call(
            store,
            "a",
            is_open=True,
            began_at=NOW,
            caller={"number": "+6591234567"},
            dialed={"did": "67001234"},
            stations=["1001"],
        )
        put_event(
            store,
            1,
            data={"calling_dn": "+6591234567", "called_dn": "1001"},
            raw={"callingDN": "+6591234567"},
        )
        wait_until(lambda: len(names(follower)) >= 2)
    text = str(follower.frames)
    assert "91234567" not in text
    assert "1001" in text
    assert "67001234" in text


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
        served(mongo_uri, tmp_path) as other,
        following(other.port, token, last_id=follower.last_id, topics="events") as again,
    ):
        wait_until(lambda: 29 in numbers(again))
        assert numbers(again) == list(range(2, 30))
        assert len(again.named("host")) <= 1


@pytest.mark.fault(62)
def test_without_change_streams_another_server_goes_on_after_a_position(
    standalone_store: Store, standalone_uri: str, tmp_path: Path
) -> None:
    store = standalone_store
    migrate(store, SystemClock())
    put_right(store, SystemClock())
    store.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": []})
    token, uri, live = make_token(store), standalone_uri + store.database.name, store.database["live"]
    live.insert_one({"_id": "main:group:620", "host": "main", "kind": "group", "group": "620", "waiting": 1})
    with served(uri, tmp_path) as first:
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
    with served(uri, tmp_path) as second:
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
    migrate(store, SystemClock())
    put_right(store, SystemClock())
    store.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": []})
    token = make_token(store)
    uri = standalone_uri + store.database.name
    with (
        served(uri, tmp_path) as process,
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
