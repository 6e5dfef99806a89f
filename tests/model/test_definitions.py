"""Command definitions and code tables: what is read, and what is refused and where."""

import json
from typing import Any

import pytest
from support import explain

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.definitions import AcdEvent, CallEvent, FieldEntry, parse_codes, parse_command
from ipecs_mw.seeds import read_json

COMMAND: dict[str, Any] = {
    "id": "call.make",
    "method": "POST",
    "path": "{service}/{version}/users/{user}/call/make",
    "services": ["server"],
    "family": "cti",
    "auth": "bearer",
    "is_safe": False,
    "params": [{"name": "deviceNumber", "type": "digits", "in": "body", "required": True}],
}
CODES: dict[str, Any] = read_json("codes.json")


def parameter(**fields: Any) -> dict[str, Any]:
    return {"params": [{"name": "x", "type": "string", "in": "body", **fields}]}


def acd_event(**fields: Any) -> dict[str, Any]:
    return {"acd_events": [{"code": 1, "name": "x", "wire": "X", "call_ref": "never", **fields}]}


def call_field(**fields: Any) -> dict[str, Any]:
    return {"call_fields": [{"code": "a", "name": "a", "as": "text", **fields}]}


def test_every_shipped_command_is_valid() -> None:
    commands = [parse_command(document) for document in read_json("commands.json")["commands"]]
    assert len({command.id for command in commands}) == 44
    assert not {command.error_table for command in commands} - CODES.keys()


def test_the_shipped_code_tables_are_valid_and_give_back_the_rows_they_were_read_from() -> None:
    codes = parse_codes(CODES)
    assert isinstance(codes.find("acd_events", 66), AcdEvent)
    assert isinstance(codes.find("call_events", "muteon"), CallEvent)
    assert isinstance(codes.find("call_fields", "callRefID"), FieldEntry)
    assert codes.find_name("errors_cti", 101) == "generic"
    assert codes.find_name("errors_cti", 9999) is None
    assert codes.find_name("no_such_table", 1) is None
    assert codes.rows["acd_events"] == CODES["acd_events"]
    assert codes.rows["smdr_fields"] == CODES["smdr_fields"]


