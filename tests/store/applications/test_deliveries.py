"""Deliveries as MongoDB keeps them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ipecs_mw.store.applications.deliveries import (
    Delivery,
    Noted,
    Tried,
    find_captured,
    find_due,
    keep_deliveries,
    list_deliveries,
    name_delivery,
    note_all,
    send_again,
    set_old_aside,
)
from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def make(number: int, *, call: str = "", **fields: Any) -> Delivery:
    content = {"data": {"id": call}, "next_at": NOW, **fields}
    return Delivery(f"msg_{number}", "crm", f"{number:04}", "call.changed", "main", NOW, call=call, **content)


def due(store: Store, *but: str) -> list[str]:
    return [each.id for each in find_due(store, "crm", NOW, limit=10, but=but)]


def test_a_delivery_that_is_there_stays_as_it_is(migrated: Store) -> None:
    keep_deliveries(migrated, [make(1)])
    note_all(migrated, [Noted(make(1), "delivered", tried=Tried(NOW, 0.1, 204), at=NOW, delete_at=NOW)])
    keep_deliveries(migrated, [make(1), make(2)])
    assert [each["state"] for each in list_deliveries(migrated, "crm")] == ["waiting", "delivered"]


@pytest.mark.parametrize(
    "value", ["x" * 16_800_000, 2**70, "\ud800"], ids=["too long", "too large", "no text"]
)
def test_what_mongodb_cannot_keep_is_set_aside_and_holds_up_no_other(migrated: Store, value: Any) -> None:
    keep_deliveries(migrated, [make(1), make(2, data={"value": value}), make(3)])
    assert due(migrated) == ["msg_1", "msg_3"]
    (aside,) = list_deliveries(migrated, "crm", state="set_aside", with_data=True)
    assert (aside["id"], aside["data"]) == ("msg_2", {})


def test_a_later_message_of_a_call_waits_for_the_earlier_ones(migrated: Store) -> None:
    later = NOW + timedelta(minutes=5)
    calls = [
        make(1, call="a", next_at=later),
        make(2, call="a"),
        make(3, call="b"),
        make(4, call="b"),
        make(5),
    ]
    keep_deliveries(migrated, calls)
    assert due(migrated) == ["msg_3", "msg_4", "msg_5"]
    assert due(migrated, "msg_3") == ["msg_5"]
    note_all(migrated, [Noted(calls[0], "set_aside", reason="500", at=NOW, delete_at=later)])
    assert due(migrated) == ["msg_2", "msg_3", "msg_4", "msg_5"]


def test_a_try_is_noted_once(migrated: Store) -> None:
    keep_deliveries(migrated, [make(1)])
    for status in (500, 503):
        note_all(migrated, [Noted(make(1), "waiting", tried=Tried(NOW, 0.1, status), next_at=NOW)])
    (found,) = list_deliveries(migrated, "crm")
    assert (found["tries"], [each["status"] for each in found["attempts"]]) == (1, [500])


def test_what_was_captured_last_counts_for_later_messages_of_the_call(migrated: Store) -> None:
    first, second = make(1, call="a"), make(2, call="a")
    keep_deliveries(migrated, [first, second])
    for each, captured in ((first, {"id": 7, "shown": "1001"}), (second, {"shown": ""})):
        note_all(migrated, [Noted(each, "delivered", captured=captured, at=NOW, delete_at=NOW)])
    assert find_captured(migrated, "crm", "a", "0002") == {"id": 7, "shown": "1001"}
    assert find_captured(migrated, "crm", "a", "9999") == {"id": 7}
    assert find_captured(migrated, "crm", "b", "9999") == {}


def test_what_is_sent_again_is_what_was_set_aside_or_named(migrated: Store) -> None:
    keep_deliveries(migrated, [make(1), make(2), make(3)])
    note_all(migrated, [Noted(make(1), "delivered", at=NOW, delete_at=NOW)])
    assert set_old_aside(migrated, "crm", NOW + timedelta(days=1), "old", NOW, NOW) == 2
    assert send_again(migrated, "crm", NOW, since=NOW + timedelta(days=1)) == 0
    assert send_again(migrated, "crm", NOW) == 2
    assert send_again(migrated, "crm", NOW, ids=["msg_1", "msg_2"]) == 1
    assert due(migrated) == ["msg_1", "msg_2", "msg_3"]


def test_the_id_of_a_delivery_follows_from_what_it_tells() -> None:
    assert name_delivery("a", "b", "c", "d", "") == name_delivery("a", "b", "c", "d", "")
    assert name_delivery("a", "b", "c", "d", "") != name_delivery("ab", "", "c", "d", "")
