"""Loading command definitions and code tables from a real MongoDB."""

import json
from typing import Any

import pytest

from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.definitions import load_codes, load_commands
from ipecs_mw.store.server.connection import Store


def test_what_was_seeded_loads_as_it_stands_in_the_files(seeded: Store) -> None:
    commands = load_commands(seeded)
    assert commands.keys() == {command["id"] for command in read_json("commands.json")["commands"]}
    assert commands["smdr.delete"].params[0].place == "raw"
    codes = load_codes(seeded)
    assert codes.rows["ring_types"] == read_json("codes.json")["ring_types"]
    assert codes.find_name("acd_events", 66) == "station_ring"


@pytest.mark.parametrize("load", [load_commands, load_codes])
def test_an_empty_collection_says_to_run_seed(store: Store, load: Any) -> None:
    with pytest.raises(CannotStart) as caught:
        load(store)
    assert caught.value.key == "error.not_seeded"
    assert caught.value.facts["collection"] in ("commands", "codes")


def test_a_command_edited_towards_another_host_is_refused_with_document_and_field(seeded: Store) -> None:
    seeded.database["commands"].update_one({"_id": "logout"}, {"$set": {"path": "//evil.test/x"}})
    with pytest.raises(InvalidDocument) as caught:
        load_commands(seeded)
    assert caught.value.facts["document"] == "commands/logout"
    assert caught.value.facts["path"] == "path"


def test_a_code_table_edited_into_something_else_is_refused_with_its_place(seeded: Store) -> None:
    seeded.database["codes"].update_one({"_id": "ring_types"}, {"$set": {"entries": {"$literal": 1}}})
    with pytest.raises(InvalidDocument) as caught:
        load_codes(seeded)
    assert caught.value.facts["path"] == "ring_types"


@pytest.mark.parametrize(("collection", "load"), [("commands", load_commands), ("codes", load_codes)])
@pytest.mark.parametrize("odd", [{"a": 1}, 5])
def test_an_id_that_is_no_text_is_refused(seeded: Store, collection: str, load: Any, odd: Any) -> None:
    seeded.database[collection].insert_one({"_id": odd})
    with pytest.raises(InvalidDocument) as caught:
        load(seeded)
    facts = {"document": collection, "path": "_id", "value": json.dumps(odd), "allowed": "string"}
    assert caught.value.facts == facts


def test_an_edited_definition_is_the_one_that_is_loaded(seeded: Store) -> None:
    path = "{service}/{version}/users/{user}/call/terminal_list"
    seeded.database["commands"].update_one({"_id": "terminals.get"}, {"$set": {"path": path}})
    assert load_commands(seeded)["terminals.get"].path == path