def test_a_command_reads_the_same_from_mongodb_as_from_its_seed_file() -> None:
    stored = {
        **{name: value for name, value in COMMAND.items() if name != "id"},
        "_id": "call.make",
        "seeded": "…",
    }
    assert parse_command(stored) == parse_command(COMMAND)


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"method": "PATCH"}, "method", "DELETE, GET, POST, PUT"),
        ({"method": {"$ne": None}}, "method", "DELETE, GET, POST, PUT"),
        ({"services": ["proxy"]}, "services[0]", "client, server"),
        ({"services": []}, "services", "client, server"),
        ({"auth": "digest"}, "auth", "basic, bearer"),
        ({"is_safe": "yes"}, "is_safe", "true or false"),
        ({"family": 3}, "family", "letters"),
        ({"id": "no spaces"}, "id", "letters"),
        ({"retries": 3}, "retries", "method"),
        ({"params": {"name": "x"}}, "params", "list"),
        (parameter(type="float"), "params[0].type", "posint"),
        (parameter(**{"in": "header"}), "params[0].in", "query"),
        (parameter(colour=1), "params[0].colour", "pattern"),
        (parameter(name="a b"), "params[0].name", "letters"),
        (parameter(type="enum"), "params[0].enum", "values"),
        (parameter(enum=["a"]), "params[0].enum", "type enum"),
        (parameter(type="enum", enum=["a", "a"]), "params[0].enum", "once"),
        (parameter(type="int", min=9, max=1), "params[0].min", "max"),
        (parameter(min=1), "params[0].min", "posint"),
        (parameter(pattern="(["), "params[0].pattern", "regular expression"),
        (parameter(pattern="a{4294967295}"), "params[0].pattern", "regular expression"),
        (parameter(pattern="(" * 5000 + ")" * 5000), "params[0].pattern", "regular expression"),
        (parameter(max_items=3), "params[0].max_items", "digits[]"),
        ({"params": COMMAND["params"] * 2}, "params[1].name", "no other parameter"),
        ({"params": [*parameter(**{"in": "raw"})["params"], *COMMAND["params"]]}, "params[0].in", "body"),
        (parameter(**{"in": "path"}), "path", "{x}"),
    ],
)
def test_a_wrong_field_of_a_command_is_refused_with_its_place(
    change: dict[str, Any], path: str, allowed: str
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_command({**COMMAND, **change})
    assert caught.value.facts["path"] == path
    assert allowed in explain(caught.value)
    assert str(caught.value.facts["document"]).startswith("commands/")


@pytest.mark.parametrize("field", ["method", "path", "services", "family", "auth", "is_safe"])
def test_a_command_without_a_needed_field_is_refused(field: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_command({name: value for name, value in COMMAND.items() if name != field})
    assert (caught.value.key, caught.value.facts["path"]) == ("error.field_missing", field)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/ipxapi",
        "//other.host/x",
        "https://other.host/x",
        "other.host:8743/x",
        "user@other.host/x",
        "{service}/../admin",
        "{service}/./admin",
        "{service}//admin",
        "{service}/%2e%2e/admin",
        "{service}\\..\\admin",
        "{service}/login?x=1",
        "{service}/login#x",
        "{service}/lo gin",
        "{service}/login\n",
        "{service}/login/",
        "{host}/login",
        "{service}/{}",
        "{service}/{user!r}",
        "{service}/{user.__class__}",
        "{service}/x{user}",
        "{deviceNumber}/x",
    ],
)
def test_a_path_that_could_lead_anywhere_but_below_the_base_uri_is_refused(path: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_command({**COMMAND, "path": path})
    assert caught.value.facts["path"] == "path"
    assert caught.value.facts["value"] == json.dumps(path)


def test_a_parameter_may_stand_in_the_path_where_it_says_so() -> None:
    command = parse_command(
        {**COMMAND, "path": "{service}/calls/{x}", **parameter(type="posint", **{"in": "path"})}
    )
    assert command.params[0].place == "path"


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"acd_events": {"code": 1}}, "acd_events", "list"),
        ({"acd_events": [3]}, "acd_events[0]", "code"),
        (acd_event(code="1"), "acd_events[0].code", "a whole number"),
        (acd_event(call_ref="often"), "acd_events[0].call_ref", "never"),
        (acd_event(data1={"name": "g", "as": "y"}), "acd_events[0].data1.as", "keypad"),
        (
            acd_event(data1={"name": "g", "as": "int", "lookup": "y"}),
            "acd_events[0].data1.lookup",
            "ring_types",
        ),
        (call_field(name="a.b"), "call_fields[0].name", "letters"),
        (call_field(lookup="nowhere"), "call_fields[0].lookup", "ring_types"),
        (call_field(role="boss"), "call_fields[0].role", "station"),
        (
            {"call_events": [{"code": "a", "name": "a", "renamed_by": {"x": "b"}}]},
            "call_events[0].renamed_by.x",
            "call event",
        ),
        (
            {"ring_types": [{"code": 1, "name": "a"}, {"code": 1, "name": "b"}]},
            "ring_types[1].code",
            "no other",
        ),
        (
            {"ring_types": [{"code": 1, "name": "a"}, {"code": "1", "name": "b"}]},
            "ring_types[1].code",
            "no other",
        ),
        ({"ring_types": [{"code": 1.5, "name": "a"}]}, "ring_types[0].code", "whole number"),
        ({"Ring types": []}, "$", "letters"),
    ],
)
def test_a_wrong_row_of_a_code_table_is_refused_with_its_place(
    change: dict[str, Any], path: str, allowed: str
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_codes({**CODES, **change})
    assert caught.value.facts["path"] == path
    assert allowed in explain(caught.value)


@pytest.mark.parametrize(
    "table", ["acd_events", "call_events", "call_fields", "smdr_fields", "errors_common"]
)
def test_code_tables_without_a_needed_one_are_refused(table: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_codes({name: entries for name, entries in CODES.items() if name != table})
    assert (caught.value.key, caught.value.facts["path"]) == ("error.field_missing", table)
