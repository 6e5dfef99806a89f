"""Settings: what is allowed, and that a refusal names the field, its value and what is allowed."""

import copy
import json
from typing import Any

import pytest
from msgspec.json import schema
from support import explain

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.addresses import is_address, spell_address
from ipecs_mw.model.configuration.settings import Settings, parse_settings
from ipecs_mw.model.definitions import Command
from ipecs_mw.model.numbering.countries import CALLING_CODES
from ipecs_mw.model.numbering.extensions import expand_numbers
from ipecs_mw.model.schemas import build_collection_schemas, build_config_schema
from ipecs_mw.seeds import read_json, shipped_texts

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
    return {**caught.value.facts, "allowed": explain(caught.value)}


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
        ({"port": "8743"}, "hosts[0].port", "a whole number from 1 to 65535"),
        ({"service": "admin"}, "hosts[0].service", "client, server"),
        ({"name": "a b"}, "hosts[0].name", "a name of letters"),
        ({"name": "../x"}, "hosts[0].name", "a name of letters"),
        ({"timezone": "Mars/Base"}, "hosts[0].timezone", "IANA"),
        ({"timezone": "../../etc/passwd"}, "hosts[0].timezone", "IANA"),
        ({"timezone": "localtime"}, "hosts[0].timezone", "IANA"),
        ({"timezone": "Factory"}, "hosts[0].timezone", "IANA"),
        ({"timezone": "posixrules"}, "hosts[0].timezone", "IANA"),
        ({"formats": {"encoding": "shift-jis"}}, "hosts[0].formats.encoding", "cp949"),
        ({"formats": {"dates": "dym"}}, "hosts[0].formats.dates", "dmy"),
        ({"stream_path": "wss://elsewhere/x"}, "hosts[0].stream_path", "a path that begins with /"),
        ({"stream_path": "/a?b"}, "hosts[0].stream_path", "a path that begins with /"),
        ({"tls": {"verify": "maybe"}}, "hosts[0].tls.verify", "ca, off, pin"),
        ({"tls": {"verify": "pin"}}, "hosts[0].tls.fingerprint_sha256", "fingerprint"),
        ({"tls": {"verify": "pin", "fingerprint_sha256": "ab"}}, "hosts[0].tls.fingerprint_sha256", "64 hex"),
        ({"monitor": ["1099-1000"]}, "hosts[0].monitor[0]", "FIRST"),
        ({"monitor": ["1000", "1-99999999"]}, "hosts[0].monitor[1]", "FIRST"),
        ({"monitor": ["00000000-99999999"]}, "hosts[0].monitor[0]", "10000"),
        ({"presence": ["abc"]}, "hosts[0].presence[0]", "a range such as 1000-1099"),
        ({"smdr": {"delete_after_store": "yes"}}, "hosts[0].smdr.delete_after_store", "true or false"),
        ({"name": "main\n"}, "hosts[0].name", "a name of letters"),
        ({"version": "v1\n"}, "hosts[0].version", "such as v1"),
        ({"monitor": ["1000\n"]}, "hosts[0].monitor[0]", "a range such as 1000-1099"),
        ({"monitor": ["١٠٠٠"]}, "hosts[0].monitor[0]", "a range such as 1000-1099"),
        ({"tls": {"ca_file": "a\0b"}}, "hosts[0].tls.ca_file", "NUL"),
        ({"password": {"file": "a\0b"}}, "hosts[0].password.file", "NUL"),
        ({"color": "red"}, "hosts[0].color", "name, address"),
        ({"user": {"$ne": None}}, "hosts[0].user", "text that is not empty"),
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
        ({"calls": {"retention_days": 0}}, "calls.retention_days"),
        ({"calls": {"machines": ["1099-1000"]}}, "calls.machines[0]"),
        ({"figures": {"groups": {"Sales": {}}}}, "figures.groups.Sales"),
        ({"figures": {"groups": {"620": {"colour": 1}}}}, "figures.groups.620.colour"),
        ({"figures": {"default": {"service_level": {"formula": "x"}}}}, "figures.default.service_level.formula"),
        ({"figures": {"default": {"short_seconds": -1}}}, "figures.default.short_seconds"),
        ({"figures": {"retention_days": "long"}}, "figures.retention_days"),
    ],
)  # fmt: skip
def test_a_wrong_field_at_the_top_is_named(changes: dict[str, Any], path: str) -> None:
    assert refuse({**document(), **changes})["path"] == path


@pytest.mark.parametrize("code", ["999", "0", "+49", "0049", "49 ", "210"])
def test_a_country_code_that_no_country_has_is_refused(code: str) -> None:
    facts = refuse({**document(), "numbers": {"country": code}})
    assert facts["path"] == "numbers.country"
    assert facts["value"] == json.dumps(code)
    assert "the calling code of a country" in facts["allowed"]


def test_a_country_code_is_taken_where_a_country_has_it() -> None:
    for code in ("1", "7", "49", "65", "82", "211", "998", None):
        settings = parse_settings({**document(), "numbers": {"country": code}}, source="x")
        assert settings.numbers.country == code


def test_no_country_code_begins_with_another() -> None:
    assert [
        (one, two) for one in CALLING_CODES for two in CALLING_CODES if one != two and two.startswith(one)
    ] == []


