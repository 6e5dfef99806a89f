"""Calls that a former version read are found by their names too, wherever the filling in was cut off."""

import threading
from typing import Any

import pytest
from bson import encode
from bson.raw_bson import RawBSONDocument
from call_scene import OTHER, keep
from odd_documents import FAR
from sites import wait_until
from support import FakeClock

from ipecs_mw.service.readers.name_filler import fill_names
from ipecs_mw.store.calls import names
from ipecs_mw.store.calls.call_query import CallFilter, find_calls
from ipecs_mw.store.calls.erasing import erase_mentions, find_mentions
from ipecs_mw.store.calls.names import fill_next, read_name
from ipecs_mw.store.server.connection import Store

BROKEN = encode({"_id": "e", "caller": {"name": "Kim?"}}).replace(b"?", b"\xff")
"""A document whose text is no UTF-8."""


@pytest.fixture
def former(migrated: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Calls as the version before this one left them, gone through two at a time."""
    keep(migrated)
    migrated.database["calls"].update_many({}, {"$unset": {"found_by": ""}})
    monkeypatch.setattr(names, "_BATCH", 2)
    return migrated


def read_all(store: Store) -> list[dict[str, Any]]:
    return list(store.database["calls"].find().sort("_id", 1))


def find(store: Store, name: str) -> list[int]:
    wanted = CallFilter(words=read_name(name))
    return [call["call_refs"][0] for call in find_calls(store, wanted, limit=0)]


def test_former_calls_become_what_the_reader_makes_of_them_now(former: Store, store: Store) -> None:
    assert find(former, "kim") == []
    while fill_next(former):
        pass
    assert find(former, "kim") == [12, 7]
    filled = read_all(former)
    for name in ("events", "calls", "agent_states", "live", "missed"):
        store.database[name].delete_many({})
    keep(store)
    assert filled == read_all(store)  # so that `rebuild --check` finds no difference


def test_each_step_goes_on_where_the_last_one_ended(former: Store) -> None:
    steps = 1
    while fill_next(former):
        steps += 1
    assert steps == 1 + len(read_all(former)) // 2
    former.database["calls"].update_many({}, {"$unset": {"found_by": ""}})
    assert not fill_next(former)
    assert find(former, "kim") == []  # all is done, and none is gone through again


@pytest.mark.parametrize(
    "odd",
    [
        {"_id": 1}, {"_id": 2}, {"_id": "a", "caller": [1, {"name": "Kim"}]}, {"_id": "b", "caller": "Kim"},
        {"_id": "c", "caller": {"name": ["Kim"]}}, {"_id": "d", "caller": {"name": "Kim"}, "began_at": FAR},
        RawBSONDocument(BROKEN),
    ],
    ids=str,
)  # fmt: skip
def test_a_document_of_somebody_else_holds_up_none_of_ours(former: Store, odd: Any) -> None:
    calls = former.database["calls"]
    calls.insert_many([odd, {"_id": 3}, {"_id": 4}], bypass_document_validation=True)
    while fill_next(former):
        pass
    assert calls.count_documents({"found_by": "kim", "call_refs": {"$in": [12, 7]}}) == 2


def test_what_others_write_meanwhile_stays(former: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = names.list_beginnings

    def erase_first(call: dict[str, Any]) -> Any:
        monkeypatch.setattr(names, "list_beginnings", real)
        erase_mentions(former, find_mentions(former, OTHER), OTHER, FakeClock())
        return real(call)

    monkeypatch.setattr(names, "_BATCH", 100)
    monkeypatch.setattr(names, "list_beginnings", erase_first)
    fill_next(former)
    assert find(former, "lee") == []
    assert find(former, "kim") == [12, 7]


def test_it_is_done_by_the_daemon_that_reads_calls_and_then_it_ends(former: Store) -> None:
    is_reader, stop = threading.Event(), threading.Event()
    clock = FakeClock()
    filling = threading.Thread(target=fill_names, args=(former, is_reader.is_set, clock, stop), daemon=True)
    filling.start()
    wait_until(lambda: clock.waits)
    assert find(former, "kim") == []
    is_reader.set()
    filling.join(20)
    assert not filling.is_alive()
    assert find(former, "kim") == [12, 7]
