"""Each right opens its own doors and no other, proven over every row of the API."""

import uuid
from typing import Any

import pytest
from api_scene import BRANCH, EVERYTHING, Served, make_missed, read_problem

from ipecs_mw.api.app import ROWS
from ipecs_mw.api.rows import ANY_TOKEN, ANYBODY, BY_BODY, Endpoint
from ipecs_mw.messages.rights import COMMANDS, RIGHTS, TOPICS

CLOSED = [row for row in ROWS if row.right not in (ANYBODY, ANY_TOKEN, BY_BODY)]
BODIES = {"POST", "PATCH"}


def name_row(value: Any) -> str:
    return value.id if isinstance(value, Endpoint) else str(value)


def spell_right(right: str) -> str:
    return "commands.call.*" if right == COMMANDS else right


def ask(api: Served, row: Endpoint, token: str) -> Any:
    """Ask a row of something that is there; where a body is needed, with one that says nothing."""
    given = {"json": {}} if row.method in BODIES else {}
    return api.ask(row.method, find_path(api, row), token, **given)


def find_path(api: Served, row: Endpoint) -> str:
    if "/calls/" in row.path:
        return row.path.replace("{id}", api.items("calls", host=BRANCH)[0]["id"])
    if "/missed/" in row.path:
        return row.path.replace("{id}", make_missed(api.store))
    if "/webhooks/" in row.path:
        name = f"doors-{uuid.uuid4().hex[:8]}"
        body = {"name": name, "url": "https://crm.example.com/", "topics": ["calls"]}
        assert api.ask("POST", "webhooks", json=body).status_code == 201
        return row.path.replace("{id}", name)
    if "/requests/" in row.path:
        body = {"command": "call.make", "args": {"deviceNumber": "1001", "calledDN": "1002"}}
        found = api.ask("POST", "requests", json={**body, "host": BRANCH, "timeout_seconds": 0.1}).json()
        return row.path.replace("{id}", found["id"])
    return row.path


@pytest.mark.parametrize("row", CLOSED, ids=name_row)
def test_a_right_opens_its_door(api: Served, row: Endpoint) -> None:
    answer = ask(api, row, api.make_token(spell_right(row.right)))
    # 202: what is asked of a daemon, where none runs
    assert answer.status_code in {row.success, 202} | ({400} if row.body else set()), answer.text


@pytest.mark.parametrize("row", CLOSED, ids=name_row)
def test_every_other_right_leaves_the_door_shut(api: Served, row: Endpoint) -> None:
    path = find_path(api, row)
    for right in RIGHTS:
        if right == row.right:
            continue
        answer = api.ask(row.method, path, api.make_token(spell_right(right)), json={})
        assert read_problem(answer) == (403, "right_missing"), right
    rights = [spell_right(right) for right in RIGHTS if right != row.right]
    answer = api.ask(row.method, path, api.make_token(*rights), json={})
    assert read_problem(answer) == (403, "right_missing")
    assert row.right in answer.json()["detail"]


@pytest.mark.parametrize("row", [row for row in ROWS if row.right not in (ANYBODY, BY_BODY)], ids=name_row)
def test_no_door_opens_without_a_token(api: Served, row: Endpoint) -> None:
    answer = api.ask(row.method, find_path(api, row), "", json={})
    assert read_problem(answer) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("row", [row for row in ROWS if row.right == ANYBODY], ids=name_row)
def test_what_anybody_may_ask_needs_no_token(api: Served, row: Endpoint) -> None:
    assert api.ask(row.method, row.path, "").status_code == row.success


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_of_the_stream_needs_its_right(api: Served, topic: str) -> None:
    right = spell_right(TOPICS[topic])
    with api.get(f"stream?topics={topic}", api.make_token(right), stream=True) as answer:
        assert answer.status_code == 200
    rights = [each for each in map(spell_right, RIGHTS) if each != right]
    assert api.refused(f"stream?topics={topic}", api.make_token(*rights)) == (403, "right_missing")
    other = next(each for each in TOPICS if TOPICS[each] != TOPICS[topic])
    assert api.refused(f"stream?topics={topic},{other}", api.make_token(right)) == (403, "right_missing")


@pytest.mark.parametrize(
    ("right", "opened", "shut"),
    [
        ("commands.call.make", {"call.make"}, {"call.answer", "agent.logon"}),
        ("commands.call.*", {"call.make", "call.answer"}, {"agent.logon"}),
        ("commands.*", {"call.make", "agent.logon"}, set()),
        ("commands.*.make", {"call.make"}, {"call.answer"}),
    ],
)
def test_a_pattern_of_commands_opens_what_fits_it(
    api: Served, right: str, opened: set[str], shut: set[str]
) -> None:
    token = api.make_token(right)
    listed = {item["id"] for item in api.items("commands", token)}
    known = {item["id"] for item in api.items("commands")}
    opened, shut = opened & known, shut & known
    assert opened <= listed
    assert not shut & listed
    for command in shut:
        answer = api.ask("POST", "requests", token, json={"command": command, "args": {}})
        assert read_problem(answer) == (403, "right_missing")
        assert f"commands.{command}" in answer.json()["detail"]
    for command in opened:
        answer = api.ask("POST", "requests", token, json={"command": command, "args": {"wrong": 1}})
        assert answer.status_code == 400, answer.text


def test_a_token_without_any_right_opens_only_what_any_token_opens(api: Served) -> None:
    assert set(EVERYTHING) == {spell_right(right).replace("call.*", "*") for right in RIGHTS}
    token = api.make_token()
    assert api.refused("calls", token) == (403, "right_missing")
    assert api.ask("POST", "stream-tickets", token).status_code == 201
