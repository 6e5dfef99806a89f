"""The validators in MongoDB say what the program itself would say, and refuse nothing."""

from typing import Any

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.server.connection import Store


def find_strangers(store: Store, name: str) -> list[Any]:
    """Return the ids of the documents that the collection's validator does not like."""
    options = next(found for found in store.database.list_collections() if found["name"] == name)["options"]
    assert options["validationAction"] == "warn"
    return [found["_id"] for found in store.database[name].find({"$nor": [options["validator"]]}, {"_id": 1})]


@pytest.mark.parametrize("name", ["config", "commands", "codes", "languages", "requests"])
def test_what_ships_pleases_every_validator(seeded: Store, name: str) -> None:
    assert find_strangers(seeded, name) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("config", {"_id": "wrong", "hosts": "none"}),
        ("config", {"_id": "wrong", "hosts": [], "colour": "red"}),
        ("config", {"_id": "wrong", "hosts": [], "figures": {"groups": {"Sales": {}}}}),
        ("config", {"_id": "wrong", "hosts": [], "figures": {"groups": {"620": {"bin": 7}}}}),
        ("commands", {"_id": "wrong", "method": "STEAL"}),
        ("codes", {"_id": "wrong", "entries": [{"code": 1}]}),
        ("languages", {"_id": "wrong", "locale": "en-GB", "key": "a", "text": 5}),
        ("requests", {"_id": "wrong", "command": 5, "state": "queued"}),
        ("requests", {"_id": "wrong", "command": "call.make", "state": "queued", "profile": 5}),
    ],
)
def test_what_is_wrong_is_taken_and_named(seeded: Store, name: str, wrong: dict[str, Any]) -> None:
    seeded.database[name].insert_one(wrong)
    assert find_strangers(seeded, name) == ["wrong"]


def test_groups_please_the_validator(seeded: Store) -> None:
    groups = {"620": {"bin": "07", "service_level": {"formula": "answered"}}, "621": {}}
    seeded.database["config"].insert_one({"_id": "right", "hosts": [], "figures": {"groups": groups}})
    assert find_strangers(seeded, "config") == []


def test_an_older_validator_is_replaced_and_the_same_one_is_left_alone(seeded: Store) -> None:
    seeded.database.command("collMod", "config", validator={})
    put_right(seeded, SystemClock())
    assert find_strangers(seeded, "config") == []
    before = list(seeded.database.list_collections())
    put_right(seeded, SystemClock())
    assert list(seeded.database.list_collections()) == before
