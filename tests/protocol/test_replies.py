"""Replies of the host: results, and errors with the vendor's number explained."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from ipecs_mw.errors import (
    AlreadyLoggedIn,
    CommandRefused,
    LoginRefused,
    ProtocolError,
    ReplyUnreadable,
    TokenExpired,
)
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.protocol.replies import find_missing, read_login, read_reply
from ipecs_mw.seeds import read_json, shipped_texts

CODES = parse_codes(read_json("codes.json"))
COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
BY_FAMILY = {command.family: command for command in COMMANDS.values() if command.auth == "bearer"}


def read(command: str, status: int, body: bytes | dict[str, Any]) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(COMMANDS[command], status, content, CODES, "main")


def refuse(code: Any, message: Any = "no") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize("body", [b"", b"  \r\n"])
def test_an_empty_reply_with_status_200_is_a_success(body: bytes) -> None:
    assert read("logout", 200, body) is None


def test_a_reply_is_its_json_also_with_control_characters_in_it() -> None:
    assert read("smdr.get", 200, b'{"items": [{"name": "K\x01im"}]}') == {"items": [{"name": "K\x01im"}]}


@pytest.mark.parametrize(
    ("status", "body", "excerpt"),
    [
        (200, b"<html><head><title>iPECS</title></head><body>Busy\n</body></html>", "iPECS Busy"),
        (500, b"<h1>Internal Server Error</h1>", "Internal Server Error"),
        (503, b"", "(empty)"),
        (404, b'{"message": "nothing here"}', "nothing here"),
        (302, b"", "(empty)"),
        (200, b"{truncated", "{truncated"),
        (200, b"\xff\xfe", "\ufffd\ufffd"),
        (400, b'{"error": "text"}', "text"),
        (400, b'{"error": [1]}', "[1]"),
        (400, b"[" * 5000, "[[["),
        (200, b"null", "null"),
    ],
)
def test_a_reply_of_no_promised_shape_is_an_error_that_shows_its_beginning(
    status: int, body: bytes, excerpt: str
) -> None:
    with pytest.raises(ReplyUnreadable) as caught:
        read("smdr.get", status, body)
    assert caught.value.facts["status"] == status
    assert excerpt in caught.value.facts["excerpt"]
    assert len(caught.value.facts["excerpt"]) <= 120
    assert "smdr.get" in shipped_texts("en-GB").explain(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_number_101_means_something_else_in_each_category(status: int) -> None:
    names = {}
    for family in ("clickcall", "cti"):
        with pytest.raises(CommandRefused) as caught:
            read(BY_FAMILY[family].id, status, refuse(101))
        names[family] = caught.value.facts["name"]
        assert caught.value.facts["family"] == family
    assert names == {"clickcall": "authentication failure", "cti": "generic"}


@pytest.mark.parametrize(
    ("code", "name"), [(1, "parameter error"), (3, "license error"), ("3", "license error")]
)
def test_a_common_number_is_explained_in_every_category(code: Any, name: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        read("smdr.get", 403, refuse(code, " why "))
    assert caught.value.facts["name"] == name
    assert caught.value.facts["family"] == "common"
    assert caught.value.facts["message"] == "why"


@pytest.mark.parametrize("code", [4242, None, "x", True, 1.5, [1], {"$ne": None}])
def test_a_number_that_nobody_knows_is_still_a_refusal(code: Any) -> None:
    with pytest.raises(CommandRefused) as caught:
        read("smdr.get", 403, refuse(code))
    assert caught.value.facts["message"] == "no"


@pytest.mark.parametrize("message", ["Already Login", "already logged in", "ALREADY-LOGIN"])
@pytest.mark.parametrize("code", [2, 5, None])
def test_an_account_that_is_held_is_told_by_its_message_whatever_the_number(message: str, code: Any) -> None:
    with pytest.raises(AlreadyLoggedIn):
        read("login", 401, refuse(code, message))


def test_401_code_2_at_login_is_a_wrong_password() -> None:
    with pytest.raises(LoginRefused):
        read("login", 401, refuse(2, "Invalid Login Information"))


@pytest.mark.parametrize("command", ["logout", "smdr.get", "checkconnection"])
@pytest.mark.parametrize("code", [3, "3"])
def test_401_code_3_with_a_token_means_log_in_again(command: str, code: Any) -> None:
    with pytest.raises(TokenExpired):
        read(command, 401, refuse(code, "Invalid Token"))


def test_an_error_in_a_reply_with_status_200_is_an_error() -> None:
    with pytest.raises(CommandRefused):
        read("smdr.get", 200, refuse(299))


def test_a_login_gives_its_token_and_timer() -> None:
    login = read_login({"token": "abc", "checkConnectionTimer": "60", "systemType": "UCP600"}, "main")
    assert (login.token, login.timer_seconds, login.system) == ("abc", 60.0, "UCP600")


@pytest.mark.parametrize("timer", [None, "", "soon", 0, -5, [], "nan", "inf", 1e308])
def test_a_timer_that_is_none_is_the_vendor_s_default(timer: Any) -> None:
    assert read_login({"token": "abc", "checkConnectionTimer": timer}, "main").timer_seconds == 120.0


@pytest.mark.parametrize(
    "value", [None, [], {}, {"token": ""}, {"token": 5}, "token", {"token": "a\r\nb"}, {"token": "토큰"}]
)
def test_a_login_without_a_token_that_a_header_can_carry_is_unreadable(value: Any) -> None:
    with pytest.raises(ReplyUnreadable):
        read_login(value, "main")


@pytest.mark.parametrize(
    ("command", "value", "missing"),
    [
        ("call.make", {"data": {"callRefID": 5}}, []),
        ("call.make", {"callRefID": 5}, []),  # without the envelope
        ("call.make", {"data": {}}, ["data.callRefID"]),
        ("call.make", None, []),  # an empty reply is a success
        ("call.make", ["5"], ["data.callRefID"]),
        ("forward.get", {"data": {"cfwdType": "busy", "destNumber": "1"}}, []),  # ringTime is optional
        ("smdr.get", {"count": 1, "items": []}, []),
        ("smdr.get", {"count": 1}, []),  # as asked for with countOnly
        ("smdr.get", {"items": []}, ["count"]),
        ("terminals.get", {"data": {"terminals": []}}, []),
        ("checkconnection", {"anything": 1}, []),
    ],
)
def test_what_a_reply_lacks_of_what_is_promised_is_named(
    command: str, value: Any, missing: list[str]
) -> None:
    assert find_missing(COMMANDS[command], value) == missing


# made when they are asked for: together they take 200 MB
SHAPES: dict[str, Callable[[], bytes]] = {
    "lists": lambda: b"[" + b"[]," * 10_000_000 + b"[]]",
    "objects": lambda: b'{"items":[' + b'{"a":1},' * 3_800_000 + b"{}]}",
    "numbers": lambda: b"[" + b"1," * 15_000_000 + b"1]",
    "short strings": lambda: b"[" + b'"ab",' * 6_000_000 + b'""]',
    "names": lambda: b"{" + b",".join(b'"n%d":1' % n for n in range(2_000_000)) + b"}",
    "deep": lambda: b"[" * 15_000_000 + b"]" * 15_000_000,
}
FITTING: dict[str, Callable[[], str]] = {
    "text beyond ASCII": lambda: '["가' + "a" * 8_000_000 + '"]',
    "escapes": lambda: '["' + "\\ud83d\\ude00" * 650_000 + '"]',
    "codes": lambda: '["' + "STA-P[4711] and what else there is " * 200_000 + '"]',
    "values": lambda: "[" + "{}," * 120_000 + "{}]",
    "long number": lambda: "[" + "1" * 8_000_000 + ".5]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_of_very_many_values_is_refused_before_it_is_read(shape: str) -> None:
    body = SHAPES[shape]()
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as caught:
            read("smdr.get", 200, body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.may_have_acted


@pytest.mark.parametrize("shape", FITTING)
def test_what_a_reply_takes_is_bounded_by_its_bytes(shape: str) -> None:
    body = FITTING[shape]().encode()
    assert len(body) < 8 * 1024 * 1024 + 100
    tracemalloc.start()
    try:
        read("smdr.get", 200, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 8 * 1024 * 1024


def test_a_whole_number_of_a_million_digits_is_no_reply() -> None:
    with pytest.raises(ReplyUnreadable):
        read("smdr.get", 200, b"[" + b"9" * 1_000_000 + b"]")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            {"code": 104, "message": "invalidCallingDeviceIdentifier"},
            "main: the host refused call.make: Calling device not valid (cti error 104).",
        ),
        ({"code": 104}, "main: the host refused call.make: Calling device not valid (cti error 104)."),
        (
            {"code": "104", "message": "Invalid calling-device identifier"},
            "main: the host refused call.make: Calling device not valid (cti error 104).",
        ),
        (
            {"code": 104, "message": "1009 is locked"},
            "main: the host refused call.make: Calling device not valid (cti error 104). It says: 1009 is locked",
        ),
        ({"code": 3}, "main: the host refused call.make: Licence missing (common error 3)."),
        (
            {"code": 4242, "message": "out of order"},
            "main: the host refused call.make: out of order (cti error 4242).",
        ),
        ({"message": "out of order"}, "main: the host refused call.make: out of order"),
        ({}, "main: the host refused call.make: ?"),
    ],
)
def test_a_refusal_is_told_in_words_and_once(error: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        read("call.make", 403, {"error": error})
    assert shipped_texts("en-GB").explain(caught.value) == sentence


def test_a_refusal_is_told_in_the_words_of_each_language() -> None:
    with pytest.raises(CommandRefused) as caught:
        read("call.make", 403, refuse(104, "invalidCallingDeviceIdentifier"))
    for locale in ("de-DE", "ko-KR"):
        sentence = shipped_texts(locale).explain(caught.value)
        assert shipped_texts(locale).word("errors_cti", 104) in sentence
        assert "invalidCalling" not in sentence


def test_a_message_without_end_is_cut() -> None:
    with pytest.raises(CommandRefused) as caught:
        read("call.make", 403, refuse(4242, "x" * 1_000_000))
    assert len(shipped_texts("en-GB").explain(caught.value)) < 400


@pytest.mark.parametrize(
    ("status", "may_have_acted"),
    [(200, True), (204, True), (302, True), (500, True), (503, True), (400, False), (404, False)],
)
def test_what_is_unreadable_may_have_been_carried_out_unless_its_status_refuses(
    status: int, may_have_acted: bool
) -> None:
    with pytest.raises(ReplyUnreadable) as caught:
        read("call.make", status, b"<html>")
    assert caught.value.may_have_acted is may_have_acted
