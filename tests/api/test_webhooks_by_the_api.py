"""Webhooks made, changed, listed and removed by the API, with the account of MongoDB that can read no secret."""

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from api_scene import MAIN, Served, read_problem

from ipecs_mw.store.applications.deliveries import Delivery, keep_deliveries
from ipecs_mw.store.applications.tokens import revoke_token
from ipecs_mw.store.applications.webhook_tasks import end_task, take_task
from ipecs_mw.store.applications.webhooks import disable_webhook

MANAGE = ("webhooks.manage", "calls.read", "events.read", "numbers.read", "commands.*", "state.read")


def make(api: Served, **fields: Any) -> tuple[str, Any]:
    name = f"crm-{uuid.uuid4().hex[:8]}"
    body = {"name": name, "url": "https://crm.example.com/hook/secret-path", "topics": ["calls"], **fields}
    answer = api.ask("POST", "webhooks", api.make_token(*MANAGE), json=body)
    assert answer.status_code == 201, answer.text
    return name, answer.json()


def test_a_webhook_shows_its_secret_once_and_its_path_never(api: Served) -> None:
    name, made = make(api, stations=["1001"], format="generic")
    assert made["secret"].startswith("whsec_")
    shown = api.ask("GET", f"webhooks/{name}").json()
    assert "secret" not in shown
    assert (shown["url"], shown["stations"], shown["state"]) == (
        "https://crm.example.com/…",
        ["1001"],
        "active",
    )
    listed = api.ask("GET", "webhooks")
    assert name in [each["name"] for each in listed.json()["items"]]
    assert listed.json()["next"] is None
    assert "secret-path" not in listed.text
    stored = api.store.database["webhooks"].find_one({"_id": name}) or {}
    assert "secret" not in stored
    assert api.store.database["webhook_secrets"].find_one({"_id": name}) is not None
    assert stored["created_by"].startswith("token:")


def test_it_is_changed_paused_and_removed(api: Served) -> None:
    name, _ = make(api)
    changed = api.ask("PATCH", f"webhooks/{name}", json={"state": "paused", "topics": ["calls", "missed"]})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["state"], changed.json()["topics"]) == ("paused", ["calls", "missed"])
    assert read_problem(api.ask("PATCH", f"webhooks/{name}", json={})) == (400, "argument")
    assert api.ask("DELETE", f"webhooks/{name}").status_code == 204
    assert api.ask("GET", f"webhooks/{name}").status_code == 404
    assert api.ask("DELETE", f"webhooks/{name}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "ftp://crm.example.com/"}, "url"),
        ({"url": "https://user:word@crm.example.com/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"topics": []}, "topics"),
        ({"topics": ["weather"]}, "topics"),
        ({"format": "no-such-crm"}, "format"),
        ({"secret": "short"}, "secret"),
        ({"colour": "red"}, "colour"),
        ({"name": "no spaces"}, "name"),
        ({"variables": {"token": {"file": "/etc/passwd"}}, "format": "zammad"}, "variables.token"),
        ({"format": {"steps": [{"url": "{{ import os }}"}]}}, "format"),
    ],
)
def test_what_is_wrong_is_named(api: Served, fields: dict[str, Any], said: str) -> None:
    body = {"name": "x", "url": "https://crm.example.com/", "topics": ["calls"], **fields}
    answer = api.ask("POST", "webhooks", json=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]
    assert "/etc/passwd" not in answer.text


def test_a_name_that_is_taken_is_a_conflict(api: Served) -> None:
    name, _ = make(api)
    answer = api.ask(
        "POST", "webhooks", json={"name": name, "url": "https://x.example.com", "topics": ["calls"]}
    )
    assert read_problem(answer) == (409, "webhook_exists")


def test_a_webhook_gets_no_more_than_the_token_that_made_it_may_see(api: Served) -> None:
    narrow = api.make_token("webhooks.manage", "calls.read", hosts=MAIN, stations="1001")
    body = {"name": f"n-{uuid.uuid4().hex[:6]}", "url": "https://crm.example.com/", "topics": ["calls"]}
    assert api.ask("POST", "webhooks", narrow, json=body).status_code == 201
    stored = api.store.database["webhooks"].find_one({"_id": body["name"]}) or {}
    assert stored["limits"] == {
        "hosts": [MAIN], "stations": ["1001"], "groups": [], "commands": [], "sees_numbers": False,
    }  # fmt: skip
    # nor by a change of somebody who may see more
    changed = api.ask("PATCH", f"webhooks/{body['name']}", json={"topics": ["calls", "events"]})
    assert changed.status_code == 200, changed.text
    assert (api.store.database["webhooks"].find_one({"_id": body["name"]}) or {})["limits"] == stored[
        "limits"
    ]


def test_a_change_leaves_a_webhook_no_more_than_who_changes_it_may_see(api: Served) -> None:
    name, _ = make(api, topics=["events"])
    poor = api.make_token("webhooks.manage", "commands.call.*")
    assert api.ask("PATCH", f"webhooks/{name}", poor, json={"state": "paused"}).status_code == 200
    stored = api.store.database["webhooks"].find_one({"_id": name}) or {}
    assert stored["limits"]["sees_numbers"]  # who pauses it changes nothing else
    assert (
        api.ask("PATCH", f"webhooks/{name}", poor, json={"url": "https://x.example.com/"}).status_code == 200
    )
    stored = api.store.database["webhooks"].find_one({"_id": name}) or {}
    assert stored["limits"] == {
        "hosts": [], "stations": [], "groups": [], "commands": ["commands.call.*"], "sees_numbers": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "scope",
    [{"hosts": MAIN}, {"groups": "620"}, {"stations": "1001"}, {"hosts": MAIN, "stations": "1001,1002"}],
)
def test_a_token_of_a_part_of_the_site_finds_no_webhook_that_is_told_of_more(
    api: Served, scope: dict[str, str]
) -> None:
    wide, _ = make(api)
    by_hand = f"hand-{uuid.uuid4().hex[:8]}"
    api.store.database["webhooks"].insert_one(
        {"_id": by_hand, "url": "https://crm.example.com/", "topics": ["calls"], "groups": ["620"]}
    )
    narrow = api.make_token("webhooks.manage", **scope)
    own = {"name": f"own-{uuid.uuid4().hex[:8]}", "url": "https://crm.example.com/", "topics": ["calls"]}
    assert api.ask("POST", "webhooks", narrow, json=own).status_code == 201
    listed = api.ask("GET", "webhooks", narrow)
    names = {each["name"] for each in listed.json()["items"]}
    assert own["name"] in names
    assert not {wide, by_hand} & names
    for name in (wide, by_hand):
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"url": "https://evil.example.com/"}),
            ("PATCH", "", {"state": "paused"}),
            ("DELETE", "", None),
            ("GET", "/deliveries", None),
            ("POST", "/test", None),
            ("POST", "/replay", {"everything": True}),
        ):
            answer = api.ask(method, f"webhooks/{name}{path}", narrow, json=body)
            assert read_problem(answer) == (404, "webhook_unknown")
            assert wide not in answer.json()["detail"].replace(name, "")
        assert api.ask("GET", f"webhooks/{name}").json()["state"] == "active"
    # a narrower one is found by a wider one
    assert api.ask("GET", f"webhooks/{own['name']}").status_code == 200
    api.store.database["webhooks"].delete_one({"_id": by_hand})


