"""Webhooks as people write them, and what of them is refused."""

from typing import Any

import pytest

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.messages.message import Message
from ipecs_mw.messages.webhook import build_selection, parse_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def parse(**fields: Any) -> Any:
    return parse_webhook({"_id": "crm", "url": "https://crm.example/", "topics": ["calls"], **fields})


@pytest.mark.parametrize(
    "host", ["my_crm:8080", "xn--bcher-kva.example", "[::1]:9", "192.168.1.7", "CRM.Example", "localhost"]
)
def test_any_name_or_address_of_a_server_will_do(host: str) -> None:
    assert parse(url=f"http://{host}/hook?a=b").url.startswith("http://")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "http://u:canary@a/"}, "url"),
        ({"url": 5}, "url"),
        *(
            ({"url": f"http://{host}/canary"}, "url")
            for host in (
                "h..example",
                "-",
                "0x7f.1",
                "2130706433",
                "1.2.3.4.5",
                "%31",
                "bücher.example",
                "h.example:0",
                "h.example:８０",
                "[::1",
                "h.example\\@evil",
                "a" * 64 + ".example",
                "fe80::1",
            )
        ),
        ({"topics": []}, "topics"),
        ({"topics": ["weather"]}, "topics[0]"),
        ({"secret": "canary"}, "secret"),
        ({"secret": {"env": "CANARY"}}, "secret.env"),
        ({"secret": {"file": "/etc/canary"}}, "secret.file"),
        ({"secret": {"env": "IPECS_MW_WEBHOOK_A", "file": "webhook.txt"}}, "secret"),
        ({"format": "canary"}, "format"),
        ({"format": {"steps": []}}, "format.steps"),
        (
            {"format": "vtiger", "variables": {"signature": {"file": "/etc/canary"}}},
            "variables.signature.file",
        ),
        ({"format": "vtiger", "variables": {"signature": ["canary"]}}, "variables.signature"),
        ({"variables": {"token": "canary"}}, "variables.token"),
        ({"format": "zammad", "variables": {"users": 1}}, "variables.users"),
        ({"state": "tired"}, "state"),
        ({"_id": "a b"}, "_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named_and_no_secret_is_in_what_is_said(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse(**fields)
    found = [each.facts for each in (caught.value, *caught.value.more)]
    assert path in [facts["path"] for facts in found]
    if "format" not in fields or "variables" in fields:
        assert "canary" not in str([facts["value"] for facts in found])


def test_a_webhook_gets_what_its_topics_filters_and_limits_say() -> None:
    chosen = build_selection(parse(topics=["events"], types=["alarm_raised"]))
    event = {"topics": frozenset({"events"}), "host": "main", "data": {}, "kind": "system"}
    assert chosen.has(Message("event", type="alarm_raised", **event))  # type: ignore[arg-type]
    assert not chosen.has(Message("event", type="report_sent", **event))  # type: ignore[arg-type]
    limited = build_selection(parse(limits={"stations": ["1001"], "sees_numbers": False}))
    call = {"topics": frozenset({"calls"}), "host": "main", "data": {}}
    assert limited.has(Message("call.began", stations=frozenset({"1001"}), **call))  # type: ignore[arg-type]
    assert not limited.has(Message("call.began", stations=frozenset({"1002"}), **call))  # type: ignore[arg-type]
    assert not limited.sees_numbers


def test_a_secret_may_be_kept_elsewhere() -> None:
    for secret in (SECRET, {"env": "IPECS_MW_WEBHOOK_CRM"}, {"file": "$CREDENTIALS_DIRECTORY/webhook-crm"}):
        assert parse(secret=secret).state == "active"