def test_two_groups_cannot_have_one_bin() -> None:
    groups = {"620": {"bin": "7"}, "621": {}, "622": {"bin": "07"}}
    facts = refuse({**document(), "figures": {"groups": groups}})
    assert facts["path"] == "figures.groups.622.bin"
    assert facts["value"] == '"07"'
    assert "group 620 has this one" in facts["allowed"]


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


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.10", "0.0.0.0", "::1", "2001:db8::10", "fe80::1%eth0", "fe80::1%2", "localhost", "pbx", "pbx-1",
        "pbx.example.com", "pbx.example.com.", "x" * 63 + ".example", "3com.example", "my_pbx",
        "xn--bro-hoa.example",
    ],
)  # fmt: skip
def test_an_address_is_a_host_name_or_an_ip_address(address: str) -> None:
    assert is_address(address)
    assert parse_settings(document(address=address), source="x").hosts[0].address == address


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.10/foo", "user@127.0.0.1", "127.0.0.1:8743", "http://127.0.0.1", "a..b", ".a", "127.0.0.1\n",
        "x" * 64, "x" * 64 + ".example", "-a", "a-", "a b", " a", "192.0.2.300", "192.0.2", "1", "[::1]", "::1::",
        "fe80::1%", "fe80::1%a/b", "192.0.2.10%eth0", "pbx%eth0", "büro.example", "a?b", "a#b", "a\0b", "..", "*",
    ],
)  # fmt: skip
def test_what_is_more_or_less_than_an_address_is_refused(address: str) -> None:
    assert not is_address(address)
    assert refuse(document(address=address))["path"] == "hosts[0].address"
    facts = refuse({**document(), "health": {"address": address}})
    assert (facts["path"], facts["value"]) == ("health.address", json.dumps(address, ensure_ascii=False))


def find_patterns(content: Any) -> list[str]:
    if isinstance(content, list):
        return [found for part in content for found in find_patterns(part)]
    if not isinstance(content, dict):
        return []
    own = [content["pattern"]] if isinstance(content.get("pattern"), str) else []
    return own + [found for part in content.values() for found in find_patterns(part)]


def test_no_pattern_lets_a_newline_follow() -> None:
    patterns = find_patterns(schema(Settings)) + find_patterns(schema(Command))
    assert patterns
    assert [pattern for pattern in patterns if not pattern.endswith(r"\Z")] == []


def test_a_schema_spells_patterns_as_editors_read_them_and_lets_a_file_name_it() -> None:
    for content in (build_config_schema(), build_collection_schemas()):
        assert find_patterns(content)
        assert [pattern for pattern in find_patterns(content) if not pattern.endswith("$")] == []
    assert "$schema" in build_config_schema()["$defs"]["Settings"]["properties"]


ONE_HOST = (
    ("PBX.example", "pbx.example", "pbx.example."),
    ("2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0001"),
    ("192.0.2.10", "::ffff:192.0.2.10", "::FFFF:c000:20a"),
    ("fe80::1%eth0", "FE80:0::1%eth0"),
)


@pytest.mark.parametrize("spellings", ONE_HOST)
def test_all_spellings_of_an_address_are_one_and_two_entries_for_it_are_refused(
    spellings: tuple[str, ...],
) -> None:
    assert len({spell_address(spelling) for spelling in spellings}) == 1
    first, *others = spellings
    for other in others:
        content = document(address=first)
        content["hosts"].append({**content["hosts"][0], "name": "other", "address": other})
        assert refuse(content)["path"] == "hosts[1].user"


def test_different_addresses_stay_different() -> None:
    found = {
        spell_address(text) for text in ("pbx", "pbx.example", "fe80::1%eth0", "fe80::1%eth1", "fe80::1")
    }
    assert len(found) == 5


def test_everything_that_is_wrong_is_named_at_once() -> None:
    content = document(port=0, timezone="Mars/Base", tls={"verify": "pin"}, monitor=["x", "9-1"], colour=1)
    content["hosts"].append(
        {**content["hosts"][0], "address": "a b", "password": {"env": "A", "file": CANARY}}
    )
    del content["hosts"][1]["user"]
    content |= {"locale": "english", "events": {"retention_days": "long", "kinds": {}}, "helth": {}}
    with pytest.raises(InvalidDocument) as caught:
        parse_settings(content, source="config/default")
    errors = [caught.value, *caught.value.more]
    named = [str(error.facts["path"]) for error in errors]
    assert len(set(named)) == len(named)
    assert set(named) == {
        *(f"hosts[0].{name}" for name in ("port", "timezone", "tls.fingerprint_sha256", "monitor[0]", "colour")),
        *(f"hosts[1].{name}" for name in ("port", "timezone", "tls.fingerprint_sha256", "monitor[0]", "colour")),
        *("hosts[1].address", "hosts[1].password", "hosts[1].user", "hosts[1].name"),
        *("locale", "events.retention_days", "events.kinds", "helth"),
    }  # fmt: skip
    assert CANARY not in explain(caught.value)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
def test_what_is_allowed_is_said_in_words_of_the_language_and_in_no_pattern(locale: str) -> None:
    content = document(
        name="a b", monitor=["x"], tls={"verify": "pin", "fingerprint_sha256": "ab"}, port=None
    )
    with pytest.raises(InvalidDocument) as caught:
        parse_settings({**content, "locale": "english"}, source="x")
    told = shipped_texts(locale).explain_each(caught.value)
    assert len(told) == 5
    for sentence in told:
        assert not {"^", "$", "\\", "None", "Words"} & set(sentence.split()), sentence
        assert "[0-9" not in sentence
    assert '"a b"' in told[0]
    assert "null" in " ".join(told)
