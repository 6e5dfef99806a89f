"""What a reader keeps of itself is bounded in both directions: as it is stored, and as it was in mind."""

from datetime import UTC, datetime

import pytest

from ipecs_mw.store.calls import moments
from ipecs_mw.store.calls.moments import Moment, find_moment, save_moment
from ipecs_mw.store.server.connection import Store

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ORDER = "0000000000000001:000000000001:1"


def build(data: bytes, read_as: str = "one") -> Moment:
    return Moment("main", ORDER, AT, {"aaaa": 1}, data, read_as)


def test_a_moment_comes_back_to_who_reads_by_the_same_options(migrated: Store) -> None:
    assert save_moment(migrated, build(b"what is in mind"))
    assert find_moment(migrated, "main", read_as="one") == build(b"what is in mind")
    assert find_moment(migrated, "main") == build(b"what is in mind")
    assert find_moment(migrated, "main", read_as="another") is None


def test_what_unpacks_to_more_than_a_reader_keeps_is_not_unpacked(
    migrated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert save_moment(migrated, build(bytes(100_000)))
    monkeypatch.setattr(moments, "_MOST_BYTES_IN_MIND", 99_999)
    assert find_moment(migrated, "main") == build(b"")
    assert not save_moment(migrated, build(bytes(100_000)))


def test_what_is_damaged_is_nothing_to_go_on_from(migrated: Store) -> None:
    assert save_moment(migrated, build(b"what is in mind"))
    migrated.database["reader_states"].update_one({}, {"$set": {"data": b"damaged"}})
    assert find_moment(migrated, "main") == build(b"")
