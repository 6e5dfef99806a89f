"""Settings of alarms: each kind with what it goes by, and a refusal that says what is allowed."""

from typing import Any

import pytest
from support import explain

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.configuration.alarm_settings import KINDS, find_emergency_numbers
from ipecs_mw.model.configuration.settings import parse_settings
from ipecs_mw.model.numbering.countries import CALLING_CODES
from ipecs_mw.model.numbering.emergency_numbers import EMERGENCY_NUMBERS
from ipecs_mw.seeds import read_json

MAIL = {"server": "mail.example.com", "sender": "pbx@example.com"}
RIGHT: dict[str, dict[str, Any]] = {
    "emergency_call": {},
    "call_to": {"numbers": ["0900*", "+493012345"]},
    "long_call": {"longer_than_seconds": 3600},
    "trunks_busy": {},
    "waiting": {"more_than_calls": 5},
    "service_level": {"below_percent": 80},
}


def build(*alarms: dict[str, Any], **sections: Any) -> dict[str, Any]:
    content = {**read_json("config.json"), "numbers": {"country": "49"}, "mail": MAIL, **sections}
    content.setdefault("figures", {"trunks": 30})
    content["alarms"] = [{"name": "a", **each} for each in alarms]
    return content


def refuse(content: dict[str, Any]) -> tuple[str, str]:
    """Return the path that is refused, and the whole sentence."""
    with pytest.raises(InvalidDocument) as caught:
        parse_settings(content, source="config/default")
    assert len(explain(caught.value)) < 500
    return str(caught.value.facts["path"]), explain(caught.value)


@pytest.mark.parametrize("when", KINDS)
def test_each_kind_can_be_configured_by_what_it_needs(when: str) -> None:
    alarm = parse_settings(build({"when": when, **RIGHT[when]}), source="x").alarms[0]
    assert (alarm.when, alarm.to, alarm.host) == (when, [], None)


@pytest.mark.parametrize(
    ("alarm", "path", "says"),
    [
        ({"when": "fire"}, "alarms[0].when", "call_to, emergency_call"),
        ({}, "alarms[0].when", "numbers"),
        ({"when": "call_to"}, "alarms[0].numbers", "call_to goes by it"),
        ({"when": "call_to", "numbers": []}, "alarms[0].numbers", "a list, each"),
        ({"when": "call_to", "numbers": ["0*9"]}, "alarms[0].numbers[0]", "such as 112"),
        ({"when": "call_to", "numbers": ["*"]}, "alarms[0].numbers[0]", "such as 112"),
        ({"when": "long_call"}, "alarms[0].longer_than_seconds", "long_call goes by it"),
        ({"when": "long_call", "longer_than_seconds": 0}, "alarms[0].longer_than_seconds", "1 to 86400"),
        ({"when": "waiting"}, "alarms[0].more_than_calls", "more_than_calls, longer_than_seconds"),
        ({"when": "waiting", "more_than_calls": -1}, "alarms[0].more_than_calls", "0 to 10000"),
        ({"when": "service_level"}, "alarms[0].below_percent", "service_level goes by it"),
        ({"when": "service_level", "below_percent": 0.8}, "alarms[0].below_percent", "1 to 100"),
        ({"when": "trunks_busy", "group": "620"}, "alarms[0].group", "null"),
        ({"when": "emergency_call", "below_percent": 5}, "alarms[0].below_percent", "null"),
        ({"when": "emergency_call", "to": ["boss"]}, "alarms[0].to[0]", "a mail address"),
        ({"when": "emergency_call", "host": "nowhere"}, "alarms[0].host", "main"),
        ({"when": "emergency_call", "name": "two words"}, "alarms[0].name", "a name of letters"),
        ({"when": "emergency_call", "color": "red"}, "alarms[0].color", "below_percent"),
    ],
)
def test_a_wrong_alarm_is_refused_with_what_is_allowed(alarm: dict[str, Any], path: str, says: str) -> None:
    found, sentence = refuse(build(alarm))
    assert found == path
    assert says in sentence


@pytest.mark.parametrize("wrong", [5, "x", [5], [None], {"name": "a"}])
def test_what_is_no_list_of_alarms_is_refused(wrong: Any) -> None:
    assert refuse({**build(), "alarms": wrong, "hosts": []})[0].startswith("alarms")


def test_two_alarms_of_one_name_are_refused() -> None:
    path, sentence = refuse(build({"when": "emergency_call"}, {"when": "trunks_busy"}))
    assert path == "alarms[1].name"
    assert "no other alarm" in sentence


def test_an_alarm_that_is_mailed_needs_a_mail_server() -> None:
    alarm = {"when": "emergency_call", "to": ["boss@example.com"]}
    path, sentence = refuse(build(alarm, mail=None))
    assert path == "mail"
    assert "a" in sentence
    assert parse_settings(build({"when": "emergency_call"}, mail=None), source="x").alarms


def test_emergency_numbers_are_those_of_the_country_or_its_own() -> None:
    settings = parse_settings(build({"when": "emergency_call"}), source="x")
    assert find_emergency_numbers(settings.alarms[0], settings.numbers.country) == ("110", "112")
    path, sentence = refuse(build({"when": "emergency_call"}, numbers={}))
    assert path == "alarms[0].numbers"
    assert "numbers.country" in sentence
    own = {"when": "emergency_call", "numbers": ["555"]}
    alarm = parse_settings(build(own, numbers={}), source="x").alarms[0]
    assert find_emergency_numbers(alarm, None) == ("555",)


def test_busy_trunks_need_their_number() -> None:
    path, sentence = refuse(build({"when": "trunks_busy"}, figures={}))
    assert path == "figures.trunks"
    assert "1 to 10000" in sentence


def test_emergency_numbers_are_digits_of_countries_that_there_are() -> None:
    assert EMERGENCY_NUMBERS.keys() <= CALLING_CODES
    assert all(number.isdecimal() for numbers in EMERGENCY_NUMBERS.values() for number in numbers)
    known = {"1": "911", "44": "999", "49": "112", "82": "119", "61": "000", "65": "995"}
    assert all(number in EMERGENCY_NUMBERS[code] for code, number in known.items())
