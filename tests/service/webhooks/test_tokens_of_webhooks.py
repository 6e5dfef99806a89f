"""A webhook is by leave of a token: without it nothing is sent, and what waits is kept for who takes it over."""

from datetime import datetime, timedelta

import pytest
from hook_receiver import Receiver, Said
from hook_scene import Scene
from sites import wait_until

from ipecs_mw.messages.rights import Scope
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.doctor.webhook_findings import examine_webhooks
from ipecs_mw.store.applications.tokens import create_token, revoke_token
from ipecs_mw.store.applications.webhooks import load_webhook, resume_webhook

TEXTS: Texts = shipped_texts("en-GB")


def make_token(scene: Scene, name: str = "maker", expires_at: datetime | None = None) -> None:
    now = scene.clock.now()
    create_token(scene.store, name, ["webhooks.manage"], Scope(), at=now, by="test", expires_at=expires_at)


def is_disabled(scene: Scene) -> bool:
    return bool(load_webhook(scene.store, "crm")["state"] == "disabled")


def test_after_its_token_is_revoked_nothing_is_sent_until_it_goes_on_without_one(
    scene: Scene, receiver: Receiver
) -> None:
    make_token(scene)
    scene.add("crm", receiver.url, token="maker", limits={})
    scene.add("other", f"{receiver.url}/other")
    receiver.answer = lambda told: Said(503 if told.path == "/" else 200)
    scene.start_ready()
    scene.begin()
    wait_until(lambda: scene.deliveries(webhook="crm", tries=1))
    revoke_token(scene.store, "maker", at=scene.clock.now(), by="test")
    wait_until(lambda: is_disabled(scene))
    receiver.answer = lambda _: Said()
    scene.change(answered_at=scene.clock.now())
    wait_until(lambda: len(scene.deliveries(webhook="other", state="delivered")) == 2)
    # the second one is there where it came just before the reader ended, and waits too
    assert {each["state"] for each in scene.deliveries(webhook="crm")} == {"waiting"}
    assert [each.json["type"] for each in receiver.told if each.path == "/"] == ["call.began"]
    (stopped,) = (
        each
        for each in examine_webhooks(scene.store, [], scene.clock, TEXTS.explain)
        if each.facts["webhook"] == "crm"
    )
    assert (stopped.name, stopped.level) == ("webhook_stopped", "warning")
    assert "maker" in stopped.facts["detail"]
    resume_webhook(scene.store, "crm", by="test", now=scene.clock.now())
    scene.store.database["deliveries"].update_many(
        {"state": "waiting"}, {"$set": {"next_at": scene.clock.now()}}
    )
    wait_until(lambda: len(scene.deliveries(webhook="crm", state="delivered")) == 2)
    shown = load_webhook(scene.store, "crm")
    assert "token" not in shown
    assert "reason" not in shown
    assert shown["state"] == "active"


@pytest.mark.parametrize("end", ["expires", "deleted", "no right", "narrower"])
def test_a_token_that_expires_goes_or_may_less_ends_it_too(
    scene: Scene, receiver: Receiver, end: str
) -> None:
    tokens = scene.store.database["tokens"]
    make_token(scene)
    scene.add("crm", receiver.url, token="maker", limits={"hosts": ["main"]})
    scene.start_ready()
    past = scene.clock.now() - timedelta(seconds=1)
    if end == "deleted":
        tokens.delete_one({"_id": "maker"})
    else:
        changes = {
            "expires": {"expires_at": past},
            "no right": {"rights": ["calls.read"]},
            "narrower": {"groups": ["620"]},
        }
        tokens.update_one({"_id": "maker"}, {"$set": changes[end]})
    wait_until(lambda: is_disabled(scene))
    assert "maker" in load_webhook(scene.store, "crm")["reason"]


def test_one_whose_token_is_valid_keeps_it_when_it_is_resumed(scene: Scene, receiver: Receiver) -> None:
    make_token(scene)
    scene.add("crm", receiver.url, token="maker", state="paused")
    resume_webhook(scene.store, "crm", by="test", now=scene.clock.now())
    shown = load_webhook(scene.store, "crm")
    assert (shown["state"], shown["token"]) == ("active", "maker")
