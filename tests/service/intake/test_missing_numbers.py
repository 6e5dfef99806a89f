"""The gaps that serial numbers tell: what is missing, since when, and once, over restarts and crashes."""

from datetime import datetime
from typing import Any

import pytest
from forwarding import Failing, build, call, frame, gaps, restart, stored
from support import START_AT, FakeClock

from ipecs_mw.errors import JournalDamaged, StoreUnavailable
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store


def spans(store: Store) -> list[tuple[str | None, str]]:
    """Return from when until when numbers are missing, each time as seconds after the start."""
    found = store.database["events"].find({"data.reason": "serial_jump"}).sort("_id", 1)

    def count(told: str | None) -> str | None:
        return told and f"{(datetime.fromisoformat(told) - START_AT).total_seconds():g}"

    return [(count(gap["data"].get("since")), count(gap["data"]["until"]) or "") for gap in found]


def test_what_numbers_miss_lies_between_the_two_that_came(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    intake.begin_connection()
    for seconds, serials in ((0, (1, 2)), (5, (6,)), (5, (7, 9))):
        clock.advance(seconds)
        intake.take_frames([call(serial) for serial in serials])
    build(intake, EventLog(store)).step()
    assert spans(store) == [("0", "5"), ("5", "10")], "what was received together has one instant"


def test_what_numbers_miss_has_no_beginning_where_the_clock_was_set_back_or_nothing_came_before(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    intake.begin_connection()
    intake.take_frames([call(1), call(3)])
    clock.jump(-60)
    intake.take_frames([call(6)])
    build(intake, EventLog(store)).step()
    assert spans(store) == [(None, "0"), (None, "-60")]


def test_since_when_numbers_are_missing_is_known_after_a_restart(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    intake.begin_connection()
    intake.take_frames([call(1)])
    build(intake, EventLog(store)).step()
    clock.advance(5)
    intake.take_frames([call(6)])
    build(restart(intake), EventLog(store)).step()
    assert spans(store) == [("0", "5")]


def test_a_jump_where_a_restart_cuts_the_backlog_is_a_gap(store: Store, intake: Intake) -> None:
    intake.begin_connection()
    intake.take_frames([call(1), call(2), frame(7)])
    assert build(intake, EventLog(store)).step() == 3
    intake.take_frames([frame(8), call(6)])
    build(restart(intake), EventLog(store)).step()
    ((gap_id, first, last),) = gaps(store)
    assert (first, last) == (3, 5)
    event = store.database["events"].find_one({"serial": 6})
    assert event is not None
    assert gap_id == event["_id"] + ":gap"


def test_what_is_kept_with_an_acknowledgement_is_how_far_that_batch_came_not_those_read_ahead(
    store: Store, intake: Intake
) -> None:
    log = EventLog(store)

    class TakesOne:
        def append(self, documents: Any, **_: Any) -> None:
            if stored(store):
                raise StoreUnavailable("error.mongo_away", reason="x")
            log.append(documents)

    intake.begin_connection()
    intake.take_frames([call(serial) for serial in range(1, 1001)])
    intake.take_frames([call(serial) for serial in range(1006, 2006)])
    intake.take_frames([call(2011)])
    forwarder = build(intake, TakesOne())
    assert forwarder.step() == 1000
    with pytest.raises(StoreUnavailable):
        forwarder.step()
    assert intake.journal.entry_count == 1001, (
        "the first batch is acknowledged, the others were made meanwhile"
    )
    later = build(restart(intake), log)
    assert [later.step() for _ in range(2)] == [1001, 2], "the gaps counted"
    assert [(first, last) for _, first, last in gaps(store)] == [(1001, 1005), (2006, 2010)]


@pytest.mark.parametrize("is_stored", [True, False])
def test_entries_that_are_sent_again_after_a_crash_tell_the_same_gap_once(
    store: Store, intake: Intake, is_stored: bool
) -> None:
    intake.begin_connection()
    intake.take_frames([call(1)])
    build(intake, EventLog(store)).step()
    intake.take_frames([call(5), call(9)])
    away = StoreUnavailable("error.mongo_away", reason="x")
    with pytest.raises(StoreUnavailable):
        build(restart(intake), Failing(EventLog(store), away)).step()
    before = stored(store)
    if not is_stored:
        store.database["events"].delete_many({"serial": {"$ne": 1}})
    assert build(restart(intake), EventLog(store)).step() == 4
    assert stored(store) == before
    assert [(first, last) for _, first, last in gaps(store)] == [(2, 4), (6, 8)]


def test_a_host_that_counts_anew_where_a_restart_cuts_the_backlog_makes_no_gap(
    store: Store, intake: Intake
) -> None:
    intake.begin_connection()
    intake.take_frames([call(50)])
    build(intake, EventLog(store)).step()
    intake.take_frames([call(1), call(2)])
    build(restart(intake), EventLog(store)).step()
    intake.begin_connection()
    intake.take_frames([call(40)])
    build(restart(intake), EventLog(store)).step()
    assert gaps(store) == []


def test_a_journal_that_takes_a_damaged_one_s_place_knows_how_far_the_reading_came(
    store: Store, intake: Intake
) -> None:
    intake.begin_connection()
    intake.take_frames([call(1)])
    forwarder = build(intake, EventLog(store))
    forwarder.step()
    intake.renew(intake.journal, JournalDamaged("error.journal_damaged", file="x"))
    intake.take_frames([call(2)])
    forwarder.step()
    intake.take_frames([call(6)])
    build(restart(intake), EventLog(store)).step()
    assert [(first, last) for _, first, last in gaps(store)] == [(3, 5)]
