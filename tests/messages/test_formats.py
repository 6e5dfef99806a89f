"""What a receiver gets: signatures, standard forms, templates."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipecs_mw.messages.formats.numbers import spell_number
from ipecs_mw.messages.formats.requests import Target, Told, build_request, list_steps, read_captured
from ipecs_mw.messages.formats.signing import decode_secret, sign, spell_secret
from ipecs_mw.messages.formats.template import Template, check_template
from ipecs_mw.messages.webhook import find_url_fault, show_url
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.validation import convert

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = decode_secret(SECRET) or b""
GERMANY = NumberSettings(country="49", trunk_prefix="0")


def test_the_check_values_of_the_standard_hold() -> None:
    signature = sign([KEY], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["", "abc", "whsec_", "whsec_!!!", spell_secret(b"x" * 23), spell_secret(b"x" * 65)]
)
def test_what_is_no_secret_is_refused(secret: str) -> None:
    assert decode_secret(secret) is None


@given(st.binary(min_size=24, max_size=64))
def test_every_secret_is_read_as_it_was_spelled(key: bytes) -> None:
    assert decode_secret(spell_secret(key)) == key


def make_target(form: Any, **variables: Any) -> Target:
    content = form if isinstance(form, str) else convert(form, Template, source="test")
    return Target("https://crm.example/in/", content, variables, [KEY], GERMANY)


def tell(name: str = "call.ended", step: str = "", **data: Any) -> Told:
    return Told("msg_1", name, AT, "main", {"id": "main:1", "direction": "inbound", **data}, step)


def body_of(target: Target, told: Told, **captured: Any) -> Any:
    return msgspec.json.decode(build_request(target, told, captured, 1).body)


def test_the_standard_form_and_that_of_cloudevents() -> None:
    told = tell(began_at=AT)
    content = {"id": "main:1", "direction": "inbound", "began_at": "2026-11-24T09:00:00Z"}
    assert body_of(make_target("standard"), told) == {
        "type": "call.ended",
        "timestamp": "2026-11-24T09:00:00Z",
        "data": content,
    }
    event = body_of(make_target("cloudevents"), told)
    assert event["data"] == content
    required = {"specversion": "1.0", "id": "msg_1", "source": "/ipecs-mw/main", "type": "call.ended"}
    assert {name: event[name] for name in required} == required
    headers = build_request(make_target("cloudevents"), told, {}, 1).headers
    assert headers["content-type"] == "application/cloudevents+json"


STEP = {"name": "a", "on": ["call.ended"]}


def test_a_template_keeps_kinds_leaves_out_what_is_absent_and_fills_texts() -> None:
    form = {
        "numbers": "digits",
        "variables": {"token": {"is_secret": True}, "users": {"is_table": True}},
        "tables": {"words": {"inbound": "in", "*": "?"}},
        "steps": [
            {
                **STEP,
                "url": "{url}/calls/{call_id}",
                "headers": {"Authorization": "Bearer {var.token}"},
                "json": {
                    "seconds": "{talk_seconds}",
                    "who": "{data.caller.name}",
                    "from": "{number}",
                    "text": "from {number} to {called|or:nobody}",
                    "way": "{data.direction|table:words}",
                    "user": "{station|table:users}",
                    "list": ["{station|renamed:users}", "{data.nothing}"],
                },
            }
        ],
    }
    form["steps"][0]["json"]["list"] = ["{station|renamed:users}", "{agent}"]
    target = make_target(form, token="s3cret\r\nx: y", users={"1001": 7})
    told = tell(
        step="a",
        caller={"number": "030 5550142"},
        answered_by={"station": "1001"},
        seconds={"talk": 61.4},
    )
    request = build_request(target, told, {}, 1)
    assert request.url == "https://crm.example/in/calls/main:1"
    assert request.headers["authorization"] == "Bearer s3cret  x: y"
    assert msgspec.json.decode(request.body) == {
        "seconds": 61,
        "from": "49305550142",
        "text": "from 49305550142 to nobody",
        "way": "in",
        "user": 7,
        "list": [7],
    }


def test_a_form_is_spelled_as_browsers_do_and_a_condition_chooses_the_messages() -> None:
    form = {
        "steps": [
            {
                **STEP,
                "form": {"a": "{number} &", "b": "{agent}"},
                "when": [{"field": "station", "is_there": True}],
            }
        ]
    }
    target = make_target(form)
    told = tell(step="a", caller={"number": "+49 30 5550142"})
    assert build_request(target, told, {}, 1).body == b"a=%2B49305550142+%26"
    assert list(list_steps(target, "call.ended", told.data)) == []
    assert list(list_steps(target, "call.ended", {**told.data, "answered_by": {"station": "1"}})) == ["a"]
    assert list(list_steps(target, "call.began", told.data)) == []


def test_a_value_of_a_reply_is_kept_and_what_is_no_json_keeps_nothing() -> None:
    form = {"steps": [{**STEP, "capture": {"crm_id": "result.0.id"}, "keep": {"seen": "{call_id}"}}]}
    target = make_target(form)
    step = target.format.steps[0]  # type: ignore[union-attr]
    assert read_captured(target, step, tell(step="a"), {}, b'{"result": [{"id": 5}]}') == {
        "crm_id": 5,
        "seen": "main:1",
    }
    for body in (b"", b"<html>", b"[" * 100_000, b'{"result": {}}', b"\xff"):
        assert read_captured(target, step, tell(step="a"), {}, body) == {"seen": "main:1"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"json": {"a": {"b": "{nobody}"}}}, ".steps[0].json.a.b"),
        ({"json": "{data.nothing}"}, ".steps[0].json"),
        ({"form": {"a": "{number|upper}"}}, ".steps[0].form.a"),
        ({"url": "{var.nothing}"}, ".steps[0].url"),
        ({"headers": {"X": "{captured.nothing}"}}, ".steps[0].headers.X"),
        ({"json": "{number|table:nothing}"}, ".steps[0].json"),
        ({"when": [{"field": "nobody", "is_there": True}]}, ".steps[0].when[0].field"),
        ({"json": {}, "form": {}}, ".steps[0].form"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, ".steps[0].headers.Transfer-Encoding"),
    ],
)
def test_a_template_that_names_what_does_not_exist_is_refused(change: dict[str, Any], path: str) -> None:
    template = convert({"steps": [{**STEP, **change}]}, Template, source="test")
    assert path in [below for below, *_ in check_template(template)]


@given(st.text(alphabet="{}|:.abdtnumer", max_size=200))
def test_no_text_of_a_template_raises(text: str) -> None:
    target = make_target({"steps": [{**STEP, "json": text}]})
    build_request(target, tell(step="a"), {}, 1)


@pytest.mark.parametrize(
    ("form", "number", "spelled"),
    [
        ("e164", "030 5550142", "+49305550142"),
        ("digits", "00305550142", "49305550142"),
        ("national", "+49 (0)30 5550142", "0305550142"),
        ("as_dialled", "00305550142", "00305550142"),
        ("e164", "1001", "1001"),
        ("digits", "***142", "***142"),
        ("e164", "anonymous", "anonymous"),
    ],
)
def test_a_number_is_put_in_the_form_that_is_wanted(form: str, number: str, spelled: str) -> None:
    assert spell_number(number, form, GERMANY) == spelled


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.b/in/TOKEN?x=1", "https://a.b/…"),
        ("http://a:1/", "http://a:1"),
        ("http://u:p@a/x", "http://a/…"),
    ],
)
def test_a_url_is_shown_without_what_may_let_its_holder_in(url: str, shown: str) -> None:
    assert show_url(url) == shown


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a", "http://", "http://a:0/", "http://[1/", "http://a b", "http://u@a/", "http://a/#x"],
)
def test_what_is_no_url_of_a_webhook_is_refused(url: str) -> None:
    assert find_url_fault(url) is not None
