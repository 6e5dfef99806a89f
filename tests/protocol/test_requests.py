"""Commands as requests of the wire."""

import base64
import json
from typing import Any

import pytest

from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import parse_command
from ipecs_mw.protocol.requests import build_request
from ipecs_mw.seeds import read_json

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
HOST = HostSettings("main", "192.0.2.10", "api/user é", {"env": "X"}, "UTC")  # type: ignore[arg-type]


def command(place: str, path: str = "{service}/{version}/users/{user}/thing") -> Any:
    return parse_command(
        {
            "id": "test.command", "method": "POST", "path": path, "services": ["server"], "family": "cti",
            "auth": "bearer", "is_safe": True,
            "params": [{"name": "number", "type": "string", "in": place}],
        }
    )  # fmt: skip


def test_a_login_carries_the_password_and_nothing_else_does() -> None:
    request = build_request(COMMANDS["login"], {}, HOST, "pässword")
    scheme, _, content = request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(content).decode() == "api/user é:pässword"
    assert (request.method, request.body) == ("GET", None)


def test_every_other_command_carries_the_token() -> None:
    for one in COMMANDS.values():
        if one.id != "login":
            assert build_request(one, {}, HOST, "abc").headers["Authorization"] == "bearer abc"


def test_the_user_cannot_leave_its_place_in_the_path() -> None:
    request = build_request(COMMANDS["logout"], {}, HOST, "abc")
    assert request.path == "server/v1/users/api%2Fuser%20%C3%A9/logout"


@pytest.mark.parametrize(
    ("value", "segment"),
    [("1001", "1001"), ("../../x", "..%2F..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("{user}", "%7Buser%7D")],
)
def test_a_path_parameter_cannot_leave_its_place(value: str, segment: str) -> None:
    request = build_request(command("path", "a/{number}"), {"number": value}, HOST, "abc")
    assert request.path == f"a/{segment}"


def test_a_query_parameter_is_text_or_json() -> None:
    assert build_request(command("query"), {"number": "a&b"}, HOST, "abc").query == {"number": "a&b"}
    assert build_request(command("query"), {"number": True}, HOST, "abc").query == {"number": "true"}
    filtered = build_request(COMMANDS["smdr.get"], {"q": {"Index": 1}}, HOST, "abc")
    assert filtered.query == {"q": '{"Index":1}'}


def test_a_body_parameter_is_json_under_its_wire_name() -> None:
    request = build_request(command("body"), {"number": "홍"}, HOST, "abc")
    assert json.loads(request.body or b"") == {"number": "홍"}
    assert request.headers["Content-Type"].startswith("application/json")


def test_a_raw_parameter_is_the_body() -> None:
    request = build_request(command("raw"), {"number": {"$>": {"Index": 1}}}, HOST, "abc")
    assert json.loads(request.body or b"") == {"$>": {"Index": 1}}


def test_an_argument_that_the_command_does_not_have_is_not_sent() -> None:
    request = build_request(command("body"), {"other": 1}, HOST, "abc")
    assert (request.body, dict(request.query)) == (None, {})
