"""Which alarms are raised, by calls, groups and quarter hours alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import convert

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Facts, Judgement, judge
from ipecs_mw.figures.counting.rules import Rule, Rules
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.seeds import shipped_texts

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
GERMANY = NumberSettings(country="49", trunk_prefix="0")


def find(alarm: dict[str, Any], **facts: Any) -> Judgement:
    rule = convert({"name": "a", **alarm}, AlarmSettings)
    return judge(rule, Facts(**{"host": "main", "now": NOW, "plan": GERMANY, **facts}))


def build_call(number: str = "112", **fields: Any) -> dict[str, Any]:
    return {
        "_id": "main:1",
        "host": "main",
        "direction": "outbound",
        "is_open": True,
        "began_at": NOW - timedelta(minutes=1),
        "caller": {"station": "1001"},
        "dialed": {"number": number},
        "trunks": ["001"],
        **fields,
    }


def build_level(answered: int, offered: int, minutes_ago: int = 20, **fields: Any) -> dict[str, Any]:
    """Return a quarter hour of group 620 in which so many were answered at once."""
    return {
        "_id": f"{minutes_ago}",
        "host": "main",
        "kind": "group",
        "group": "620",
        "from": NOW - timedelta(minutes=minutes_ago),
        "offered": offered,
        "answered": answered,
        "waits": {"3": answered},
        "is_complete": True,
        **fields,
    }


def build_percent(whole: int, tenth: int = 0) -> Words:
    return Words("figures.decimal", whole=whole, tenth=tenth)


@pytest.mark.parametrize("number", ["112", "0112", "110", "112#"])
def test_an_emergency_number_is_known_with_and_without_the_outside_prefix(number: str) -> None:
    (alarm,) = find({"when": "emergency_call"}, calls=[build_call(number)]).alarms
    assert (alarm.cause, alarm.until) == ("main:1", None)
    assert alarm.says.facts == {"station": "1001", "number": number}


@pytest.mark.parametrize("number", ["1123", "0301121", "12", "0", "+49112", "911"])
def test_other_numbers_are_none(number: str) -> None:
    assert find({"when": "emergency_call"}, calls=[build_call(number)]) == Judgement()


@pytest.mark.parametrize("direction", ["inbound", "internal", "tandem"])
def test_a_call_that_does_not_go_out_is_none(direction: str) -> None:
    call = build_call(direction=direction, stations=["1001", "112"])
    assert not find({"when": "emergency_call"}, calls=[call]).alarms
    assert not find({"when": "call_to", "numbers": ["112"]}, calls=[call]).alarms


@pytest.mark.parametrize("dialed", [{"number": "112"}, {"station": "112"}])
def test_a_station_that_is_alone_with_an_emergency_number_is_not_taken_for_internal(dialed: Any) -> None:
    call = build_call(direction="internal", stations=["1001"], dialed=dialed, trunks=[])
    assert find({"when": "emergency_call"}, calls=[call]).alarms
    assert not find({"when": "call_to", "numbers": ["112"]}, calls=[call]).alarms
    assert not find({"when": "emergency_call"}, calls=[{**call, "groups": ["112"]}]).alarms


def test_a_call_without_a_number_is_none_and_one_without_a_station_is_one() -> None:
    assert not find({"when": "emergency_call"}, calls=[build_call(dialed={})]).alarms
    (alarm,) = find({"when": "emergency_call"}, calls=[build_call(caller={}, direction="unknown")]).alarms
    assert alarm.says.facts["station"] == "?"


def test_a_call_that_is_over_says_so() -> None:
    ended = NOW - timedelta(seconds=5)
    (alarm,) = find({"when": "emergency_call"}, calls=[build_call(ended_at=ended)]).alarms
    assert alarm.until == ended


@pytest.mark.parametrize(
    ("pattern", "number", "is_meant"),
    [
        ("0900*", "0900123456", True),
        ("0900*", "00900123456", True),
        ("0900*", "0901123456", False),
        ("+44*", "0044201234567", True),
        ("+44*", "00044201234567", True),
        ("+44*", "0301234567", False),
        ("030555014", "+4930555014", True),
        ("+49 30 555014".replace(" ", ""), "0030555014", True),
        ("030555014", "030555015", False),
        ("118*", "11833", True),
    ],
)
def test_numbers_are_compared_in_all_their_spellings(pattern: str, number: str, is_meant: bool) -> None:
    judgement = find({"when": "call_to", "numbers": [pattern]}, calls=[build_call(number)])
    assert bool(judgement.alarms) is is_meant


def test_a_long_call_is_one_that_is_talked_in_longer() -> None:
    rule = {"when": "long_call", "longer_than_seconds": 600}
    waited = build_call(began_at=NOW - timedelta(hours=2))
    assert find(rule, calls=[waited]) == Judgement()
    short = build_call(answered_at=NOW - timedelta(seconds=600))
    assert find(rule, calls=[short]) == Judgement()
    long = build_call("0301", answered_at=NOW - timedelta(seconds=601))
    (alarm,) = find(rule, calls=[long]).alarms
    assert (alarm.says.facts["station"], alarm.says.facts["number"]) == ("1001", "0301")
    assert find(rule, calls=[long], is_live=False) == Judgement(is_known=False)
    assert not find({**rule, "group": "620"}, calls=[long]).alarms
    over = {**long, "answered_at": NOW - timedelta(hours=2), "ended_at": NOW - timedelta(hours=1)}
    assert find(rule, calls=[over], is_live=False).alarms[0].until == NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("seconds", "locale", "limit"),
    [
        (5, "en-GB", "5 s"),
        (60, "en-GB", "1 min"),
        (90, "en-GB", "90 s"),
        (7200, "en-GB", "120 min"),
        (5, "de-DE", "5 s"),
        (600, "de-DE", "10 min"),
        (5, "ko-KR", "5초"),
        (600, "ko-KR", "10분"),
    ],
)
def test_a_long_call_is_told_with_the_limit_as_it_is(seconds: int, locale: str, limit: str) -> None:
    call = build_call(answered_at=NOW - timedelta(hours=3))
    (alarm,) = find({"when": "long_call", "longer_than_seconds": seconds}, calls=[call]).alarms
    said = shipped_texts().speak(locale).say(alarm.says)
    assert f" {limit}" in said
    assert said.count(limit) == 1


def test_trunks_are_busy_once_all_are_used_at_the_same_time() -> None:
    calls = [build_call(_id="1", trunks=["001"]), build_call(_id="2", trunks=["002", "003"])]
    assert find({"when": "trunks_busy"}, calls=calls, trunks=4) == Judgement()
    assert [each.cause for each in find({"when": "trunks_busy"}, calls=calls, trunks=3).alarms] == ["trunks"]
    calls[0] |= {"is_open": False}
    assert find({"when": "trunks_busy"}, calls=calls, trunks=3) == Judgement()
    assert not find({"when": "trunks_busy"}, calls=calls, trunks=3, is_live=False).is_known


def test_a_group_waits_too_much_or_too_long() -> None:
    group = {"group": "620", "waiting": 3, "longest_wait_since": NOW - timedelta(seconds=90)}
    other = {"group": "621", "agents": {"ready": 1}}
    facts: dict[str, Any] = {"groups": [group, other]}
    assert not find({"when": "waiting", "more_than_calls": 3}, **facts).alarms
    assert find({"when": "waiting", "more_than_calls": 2}, **facts).alarms[0].cause == "620"
    assert not find({"when": "waiting", "longer_than_seconds": 90}, **facts).alarms
    (alarm,) = find({"when": "waiting", "longer_than_seconds": 89, "more_than_calls": 9}, **facts).alarms
    assert alarm.says.facts == {"group": "620", "waiting": 3, "seconds": 90}
    assert not find({"when": "waiting", "more_than_calls": 2, "group": "621"}, **facts).alarms


def test_what_nobody_can_know_is_no_alarm_and_no_end_of_one() -> None:
    group = {"group": "620", "waiting": 3, "unseen": 1}
    unknown = Judgement(is_known=False)
    assert find({"when": "waiting", "more_than_calls": 0}, groups=[group]) == unknown
    assert (
        find({"when": "waiting", "more_than_calls": 0}, groups=[{**group, "unseen": 0}], is_live=False)
        == unknown
    )
    assert find({"when": "service_level", "below_percent": 80}) == unknown


def test_a_service_level_below_its_goal_is_told_once_the_quarter_is_over() -> None:
    rule = {"when": "service_level", "below_percent": 80}
    level = build_level(7, 10)  # from 10:00 until 10:15
    (alarm,) = find(rule, levels=[level], as_of=NOW).alarms
    assert (alarm.cause, alarm.since) == ("620", NOW - timedelta(minutes=20))
    assert alarm.says.facts == {
        "group": "620",
        "percent": build_percent(70),
        "calls": 10,
        "goal": 80,
        "seconds": 20,
    }
    assert find(rule, levels=[build_level(8, 10)], as_of=NOW) == Judgement()
    early = (
        NOW - timedelta(minutes=5) + timedelta(seconds=19)
    )  # calls of its last second may still be in time
    assert find(rule, levels=[level], as_of=early) == Judgement()
    assert find(rule, levels=[level], as_of=early + timedelta(seconds=1)).alarms
    assert find({**rule, "group": "621"}, levels=[level], as_of=NOW) == Judgement()


def test_a_few_calls_are_no_service_level() -> None:
    rule = {"when": "service_level", "below_percent": 80}
    assert not find(rule, levels=[build_level(0, 4)], as_of=NOW).alarms
    assert find(rule, levels=[build_level(0, 5)], as_of=NOW).alarms
    assert find({**rule, "at_least_calls": 4}, levels=[build_level(0, 4)], as_of=NOW).alarms


def test_a_service_level_goes_by_the_rule_of_the_group() -> None:
    rules = Rules({"620": Rule("answered", 2)})
    rule = {"when": "service_level", "below_percent": 80}
    (alarm,) = find(rule, levels=[build_level(9, 10)], as_of=NOW, rules=rules).alarms
    assert (alarm.says.facts["percent"], alarm.says.facts["seconds"]) == (build_percent(0), 2)


def test_a_service_level_just_below_its_goal_does_not_read_as_the_goal() -> None:
    rule = {"when": "service_level", "below_percent": 80}
    (alarm,) = find(rule, levels=[build_level(1999, 2500)], as_of=NOW).alarms
    assert alarm.says.facts["percent"] == build_percent(79, 9)
    assert "79,9 %" in shipped_texts().speak("de-DE").say(alarm.says)


def test_a_service_level_that_is_its_goal_raises_no_alarm() -> None:
    for goal in range(1, 101):
        rule = {"when": "service_level", "below_percent": goal}
        assert find(rule, levels=[build_level(goal, 100)], as_of=NOW) == Judgement(), goal


def test_a_quarter_with_a_gap_or_of_long_ago_says_nothing() -> None:
    rule = {"when": "service_level", "below_percent": 80}
    assert not find(rule, levels=[build_level(0, 10, gap_seconds=3)], as_of=NOW).is_known
    later = {"now": NOW + timedelta(hours=1), "as_of": NOW}
    assert find(rule, levels=[build_level(0, 10)], **later) == Judgement(is_known=False)
