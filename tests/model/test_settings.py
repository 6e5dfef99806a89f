"""Settings: what is allowed, and that a refusal names the field, its value and what is allowed."""

import copy
from typing import Any

import pytest

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.settings import expand_numbers, parse_settings
from ipecs_mw.seeds import read_json

CANARY = "canary-s3cret"


def document(**host: Any) -> dict[str, Any]:
    content: dict[str, Any] = copy.deepcopy(read_json("config.json"))
    content["hosts"] = [{**content["hosts"][0], **host}]
    return content


def refuse(content: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(InvalidDocument) as caught:
        parse_settings(content, source="config/default")
    assert CANARY not in str(caught.value)
    assert caught.value.facts["document"] == "config/default"
    return caught.value.facts


def test_the_shipped_configuration_is_valid() -> None:
    settings = parse_settings(read_json("config.json"), source="seeds/config.json")
    assert settings.hosts[0].stream_path == "/ipxapi/server/v1/users/{user}/acd"
    assert settings.events.retention_days == 365


def test_what_is_left_out_has_its_default() -> None:
    host = {"name": "a", "address": "x", "user": "u", "password": "p", "timezone": "UTC"}
    settings = parse_settings({"hosts": [host]}, source="x")
    assert (settings.locale, settings.hosts[0].port, settings.hosts[0].tls.verify) == ("en-GB", 8743, "ca")
    assert settings.logging.level == "INFO"


def test_bookkeeping_is_no_setting() -> None:
    content = {
        **document(),
        "_id": "default",
        "revision": 3,
        "updated_at": 1,
        "updated_by": "x",
        "seeded": "y",
    }
    assert parse_settings(content, source="x").locale


@pytest.mark.parametrize(
    ("host", "path", "allowed"),
    [
        ({"port": 0}, "hosts[0].port", "1 to 65535"),
        ({"port": "8743"}, "hosts[0].port", "integer"),
        ({"service": "admin"}, "hosts[0].service", "client, server"),
        ({"name": "a b"}, "hosts[0].name", "string like"),
        ({"name": "../x"}, "hosts[0].name", "string like"),
        ({"timezone": "Mars/Base"}, "hosts[0].timezone", "IANA"),
        ({"timezone": "../../etc/passwd"}, "hosts[0].timezone", "IANA"),
        ({"stream_path": "wss://elsewhere/x"}, "hosts[0].stream_path", "string like"),
        ({"stream_path": "/a?b"}, "hosts[0].stream_path", "string like"),
        ({"tls": {"verify": "maybe"}}, "hosts[0].tls.verify", "ca, off, pin"),
        ({"tls": {"verify": "pin"}}, "hosts[0].tls.fingerprint_sha256", "fingerprint"),
        ({"tls": {"verify": "pin", "fingerprint_sha256": "ab"}}, "hosts[0].tls.fingerprint_sha256", "string"),
        ({"monitor": ["1099-1000"]}, "hosts[0].monitor[0]", "FIRST"),
        ({"monitor": ["1000", "1-99999999"]}, "hosts[0].monitor[1]", "FIRST"),
        ({"monitor": ["00000000-99999999"]}, "hosts[0].monitor[0]", "10000"),
        ({"presence": ["abc"]}, "hosts[0].presence[0]", "string like"),
        ({"smdr": {"delete_after_store": "yes"}}, "hosts[0].smdr.delete_after_store", "true or false"),
        ({"color": "red"}, "hosts[0].color", "name, address"),
        ({"user": {"$ne": None}}, "hosts[0].user", "string"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_host_is_named_with_what_is_allowed(
    host: dict[str, Any], path: str, allowed: str
) -> None:
    facts = refuse(document(**host))
    assert facts["path"] == path
    assert allowed in facts["allowed"]


@pytest.mark.parametrize("missing", ["name", "address", "user", "password", "timezone"])
def test_a_missing_field_is_named(missing: str) -> None:
    content = document()
    del content["hosts"][0][missing]
    assert refuse(content)["path"].endswith(f".{missing}")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"locale": "english"}, "locale"),
        ({"events": {"retention_days": 0}}, "events.retention_days"),
        ({"logging": {"level": "LOUD"}}, "logging.level"),
        ({"hosts": {}}, "hosts"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_field_at_the_top_is_named(changes: dict[str, Any], path: str) -> None:
    assert refuse({**document(), **changes})["path"] == path


def test_two_hosts_cannot_have_one_name() -> None:
    content = document()
    content["hosts"] *= 2
    assert refuse(content)["path"] == "hosts[1].name"


@pytest.mark.parametrize(
    "password",
    [
        {"env": "A", "file": "b"},
        {},
        {"canary": CANARY},
        [CANARY],
        5,
        {"env": [CANARY]},
        {"vault": {"x": CANARY}},
    ],
)
def test_a_password_that_is_none_is_refused_without_being_shown(password: Any) -> None:
    assert "password" in refuse(document(password=password))["path"]


def test_a_password_beside_a_wrong_field_is_not_shown() -> None:
    refuse(document(password=CANARY, port="x"))
    content = document(password=CANARY)
    content["hosts"] = content["hosts"][0]
    refuse(content)


def test_events_can_be_kept_for_ever() -> None:
    content = {**document(), "events": {"retention_days": None}}
    assert parse_settings(content, source="x").events.retention_days is None


@pytest.mark.parametrize(
    ("ranges", "numbers"),
    [
        ([], []),
        (["1200"], ["1200"]),
        (["0098-0101"], ["0098", "0099", "0100", "0101"]),
        (["10-12", "11-13", "10"], ["10", "11", "12", "13"]),
    ],
)
def test_ranges_are_single_numbers_each_once_with_their_zeros(ranges: list[str], numbers: list[str]) -> None:
    assert expand_numbers(ranges) == numbers
