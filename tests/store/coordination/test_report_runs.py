"""Runs of reports: noted once, claimed by one, and what is told of them."""

from datetime import UTC, datetime, timedelta

import pytest

from ipecs_mw.store.coordination.report_runs import (
    COLLECTION,
    Run,
    begin_sending,
    claim_run,
    end_run,
    find_newest,
    load_runs,
    note_run,
    put_off,
)
from ipecs_mw.store.server.connection import Store

DUE = datetime(2026, 3, 2, 7, tzinfo=UTC)
NOW = DUE + timedelta(seconds=1)


def note(store: Store, due_at: datetime = DUE, *, is_skipped: bool = False, name: str = "a") -> None:
    note_run(store, "default", name, due_at, "day 07:00", due_at, is_skipped=is_skipped)


def claim(store: Store, owner: str = "me", seconds: float = 60) -> Run | None:
    return claim_run(store, "default", owner, seconds)


def take(store: Store, owner: str = "me", seconds: float = 60) -> Run:
    run = claim(store, owner, seconds)
    assert run is not None
    return run


def read(store: Store) -> str:
    document = store.database[COLLECTION].find_one({"name": "a"})
    assert document is not None
    return str(document["state"])


def test_a_run_is_noted_once_and_claimed_by_one(migrated: Store) -> None:
    note(migrated)
    note(migrated)
    assert migrated.database[COLLECTION].count_documents({}) == 1
    run = take(migrated)
    assert (run.name, run.due_at, run.tries, run.doubts, run.state) == ("a", DUE, 1, 0, "preparing")
    assert claim(migrated, "other") is None
    assert begin_sending(migrated, run, 60)
    assert claim(migrated, "other") is None
    assert end_run(migrated, run, "sent")
    assert claim(migrated, "other") is None
    note(migrated)  # by a daemon that begins to look only now
    assert read(migrated) == "sent"
    assert load_runs(migrated, "default")["a"].sent_at is not None


def test_a_claim_that_ran_out_is_taken_over_and_the_former_owner_changes_nothing(migrated: Store) -> None:
    note(migrated)
    dead = take(migrated, "dead", 0)
    mine = take(migrated, "me")
    assert (mine.tries, mine.doubts) == (2, 0)
    assert not begin_sending(migrated, dead, 60)
    assert not end_run(migrated, dead, "sent")
    assert not put_off(migrated, dead, 0, "x", sent_to=[], is_doubtful=False)
    assert begin_sending(migrated, mine, 60)


def test_a_claim_that_ran_out_while_the_mail_went_is_a_doubt(migrated: Store) -> None:
    note(migrated)
    assert begin_sending(migrated, take(migrated, "dead"), 0)
    mine = take(migrated, "me")
    assert mine.doubts == 1
    assert put_off(migrated, mine, 0, "$error", sent_to=["$x@y"], is_doubtful=True)
    again = take(migrated)
    assert (again.doubts, again.error, again.sent_to) == (2, "$error", ["$x@y"])


def test_a_run_that_was_put_off_waits(migrated: Store) -> None:
    note(migrated)
    assert put_off(migrated, take(migrated), 60, "x", sent_to=[], is_doubtful=False)
    assert claim(migrated) is None
    migrated.database[COLLECTION].update_one({}, {"$set": {"next_at": NOW}})
    assert take(migrated).tries == 2


def test_a_skipped_run_is_never_sent_and_not_shown(migrated: Store) -> None:
    note(migrated, is_skipped=True)
    assert claim(migrated) is None
    assert load_runs(migrated, "default") == {}
    found = find_newest(migrated, "default", "a", NOW)
    assert found is not None
    assert found.state == "skipped"


def test_the_newest_is_the_one_noted_last_unless_a_clock_was_ahead(migrated: Store) -> None:
    assert find_newest(migrated, "default", "a", NOW) is None
    note(migrated)
    note(migrated, DUE + timedelta(days=1000))
    found = find_newest(migrated, "default", "a", NOW)
    assert found is not None
    assert found.due_at == DUE
    assert find_newest(migrated, "other", "a", NOW) is None


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_what_is_given_up_says_why(migrated: Store, state: str) -> None:
    note(migrated)
    note(migrated, name="b")
    for _ in range(2):
        assert end_run(migrated, take(migrated), state, error="$why")
    runs = load_runs(migrated, "default")
    assert list(runs) == ["a", "b"]
    assert (runs["a"].state, runs["a"].error) == (state, "$why")


def test_runs_are_kept_longer_than_a_month_and_not_for_ever(migrated: Store) -> None:
    index = migrated.database[COLLECTION].index_information()["retention"]
    assert 366 * 86400 < index["expireAfterSeconds"] < 500 * 86400
