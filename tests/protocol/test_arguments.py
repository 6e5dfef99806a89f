"""Arguments of a command as the wire wants them, and what is refused before anything is sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ipecs_mw.errors import CommandRefused
from ipecs_mw.model.definitions import Command, parse_command
from ipecs_mw.protocol.arguments import check_arguments, describe, join_results, split_arguments
from ipecs_mw.seeds import read_json

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
DEEP = "[" * 100_000


def command(kind: str, **rules: Any) -> Command:
    parameter = {"name": "x", "type": kind, "in": "body", **rules}
    return parse_command(
        {
            "id": "test", "method": "POST", "path": "{service}/x", "services": ["server"], "family": "cti",
            "auth": "bearer", "is_safe": True, "params": [parameter],
        }
    )  # fmt: skip


def refuse(definition: Command, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(CommandRefused) as caught:
        check_arguments(definition, arguments)
    assert caught.value.facts["family"] == "arguments"
    assert caught.value.facts["code"] is None
    return caught.value.facts


@pytest.mark.parametrize(
    ("kind", "given", "wire"),
    [
        ("posint", 5, 5),
        ("posint", "5", 5),
        ("posint", " 007 ", 7),
        ("posint", 0, 0),
        ("posint", 10**18 - 1, 10**18 - 1),
        ("int", "-12", -12),
        ("digits", "0042", "0042"),
        ("digits", 42, "42"),
        ("digits", " 1001 ", "1001"),
        ("digits", "1" * 32, "1" * 32),
        ("dial", "*9#0123", "*9#0123"),
        ("dial", 123, "123"),
        ("digits[]", ["1000", 1001], ["1000", "1001"]),
        ("digits[]", "1000-1002", ["1000", "1001", "1002"]),
        ("digits[]", "1000,1001 1000", ["1000", "1001"]),
        ("digits[]", ("007-009",), ["007", "008", "009"]),
        ("string", "pass word", "pass word"),
        ("string", 12, "12"),
        ("string", "홍", "홍"),
        ("string", "x" * 256, "x" * 256),
        ("bool", True, "true"),
        ("bool", "No", "false"),
        ("bool", 1, "true"),
        ("query", {"$>": {"Index": 1}}, {"$>": {"Index": 1}}),
        ("query", '{"StationNumber": "1001"}', {"StationNumber": "1001"}),
        ("query", {}, {}),
    ],
)
def test_a_value_becomes_what_the_wire_wants(kind: str, given: Any, wire: Any) -> None:
    assert check_arguments(command(kind), {"x": given}) == {"x": wire}


class Unsendable:
    """What no JSON holds; its name in a report is the same in every process."""

    def __repr__(self) -> str:
        return "Unsendable()"


DIGITS = "digits (0-9, 1 to 32 of them)"
NUMERIC = ("posint", "int", "digits", "dial", "digits[]")
DAY = datetime(2026, 11, 24, tzinfo=UTC)
OPERATORS: list[Any] = [{"$ne": None}, {"$gt": ""}, ["$ne"], {}, [], [[]], Unsendable(), DAY]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, value) for kind in ("posint", "int", "digits", "dial", "string", "bool") for value in OPERATORS),
        *((kind, value) for kind in NUMERIC for value in (True, 1.5, "", "a", "٣")),
        ("posint", -1),
        ("posint", 10**18),
        ("posint", "1e3"),
        ("int", float("inf")),
        ("digits", "1" * 33),
        ("digits", "+491234"),
        ("digits", "1001\n1002"),
        ("digits", -5),
        ("dial", "1,2"),
        ("dial", "1;2"),
        ("digits[]", []),
        ("digits[]", [True]),
        ("digits[]", ["1000", {"$ne": None}]),
        ("digits[]", {"$ne": None}),
        ("digits[]", ["1002-1000"]),
        ("digits[]", "1000-"),
        ("digits[]", "1-10001"),
        ("digits[]", ["1-9999999", "9999999-1"]),
        ("string", ""),
        ("string", "x" * 257),
        ("string", "a\ud800"),
        ("string", True),
        ("string", 1.5),
        ("bool", "maybe"),
        ("bool", 2),
        ("query", "[1]"),
        ("query", "{"),
        ("query", 5),
        ("query", DEEP),
        ("query", '{"a": NaN}'),
        ("query", {"a": "\ud800"}),
        ("query", {"StartTime": datetime.now(UTC)}),
        ("query", {"a": Unsendable()}),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_what_is_allowed(kind: str, value: Any) -> None:
    facts = refuse(command(kind), x=value)
    assert (facts["name"], facts["argument"]) == ("argument_value", "x")
    assert facts["allowed"].partition(" (")[0] == kind
    assert facts["value"] == repr(value)[:100]


@pytest.mark.parametrize(
    ("kind", "rules", "good", "bad", "allowed"),
    [
        ("int", {"min": 0, "max": 9}, ("0", 9), ("-1", 10), "int >= 0 <= 9"),
        ("posint", {"max": 200}, (1, "200"), (201,), "posint (from 0) <= 200"),
        ("digits", {"pattern": "^[0-9]{4}$"}, ("0042",), ("42", "00042"), f"{DIGITS} ^[0-9]{{4}}$"),
        ("dial", {"pattern": "[0-9*#]"}, ("*", 1), ("**", "12"), "dial (0-9 * # +, 1 to 32 of them) [0-9*#]"),
        ("enum", {"enum": ["on", "off"]}, ("on",), ("On", "on ", True, {"$ne": "on"}, ["on"], ""), "on, off"),
    ],
)
def test_bounds_patterns_and_choices_hold(
    kind: str, rules: dict[str, Any], good: tuple[Any, ...], bad: tuple[Any, ...], allowed: str
) -> None:
    definition = command(kind, **rules)
    for value in good:
        assert str(check_arguments(definition, {"x": value})["x"]) == str(value)
    for value in bad:
        assert refuse(definition, x=value)["allowed"] == allowed


def test_what_is_not_given_is_left_out_or_missed() -> None:
    assert check_arguments(command("int"), {}) == {}
    assert check_arguments(command("int"), {"x": None}) == {}
    assert check_arguments(COMMANDS["smdr.get"], {}) == {}, "defaults stay the host's"
    for given in ({}, {"x": None}):
        facts = refuse(command("int", required=True), **given)
        assert (facts["name"], facts["argument"], facts["allowed"]) == ("argument_missing", "x", "int")


def test_an_argument_that_the_command_does_not_have_is_named_beside_those_it_has() -> None:
    facts = refuse(COMMANDS["call.make"], deviceNumber="1000", calledDN="1", **{"$where": "1"})
    assert (facts["name"], facts["argument"]) == ("argument_unknown", "$where")
    assert facts["allowed"] == "deviceNumber, calledDN, transactionID"
    assert refuse(COMMANDS["logout"], x=1)["allowed"] == "-"


@pytest.mark.parametrize(
    "arguments",
    [
        {"roomPwd": ["canary-pwd"]},
        {"roomPwd": "canary-pwd" * 30},
        {"roomPwd": {"$ne": "canary-pwd"}},
        {"roompwd": "canary-pwd"},
    ],
)
def test_a_secret_is_not_shown_where_it_is_refused(arguments: dict[str, Any]) -> None:
    facts = refuse(COMMANDS["confroom.set"], deviceNumber="1000", roomIndex=1, roomUsage="true", **arguments)
    assert facts["value"] == "***"
    assert "canary" not in repr(facts)


def test_a_long_value_is_shown_in_part() -> None:
    assert len(refuse(command("int"), x="9" * 5000)["value"]) == 100


def test_more_numbers_than_a_request_takes_are_split_in_order() -> None:
    definition = COMMANDS["monitor.start"]
    checked = check_arguments(definition, {"deviceNumber": "1000-1249", "transactionID": 7})
    parts = split_arguments(definition, checked)
    assert [len(part["deviceNumber"]) for part in parts] == [100, 100, 50]
    assert [number for part in parts for number in part["deviceNumber"]] == [
        str(n) for n in range(1000, 1250)
    ]
    assert {part["transactionID"] for part in parts} == {7}
    shown = describe(definition.params[0])
    assert shown == "digits[] (numbers and ranges such as 1000-1099) (100 a request; more are split)"


@pytest.mark.parametrize("count", [1, 99, 100])
def test_what_a_request_takes_stays_one(count: int) -> None:
    checked = {"deviceNumber": [str(n) for n in range(count)]}
    assert split_arguments(COMMANDS["monitor.start"], checked) == [checked]
    assert split_arguments(COMMANDS["checkconnection"], {}) == [{}]


@pytest.mark.parametrize(
    ("results", "joined"),
    [
        ([], None),
        ([None], None),
        ([{"result": [1]}], {"result": [1]}),
        ([{"result": [1]}, {"result": [2]}, {"result": [3]}], {"result": [1, 2, 3]}),
        ([{"result": [1], "id": 7}, {"result": [2], "id": 7}], {"result": [1, 2], "id": 7}),
        ([{"result": [1]}, {"other": 2}], {"result": [1], "other": 2}),
    ],
)  # fmt: skip
def test_results_of_what_was_split_are_one(results: list[Any], joined: Any) -> None:
    first = repr(results)
    assert join_results(results) == joined
    assert repr(results) == first, "what was given stays as it was"
