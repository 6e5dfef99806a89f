"""A number that is erased while a reader has it in mind does not come back, and calls mean what is left."""

from datetime import UTC, datetime
from typing import Any

import pytest
from reading_scene import OPTIONS, assert_same, build_log, insert, read_at_once, read_stored
from support import FakeClock

from ipecs_mw.model.numbering.masking import erase_number
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.erasing import erase_mentions, find_mentions
from ipecs_mw.store.calls.reader import take_over, write_live
from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 3, 3, tzinfo=UTC)
DERIVED = ("calls", "agent_states", "missed", "live")


def begin(store: Store) -> tuple[HostReader, int]:
    """Have a reader go on from what is in MongoDB."""
    reader = HostReader(store, "main", OPTIONS)
    holder = take_over(store, "test", datetime.now(UTC))
    reader.begin()
    return reader, holder


def read_on(store: Store, reader: HostReader, holder: int) -> None:
    """Read all that is there, keep what was read, and keep a moment of each page."""
    reader.is_behind = True
    while reader.is_behind:
        reader.read(400)
        reader.flush(NOW, is_whole=not reader.is_behind)
        if not reader.is_behind:
            documents, is_all = reader.take_live()
            write_live(store, holder, "main", documents, is_whole=is_all)
        reader.save(NOW)


def find_open_caller(store: Store) -> str:
    """Return the number of a caller whose call lasts: the reader has it in mind."""
    for call in store.database["calls"].find({"is_open": True, "direction": "inbound"}):
        if number := (call.get("caller") or {}).get("number"):
            return str(number)
    raise LookupError


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_read_after_an_erasure_is_what_masked_events_mean(
    migrated: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    log = build_log(1, seed, 1)
    part, soon = len(log) // 2, 40
    insert(migrated, log[:part])
    reader, holder = begin(migrated)
    read_on(migrated, reader, holder)
    number = find_open_caller(migrated)
    rest: list[dict[str, Any]] = [erase_number(dict(event), number) for event in log[part:]]

    def keep_reading(*_: Any) -> None:
        insert(migrated, rest[:soon])
        read_on(migrated, reader, holder)  # it has not looked yet whether it is to begin again

    monkeypatch.setattr(clock, "wait", keep_reading)
    moments = migrated.database["reader_states"].count_documents({})
    erase_mentions(migrated, find_mentions(migrated, number), number, clock)
    assert 0 < migrated.database["reader_states"].count_documents({}) < moments
    assert (migrated.database["readers"].find_one() or {})["restarts"] == 2
    reader, holder = begin(migrated)
    insert(migrated, rest[soon:])
    read_on(migrated, reader, holder)
    assert not find_mentions(migrated, number).is_any
    wanted = read_at_once(list(migrated.database["events"].find()))
    assert_same(read_stored(migrated, DERIVED), {name: wanted[name] for name in DERIVED})
