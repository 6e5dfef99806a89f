"""Missed calls: asking for them, and what people do with them."""

from typing import Any

import pytest
from call_scene import MORNING, OTHER, instant, keep

from ipecs_mw.errors import CommandRefused, NoSuchName
from ipecs_mw.store.calls.missed_query import (
    MissedFilter,
    close_item,
    find_items,
    note_item,
    own_item,
)
from ipecs_mw.store.calls.numbers import read_wanted
from ipecs_mw.store.server.connection import Store

AT = instant(5000)


@pytest.fixture
def item_id(migrated: Store) -> str:
    """The id of the only missed call, which is open."""
    keep(migrated)
    (item,) = find_items(migrated, MissedFilter(state="open"), limit=0)
    return str(item["_id"])


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 1),
        ({"state": "closed"}, 0),
        ({"host": "main", "group": "620"}, 1),
        ({"group": "621"}, 0),
        ({"owner": "kim"}, 0),
    ],
)
def test_each_filter_finds_its_items(
    migrated: Store, item_id: str, fields: dict[str, Any], count: int
) -> None:
    wanted = MissedFilter(**fields)
    assert len(list(find_items(migrated, wanted, limit=0))) == count


def test_an_item_is_found_by_its_number(migrated: Store, item_id: str) -> None:
    wanted = MissedFilter(numbers=read_wanted(migrated, "default", "06 98 76 54 32"))
    assert [item["number"] for item in find_items(migrated, wanted, limit=0)] == [OTHER]


def test_who_closes_an_item_is_said_and_its_history_kept(migrated: Store, item_id: str) -> None:
    own_item(migrated, item_id, "kim", by="lee@pc", at=AT)
    closed = close_item(migrated, item_id[:10], by="kim@pc", at=AT, note="was a wrong number")
    assert (closed["state"], closed["closed_by"], closed["closed_at"]) == ("closed", "kim@pc", AT)
    assert closed["closing"] == {"by": "kim@pc", "at": AT}
    assert (closed["owner"], closed["note"], closed["revision"]) == ("kim", "was a wrong number", 3)
    assert closed["history"] == [
        {"at": AT, "by": "lee@pc", "did": "owned", "text": "kim"},
        {"at": AT, "by": "kim@pc", "did": "closed", "text": "was a wrong number"},
    ]


def test_an_item_is_closed_once(migrated: Store, item_id: str) -> None:
    close_item(migrated, item_id, by="kim@pc", at=AT)
    with pytest.raises(CommandRefused) as raised:
        close_item(migrated, item_id, by="lee@pc", at=AT)
    assert (raised.value.key, raised.value.facts["by"]) == ("error.missed_closed", "kim@pc")
    (item,) = find_items(migrated, MissedFilter(state="closed"), limit=0)
    assert (item["closed_by"], item["revision"]) == ("kim@pc", 2)


def test_an_empty_note_or_owner_is_none(migrated: Store, item_id: str) -> None:
    note_item(migrated, item_id, "asks for an offer", by="kim@pc", at=AT)
    assert own_item(migrated, item_id, "kim", by="kim@pc", at=AT)["note"] == "asks for an offer"
    note_item(migrated, item_id, "", by="kim@pc", at=AT)
    item = own_item(migrated, item_id, "", by="kim@pc", at=AT)
    assert not {"note", "owner"} & item.keys()
    assert [entry["did"] for entry in item["history"]] == ["noted", "owned", "noted", "owned"]


@pytest.mark.parametrize("change", [close_item, note_item, own_item])
def test_an_item_that_is_not_there_is_an_error(migrated: Store, change: Any) -> None:
    keep(migrated, MORNING[:14])
    arguments = () if change is close_item else ("x",)
    with pytest.raises(NoSuchName) as raised:
        change(migrated, "nowhere", *arguments, by="kim@pc", at=AT)
    assert raised.value.key == "error.no_such_missed"
