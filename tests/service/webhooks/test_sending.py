"""Webhooks: each message once in the log, sent in order, signed, tried again, set aside, replayed."""

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hook_receiver import Receiver, Said, Told
from hook_scene import Scene, answer, end, open_scene, ring
from sites import make_schema, wait_until
from standardwebhooks import Webhook, WebhookVerificationError

from ipecs_mw.service.webhooks.schedule import GIVE_UP
from ipecs_mw.store.applications.webhook_tasks import ask_for_test, await_task, replay
from ipecs_mw.store.applications.webhooks import (
    change_webhook,
    list_webhooks,
    load_webhook,
    remove_webhook,
    rotate_secret,
)
from ipecs_mw.store.server.connection import Store

ANOTHER_SERVER_S = "~MjAyNi0xMS0yNHwx"
"""A place of a server without change streams: this one knows nothing of what came after it."""


def test_a_call_is_told_in_its_order_and_each_message_is_signed(scene: Scene, receiver: Receiver) -> None:
    secret = scene.add("crm", f"{receiver.url}/hook")
    scene.start_ready()
    scene.begin()
    scene.change(**ring("1001"))
    scene.change(**answer("1001"))
    scene.change(**end())
    told = receiver.wait(4)
    names = [each.json["type"] for each in told]
    assert names == ["call.began", "call.ringing", "call.answered", "call.ended"]
    for each in told:
        checked = Webhook(secret).verify(each.body, each.headers)
        assert checked["data"]["id"] == "main:1"
    assert len({each.headers["webhook-id"] for each in told}) == len(told)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(told[0].body + b" ", told[0].headers)
    wait_until(lambda: len(scene.deliveries(state="delivered")) == len(told))
    assert all(each["attempts"][0]["status"] == 200 for each in scene.deliveries())


def test_what_fails_is_tried_again_with_the_same_id_and_content_and_later_messages_wait(
    scene: Scene, receiver: Receiver
) -> None:
    scene.add("crm", receiver.url)
    failures = iter([Said(500, b"broken"), Said(302, headers={"location": f"{receiver.url}/elsewhere"})])
    receiver.answer = lambda _: next(failures, Said())
    scene.start_ready()
    scene.begin()
    scene.change(**ring("1001"))
    receiver.wait(1)
    wait_until(lambda: scene.deliveries(tries=1))
    first, second = scene.deliveries()
    assert first["state"] == second["state"] == "waiting"
    assert second["tries"] == 0
    scene.store.database["deliveries"].update_many({}, {"$set": {"next_at": scene.clock.now()}})
    told = receiver.wait(2, 30)
    wait_until(lambda: scene.deliveries(tries=2))
    scene.store.database["deliveries"].update_many({}, {"$set": {"next_at": scene.clock.now()}})
    told = receiver.wait(4, 30)
    assert [each.json["type"] for each in told] == ["call.began"] * 3 + ["call.ringing"]
    assert len({(each.headers["webhook-id"], each.body) for each in told[:3]}) == 1
    assert [each["status"] for each in wait_until(lambda: scene.deliveries(tries=3))[0]["attempts"]] == [
        500,
        302,
        200,
    ]


