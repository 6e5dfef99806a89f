"""What a stream tells, and to whom."""

import http.client
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

from api_scene import Served
from following_scene import NOW, names, put_call, put_event, wait_open
from pymongo.read_concern import ReadConcern
from sites import wait_until
from stream_clients import following, make_token, read_frames

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Alarm
from ipecs_mw.messages.rights import Scope
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.store.figures.alarms import end_alarm, load_lasting, raise_alarm
from ipecs_mw.store.figures.reports import keep_report
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


def test_nobody_is_told_that_a_former_call_is_found_by_its_name_now(site: Served, store: Store) -> None:
    with following(site.port, make_token(store), topics="calls", snapshot="true") as follower:
        wait_open(follower)
        put_call(store, "a", is_open=True, began_at=datetime.now(UTC), caller={"name": "Kim"})
        wait_until(lambda: names(follower) == ["call.began"])
        store.database["calls"].update_one({"_id": "main:a"}, {"$set": {"found_by": ["k", "ki", "kim"]}})
        put_call(store, "a", seconds={"talk": 3.0})
        wait_until(lambda: len(names(follower)) >= 2)
    assert names(follower) == ["call.began", "call.changed"]
    assert follower.named("call.changed")[0].data["seconds"] == {"talk": 3.0}


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


def test_alarms_and_reports_are_told_and_alarms_that_last_are_what_is_so_now(
    site: Served, store: Store
) -> None:
    rule = AlarmSettings(name="queue", when="waiting", more_than_calls=5)

    def put_alarm(group: str) -> None:
        says = Words("alarm.says.waiting", group=group, waiting=7, seconds=130)
        assert raise_alarm(store, "default", rule, "main", Alarm(group, NOW, says), "much waits", NOW)

    put_alarm("620")
    narrow = make_token(store, "narrow", ["state.read", "figures.read"], Scope(groups=frozenset({"621"})))
    with (
        following(site.port, make_token(store), topics="alarms,reports", snapshot="true") as follower,
        following(site.port, narrow, topics="alarms,reports", snapshot="true") as other,
    ):
        wait_open(follower)
        wait_open(other)
        put_alarm("621")
        (first,) = (each for each in load_lasting(store) if each.cause == "620")
        end_alarm(store, first, datetime.now(UTC), datetime.now(UTC))
        keep_report(store, "one", {"report": "daily", "group": "621", "items": [{"offered": 12345678}]})
        keep_report(store, "two", {"report": "whole", "items": []})
        wait_until(lambda: len(follower.named("report")) == 2)
        wait_until(lambda: other.named("report"))
    assert names(follower) == [
        "alarm.raised", "alarm.raised", "alarm.ended", "report", "report",
    ]  # fmt: skip
    assert follower.named("alarm.ended")[0].data["rule"] == "queue"
    assert [each.data["groups"] for each in other.named("alarm.raised")] == [["621"]]
    assert [each.data["items"] for each in other.named("report")] == [[{"offered": 12345678}]]