def test_a_webhook_whose_token_is_no_more_is_taken_over_by_the_next(api: Served) -> None:
    first, secret = api.make_own_token("webhooks.manage", "numbers.read")
    body = {"name": f"o-{uuid.uuid4().hex[:6]}", "url": "https://crm.example.com/", "topics": ["calls"]}
    assert api.ask("POST", "webhooks", secret, json=body).json()["token"] == first
    path = f"webhooks/{body['name']}"
    second, heir = api.make_own_token("webhooks.manage")
    assert api.ask("PATCH", path, heir, json={"state": "paused"}).json()["token"] == first
    revoke_token(api.store, first, at=datetime.now(UTC), by="test")
    disable_webhook(api.store, body["name"], "its token is over", datetime.now(UTC))
    shown = api.ask("PATCH", path, heir, json={"state": "active"}).json()
    assert (shown["token"], shown["state"]) == (second, "active")
    assert "reason" not in shown
    limits = (api.store.database["webhooks"].find_one({"_id": body["name"]}) or {})["limits"]
    assert not limits["sees_numbers"]


def test_a_document_that_is_none_of_a_webhook_is_shown_as_one_that_is_not_used(api: Served) -> None:
    name = f"wrong-{uuid.uuid4().hex[:8]}"
    api.store.database["webhooks"].insert_one({"_id": name, "url": 7, "topics": "calls", "hosts": {"a": 1}})
    assert api.ask("GET", f"webhooks/{name}").json()["state"] == "refused"
    assert name in {each["name"] for each in api.items("webhooks")}
    api.store.database["webhooks"].delete_one({"_id": name})


def test_tests_and_replays_are_asked_of_the_sender(api: Served) -> None:
    name, _ = make(api)
    answers: list[Any] = []

    def ask() -> None:
        answers.append(api.ask("POST", f"webhooks/{name}/test"))
        answers.append(api.ask("POST", f"webhooks/{name}/replay", json={"everything": True}))

    asking = threading.Thread(target=ask)
    asking.start()
    results = [{"status": 200, "duration_seconds": 0.01}, {"count": 3}]
    while results:
        if (task := take_task(api.store, datetime.now(UTC))) is not None and task["webhook"] == name:
            end_task(api.store, task, results.pop(0))
    asking.join(30)
    assert [(each.status_code, each.json()) for each in answers] == [
        (200, {"status": 200, "duration_seconds": 0.01}), (200, {"count": 3}),
    ]  # fmt: skip
    assert api.ask("POST", "webhooks/nobody/test").status_code == 404


def test_deliveries_come_in_pages(api: Served) -> None:
    name, _ = make(api)
    now = datetime.now(UTC)
    keep_deliveries(
        api.store,
        [
            Delivery(
                f"msg_{name}{index}", name, f"{index:06d}", "call.ended", MAIN, now, {"caller": "secret"}, now
            )
            for index in range(5)
        ],
    )
    first = api.ask("GET", f"webhooks/{name}/deliveries", params={"limit": 3})
    assert [each["id"][-1] for each in first.json()["items"]] == ["4", "3", "2"]
    assert first.json()["next"] in first.headers["Link"]
    second = api.ask(
        "GET", f"webhooks/{name}/deliveries", params={"limit": 3, "cursor": first.json()["next"]}
    )
    assert [each["id"][-1] for each in second.json()["items"]] == ["1", "0"]
    assert second.json()["next"] is None
    assert "secret" not in first.text
    other, _ = make(api)
    wrong = api.ask("GET", f"webhooks/{other}/deliveries", params={"cursor": first.json()["next"]})
    assert read_problem(wrong) == (400, "cursor_wrong")
