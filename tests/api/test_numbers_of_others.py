"""Without the right `numbers.read` no number of outside is seen, and none can be tried out."""

import json
from typing import Any

import pytest
from api_scene import BRANCH, Served, carrying_out, make_missed
from call_scene import CALLED, CALLER, OTHER

from ipecs_mw.calls.documents.found_by import list_beginnings

NUMBERS = (CALLER, OTHER, CALLED)
RIGHTS = ("calls.read", "events.read", "missed.write", "figures.read", "state.read", "commands.*")


def has_numbers(text: str) -> bool:
    return any(number.lstrip("0") in text for number in NUMBERS)


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("path", ["events", "calls", "missed"])
def test_lists_show_no_number_of_outside(api: Served, path: str, form: str) -> None:
    make_missed(api.store, CALLER, host=BRANCH)
    params = {"host": BRANCH, "limit": 500, "format": form}
    assert has_numbers(api.get(path, params=params).text)
    shown = api.get(path, api.make_token(*RIGHTS), params=params)
    assert shown.status_code == 200
    assert not has_numbers(shown.text)
    assert f"***{CALLER[-2:]}" in shown.text


def test_single_documents_show_no_number_of_outside(api: Served) -> None:
    token = api.make_token(*RIGHTS)
    for call in api.items("calls", host=BRANCH):
        for path in (f"calls/{call['id']}", f"calls/{call['id']}/events"):
            shown = api.get(path, token)
            assert shown.status_code == 200
            assert not has_numbers(shown.text)
    missed = make_missed(api.store, CALLER)
    changed = api.ask("PATCH", f"missed/{missed}", token, json={"note": f"call {CALLER} in the evening"})
    assert changed.status_code == 200
    assert not has_numbers(changed.text)
    stored = api.store.database["missed"].find_one({"_id": missed}) or {}
    assert CALLER in stored["note"]


@pytest.mark.parametrize("path", ["calls", "missed"])
def test_the_filter_by_number_needs_the_right_to_see_numbers(api: Served, path: str) -> None:
    make_missed(api.store, CALLER)
    assert api.refused(f"{path}?number={CALLER}", api.make_token(*RIGHTS)) == (403, "right_missing")
    assert api.items(path, api.make_token(*RIGHTS, "numbers.read"), number=CALLER)
    assert api.items(path, number=f"+{CALLER}0000") == []


def test_a_number_that_stands_in_the_place_of_a_name_is_not_found_by_it(api: Served) -> None:
    token = api.make_token(*RIGHTS)
    call = api.store.database["calls"].find_one({"caller.number": CALLER}) or {}
    call["caller"]["name"] = f"Kim {CALLER}"
    named = {**call, "_id": f"{BRANCH}:named", "host": BRANCH, "found_by": list(list_beginnings(call))}
    api.store.database["calls"].replace_one({"_id": named["_id"]}, named, upsert=True)
    try:
        for given in (CALLER, CALLER[:3], CALLER[-1]):
            assert api.refused(f"calls?name={given}", token) == (400, "argument")
        (found, *_) = api.items("calls", token, name="kim", host=BRANCH, limit=500)
        assert "found_by" not in found
        assert api.items("calls", token, name=f"kim {CALLER}") == api.items(
            "calls", token, name=f"kim {OTHER}"
        )
    finally:
        api.store.database["calls"].delete_one({"_id": named["_id"]})


@pytest.mark.parametrize("name", ["station", "agent", "group", "owner", "cursor", "type"])
def test_no_other_filter_finds_a_call_by_a_number_of_outside(api: Served, name: str) -> None:
    token = api.make_token(*RIGHTS)
    for path in ("calls", "events", "missed"):
        answer = api.get(path, token, params={name: CALLER})
        assert answer.status_code == 400 or answer.json()["items"] == []


def test_a_command_of_somebody_else_shows_no_number_that_was_dialled(api: Served) -> None:
    body: dict[str, Any] = {
        "command": "call.make", "args": {"deviceNumber": "1001", "calledDN": CALLER}, "host": BRANCH,
    }  # fmt: skip
    own = api.make_token("commands.call.*")
    with carrying_out(api.store, lambda _: ("done", {"result": {"calledDN": CALLER}})):
        given = api.ask("POST", "requests", own, json=body).json()
    path = f"requests/{given['id']}"
    assert has_numbers(json.dumps(given))
    assert has_numbers(api.get(path, own).text)
    assert has_numbers(api.get(path).text)
    assert not has_numbers(api.get(path, api.make_token(*RIGHTS)).text)