def test_a_receiver_says_when_it_wants_to_be_asked_again(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    receiver.answer = lambda _: Said(503, headers={"retry-after": "3600"})
    scene.start_ready()
    scene.begin()
    receiver.wait(1)
    (delivery,) = wait_until(lambda: scene.deliveries(tries=1))
    assert delivery["next_at"] - delivery["first_at"] >= timedelta(seconds=3590)


def test_a_receiver_that_is_gone_gets_nothing_more(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", f"{receiver.url}/gone")
    receiver.answer = lambda told: Said(410 if told.path == "/gone" else 200)
    scene.start_ready()
    scene.begin()
    receiver.wait(1)
    wait_until(lambda: load_webhook(scene.store, "crm")["state"] == "disabled")
    scene.add("other", f"{receiver.url}/other")  # which may be told of what came up to a second before
    wait_until(lambda: scene.store.database["webhook_positions"].count_documents({"webhook": "other"}))
    scene.begin("2")
    wait_until(lambda: any(each.json["data"]["id"] == "main:2" for each in receiver.told))
    assert [each.json["data"]["id"] for each in receiver.told if each.path == "/gone"] == ["main:1"]


def test_a_dead_receiver_holds_up_nobody_and_is_tried_seldom(scene: Scene, receiver: Receiver) -> None:
    scene.add("dead", "http://127.0.0.1:9/")
    scene.add("crm", receiver.url)
    sender = scene.start_ready()
    for number in range(40):
        scene.begin(str(number))
    assert len(receiver.wait(40)) == 40
    wait_until(lambda: scene.describe(sender, "dead").get("is_unreachable"))
    tries = sum(each["tries"] for each in scene.deliveries(webhook="dead"))
    assert tries < 40


def test_the_secret_leaves_the_document_and_both_sign_while_it_is_changed(
    scene: Scene, receiver: Receiver
) -> None:
    first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    scene.store.database["webhooks"].insert_one(
        {"_id": "crm", "url": receiver.url, "topics": ["calls"], "secret": first}
    )
    scene.start_ready()
    wait_until(lambda: "secret" not in (scene.store.database["webhooks"].find_one({"_id": "crm"}) or {}))
    scene.begin()
    Webhook(first).verify(receiver.wait(1)[0].body, receiver.told[0].headers)
    second = rotate_secret(scene.store, "crm", by="test", now=scene.clock.now())
    wait_until(lambda: scene.store.database["webhook_secrets"].count_documents({"secret": second}))

    def is_signed_by_both() -> bool:
        count = len(receiver.told) + 1
        scene.begin(str(count))
        told = receiver.wait(count)[-1]
        return " " in told.headers["webhook-signature"]

    wait_until(is_signed_by_both)
    for secret in (first, second):
        Webhook(secret).verify(receiver.told[-1].body, receiver.told[-1].headers)
    shown = str(list_webhooks(scene.store)) + str(scene.deliveries())
    assert first not in shown
    assert second not in shown


def test_a_wrong_document_is_told_and_harms_no_other(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.store.database["webhooks"].insert_many(
        [{"_id": "wrong", "url": "gopher://x", "topics": []}, {"_id": 7, "url": 1}]
    )
    sender = scene.start()
    wait_until(lambda: "problem" in scene.describe(sender, "wrong"))
    assert "url" in scene.describe(sender, "wrong")["problem"]
    wait_until(lambda: scene.store.database["webhook_positions"].count_documents({"webhook": "crm"}))
    scene.begin()
    receiver.wait(1)


def test_a_test_and_a_replay_are_done_by_the_sender(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready()
    task = ask_for_test(scene.store, "crm", by="test", now=scene.clock.now())
    result = await_task(scene.store, task, 20, scene.clock)
    assert result is not None
    assert (result["status"], result["is_delivered"]) == (200, True)
    assert receiver.told[0].json["type"] == "test"
    scene.begin()
    first = receiver.wait(2)[1]
    wait_until(lambda: scene.deliveries(name="call.began", state="delivered"))
    task = replay(scene.store, "crm", by="test", now=scene.clock.now(), ids=[first.headers["webhook-id"]])
    assert await_task(scene.store, task, 20, scene.clock) == {"count": 1}
    again = receiver.wait(3)[2]
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])


def test_what_is_replayed_is_not_too_old_because_it_was_made_long_ago(
    scene: Scene, receiver: Receiver
) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready()
    scene.begin()
    receiver.wait(1)
    wait_until(lambda: scene.deliveries(state="delivered"))
    long_ago = scene.clock.now() - GIVE_UP - timedelta(hours=1)
    old, very_old = {"at": long_ago, "state": "set_aside"}, {"at": long_ago, "state": "waiting"}
    scene.store.database["deliveries"].update_many({}, {"$set": old})
    receiver.answer = lambda _: Said(500)
    replay(scene.store, "crm", by="test", now=scene.clock.now())
    receiver.wait(2)
    (first,) = scene.deliveries()
    later = scene.clock.now() + timedelta(days=1)
    another = {**first, **very_old, "_id": "msg_other", "call": "main:2", "next_at": later}
    scene.store.database["deliveries"].insert_one({n: v for n, v in another.items() if n != "replayed_at"})
    wait_until(lambda: scene.deliveries(_id="msg_other", state="set_aside"))
    assert scene.deliveries(_id=first["_id"])[0]["state"] == "waiting"


def test_a_webhook_that_may_see_less_by_now_is_sent_no_more_of_what_it_was_told_before(
    scene: Scene, receiver: Receiver
) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready()
    scene.begin("1", stations=["1001"])
    scene.begin("2", stations=["1002"])
    receiver.wait(2)
    wait_until(lambda: len(scene.deliveries(state="delivered")) == 2)
    limits = {"stations": ["1001"], "commands": [], "sees_numbers": False}
    changes = {"url": f"{receiver.url}/elsewhere", "limits": limits}
    change_webhook(scene.store, "crm", changes, by="test", now=scene.clock.now())
    names = count(3)

    def is_changed() -> bool:
        scene.begin(str(next(names)), stations=["1001"])
        return any(each.path == "/elsewhere" for each in receiver.told)

    wait_until(is_changed)
    replay(scene.store, "crm", by="test", now=scene.clock.now(), everything=True)
    wait_until(lambda: scene.deliveries(state="skipped") and scene.deliveries(replays=1, state="delivered"))
    told = [each for each in receiver.told if each.path == "/elsewhere"]
    assert "main:1" in {each.json["data"]["id"] for each in told}
    assert "main:2" not in {each.json["data"]["id"] for each in told}
    assert not any(b"0305550142" in each.body for each in told)


def test_a_paused_webhook_goes_on_where_it_stopped(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    sender = scene.start_ready()
    scene.begin("1")
    receiver.wait(1)
    change_webhook(scene.store, "crm", {"state": "paused"}, by="test", now=scene.clock.now())
    wait_until(lambda: scene.describe(sender, "crm").get("state") == "paused")
    scene.add("other", f"{receiver.url}/other")  # which may be told of what came up to a second before
    wait_until(lambda: scene.store.database["webhook_positions"].count_documents({"webhook": "other"}))
    scene.begin("2")
    wait_until(lambda: any(each.json["data"]["id"] == "main:2" for each in receiver.told))
    assert [each.json["data"]["id"] for each in receiver.told if each.path == "/"] == ["main:1"]
    change_webhook(scene.store, "crm", {"state": "active"}, by="test", now=scene.clock.now())
    wait_until(lambda: len([each for each in receiver.told if each.path == "/"]) == 2)
    assert [each.json["data"]["id"] for each in receiver.told if each.path == "/"] == ["main:1", "main:2"]


def test_two_senders_tell_nothing_twice_and_the_second_takes_over(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready("one")
    scene.start("two")
    for number in range(20):
        scene.begin(str(number))
    receiver.wait(20)
    scene._running[0][1].set()
    wait_until(lambda: scene._running[1][0].describe()["is_sender"], 40)
    for number in range(20, 40):
        scene.begin(str(number))
    receiver.wait(40)
    wait_until(lambda: len(scene.deliveries(state="delivered")) == 40)
    assert len({each.headers["webhook-id"] for each in receiver.told}) == len(receiver.told) == 40


def test_a_lost_position_is_told_and_it_goes_on_from_now(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.store.database["webhook_positions"].insert_one(
        {"_id": "crm|calls", "webhook": "crm", "collection": "calls", "place": ANOTHER_SERVER_S}
    )
    scene.start_ready()
    told = receiver.wait(1)
    assert told[0].json["type"] == "reset"
    scene.begin()
    assert receiver.wait(2)[1].json["type"] == "call.began"


def test_what_is_of_a_removed_webhook_is_forgotten(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready()
    remove_webhook(scene.store, "crm")
    database = scene.store.database
    wait_until(
        lambda: (
            not any(database[name].count_documents({}) for name in ("webhook_positions", "webhook_secrets"))
        )
    )


def test_no_more_requests_are_on_their_way_than_configured(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url)
    scene.start_ready()

    def hold(_: Told) -> Said:
        receiver.wait(4)
        return Said()

    receiver.answer = hold
    for number in range(30):
        scene.begin(str(number))
    receiver.wait(30)
    assert receiver.most_at_once == 4


def test_on_a_standalone_server_calls_are_told_too(
    standalone_store: Store, tmp_path: Path, receiver: Receiver
) -> None:
    make_schema(standalone_store)
    with open_scene(standalone_store, tmp_path) as scene:
        scene.add("crm", receiver.url)
        scene.start_ready()
        scene.begin("1", updated_at=scene.clock.now())
        receiver.wait(1)
        scene.change(**answer("1001"))
        told = receiver.wait(2)
        assert [each.json["type"] for each in told] == ["call.began", "call.answered"]


def test_alarms_and_reports_are_events_that_a_webhook_may_choose(scene: Scene, receiver: Receiver) -> None:
    scene.add("pager", receiver.url, topics=("events",), types=["alarm_raised"])
    scene.start_ready()
    events = [
        {"_id": name, "kind": "system", "type": name, "host": "middleware", "received_at": scene.clock.now()}
        for name in ("report_sent", "alarm_raised", "session_up")
    ]
    scene.store.database["events"].insert_many(events)
    (told,) = receiver.wait(1)
    assert (told.json["type"], told.json["data"]["type"]) == ("event", "alarm_raised")
    wait_until(lambda: len(scene.deliveries(state="delivered")) == 1)
    assert len(scene.deliveries()) == 1


def test_who_may_not_see_numbers_gets_them_masked(scene: Scene, receiver: Receiver) -> None:
    scene.add("crm", receiver.url, limits={"sees_numbers": False})
    scene.start_ready()
    scene.begin()
    (told,) = receiver.wait(1)
    assert told.json["data"]["caller"]["number"] == "***42"
    assert b"0305550142" not in told.body
