"""Commands: at most once by their key, told as they ended, also where nobody knows."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api_scene import BRANCH, EVERYTHING, MAIN, Served, carrying_out, read_problem

from ipecs_mw.store.coordination.requests import resolve_request


def make_call(number: str = "1002", **changes: Any) -> dict[str, Any]:
    args = {"deviceNumber": "1001", "calledDN": number}
    return {"command": "call.make", "args": args, "host": MAIN, **changes}


def give(api: Served, body: dict[str, Any], key: str | None = None, token: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.ask("POST", "requests", token, json=body, headers=headers)


def done(_: Any) -> tuple[str, dict[str, Any]]:
    return "done", {"result": {"callRefID": 7}}


def test_a_command_is_carried_out_and_its_result_is_the_answer(api: Served) -> None:
    with carrying_out(api.store, done) as carried:
        answer = give(api, make_call())
    assert answer.status_code == 200
    request = answer.json()
    assert (request["state"], request["result"], request["command"]) == (
        "done",
        {"callRefID": 7},
        "call.make",
    )
    assert [each["args"] for each in carried] == [make_call()["args"]]
    assert answer.headers["Location"] == f"/api/v1/requests/{request['id']}"
    assert api.get(answer.headers["Location"]).json() == request
    assert not {"key", "fingerprint", "claim", "claimed_by", "profile"} & request.keys()


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("failed", {"error": {"family": "acd", "code": 12, "name": "invalidState", "text": "busy"}}),
        ("unknown", {"error": {"text": "the reply was lost"}}),
        ("expired", {}),
    ],
)
def test_a_command_that_did_not_end_well_is_told_as_it_is(
    api: Served, state: str, fields: dict[str, Any]
) -> None:
    with carrying_out(api.store, lambda _: (state, fields)):
        answer = give(api, make_call())
    assert answer.status_code == 200
    assert answer.json()["state"] == state
    assert answer.json().get("error") == fields.get("error")


def test_a_lost_reply_that_is_resolved_later_is_told_then(api: Served) -> None:
    with carrying_out(api.store, lambda _: ("unknown", {"error": {"text": "lost"}})) as carried:
        request = give(api, make_call()).json()
    assert request["state"] == "unknown"
    resolve_request(api.store, carried[0]["_id"], "main:event")
    resolved = api.get(f"requests/{request['id']}").json()
    assert (resolved["state"], resolved["resolved_by"]) == ("done", "main:event")
    assert "error" not in resolved


def test_a_command_that_nobody_takes_is_answered_before_its_end(api: Served) -> None:
    answer = give(api, make_call(timeout_seconds=0.1))
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert int(answer.headers["Retry-After"]) >= 1
    again = api.get(answer.headers["Location"])
    assert again.json()["id"] == answer.json()["id"]


def test_the_same_key_is_the_same_request(api: Served) -> None:
    with carrying_out(api.store, done) as carried:
        first, second = give(api, make_call(), "again"), give(api, make_call(), "again")
        other = give(api, make_call(), "another")
    assert first.json() == second.json()
    assert other.json()["id"] != first.json()["id"]
    assert len(carried) == 2


def test_the_same_key_of_another_token_is_another_request(api: Served) -> None:
    other = api.make_token(*EVERYTHING, hosts=f"{MAIN},{BRANCH}")
    with carrying_out(api.store, done) as carried:
        first, second = give(api, make_call(), "mine"), give(api, make_call(), "mine", other)
    assert first.json()["id"] != second.json()["id"]
    assert len(carried) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"args": {"deviceNumber": "1001", "calledDN": "1003"}},
        {"host": BRANCH},
        {"command": "call.clear", "args": {}},
    ],
)
def test_a_key_that_was_used_for_another_command_is_refused(api: Served, changes: dict[str, Any]) -> None:
    with carrying_out(api.store, done) as carried:
        key = f"used for {sorted(changes)} {changes}"[:100]
        assert give(api, make_call(), key).status_code == 200
        answer = give(api, {**make_call(), **changes}, key)
        assert answer.status_code in (400, 422), answer.text
        if answer.status_code == 422:
            assert read_problem(answer) == (422, "key_used")
            assert key[:20] in answer.json()["detail"]
    assert len(carried) == 1


def test_twenty_at_once_with_one_key_are_one_command(api: Served) -> None:
    begin = threading.Barrier(20)

    def ask(_: int) -> Any:
        begin.wait(30)
        with api.elsewhere() as session:
            return api.ask(
                "POST", "requests", json=make_call(), headers={"Idempotency-Key": "twenty"}, session=session
            )

    token = api.all
    assert token
    with carrying_out(api.store, done) as carried, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(carried) == 1


def test_a_host_must_be_named_where_there_are_several(api: Served) -> None:
    body = make_call()
    del body["host"]
    answer = give(api, body)
    assert read_problem(answer) == (400, "host_not_named")
    assert MAIN in answer.json()["detail"]
    with carrying_out(api.store, done) as carried:
        bound = api.make_token("commands.*", hosts=BRANCH)
        assert give(api, body, token=bound).status_code == 200
    assert carried[0]["host"] == BRANCH


def test_arguments_are_checked_before_anything_is_queued(api: Served) -> None:
    count = api.store.database["requests"].count_documents
    before = count({})
    for args in ({}, {"deviceNumber": "1001"}, {"deviceNumber": "x y", "calledDN": "1"}, {"more": 1}):
        answer = give(api, make_call(args=args))
        assert answer.status_code == 400, args
        assert "call.make" in answer.json()["detail"]
    assert count({}) == before


def test_the_list_of_commands_says_what_each_takes_in_the_language_asked_for(api: Served) -> None:
    found = {each["id"]: each for each in api.items("commands")}
    assert {each["name"] for each in found["call.make"]["params"]} >= {"deviceNumber", "calledDN"}
    german = api.get("commands", headers={"Accept-Language": "de"}).json()["items"]
    assert {each["id"] for each in german} == set(found)
    assert (
        next(each for each in german if each["id"] == "call.make")["summary"] != found["call.make"]["summary"]
    )


def test_a_secret_argument_is_in_no_answer(api: Served) -> None:
    args = {"deviceNumber": "1001", "roomIndex": 1, "roomPwd": "4711", "roomUsage": "true"}
    body = {"command": "confroom.set", "args": args, "host": MAIN, "timeout_seconds": 0.1}
    queued = give(api, body, "secret")
    assert queued.status_code == 202, queued.text
    answers = [queued, api.get(f"requests/{queued.json()['id']}"), give(api, body, "secret")]
    assert all("4711" not in answer.text and "***" in answer.text for answer in answers)
    with carrying_out(api.store, done) as carried:
        assert "4711" not in give(api, {**body, "timeout_seconds": 15}).text
    assert all(each["args"] == args for each in carried), "the phone system gets it"
