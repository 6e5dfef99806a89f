"""What MongoDB has leaves the journal: together, in parts, in time, and later where the disk refuses."""

import io
import json
import threading

import pytest
from forwarding import build, call, frame, gaps, restart, settle, stored
from sites import wait_until
from support import FakeClock

from ipecs_mw import logs
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store


def test_at_a_trickle_several_events_are_acknowledged_together(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    forwarder = build(intake, EventLog(store))
    waiting = []
    for number in range(100):
        intake.take_frames([frame(number)])
        assert forwarder.step() == 1
        waiting.append(intake.journal.entry_count)
        clock.advance(0.01)
    assert waiting[0] == 0, "the first at once"
    assert 20 <= max(waiting) <= 25, "none waits longer than a quarter of a second"
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0


def test_a_crash_before_the_acknowledgement_has_events_sent_again_and_stored_once(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    intake.begin_connection()
    forwarder = build(intake, EventLog(store))
    for serial in (1, 2, 5, 5, 6):
        clock.advance(0.01)
        intake.take_frames([call(serial)])
        forwarder.step()
    before = stored(store)
    assert intake.journal.entry_count == 4
    assert build(restart(intake), EventLog(store)).step() == 5, "the gap counted"
    assert stored(store) == before
    assert [(first, last) for _, first, last in gaps(store)] == [(3, 4)]
    assert intake.journal.entry_count == 0


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_stored_is_acknowledged_at_a_stop(store: Store, intake: Intake, count: int) -> None:
    stop = threading.Event()
    forwarder = build(intake, EventLog(store), stop)
    for number in range(count):
        intake.take_frames([frame(number)])
        forwarder.step()
    stop.set()
    forwarder.run()
    assert intake.journal.entry_count == 0
    assert len(stored(store)) == count


def test_what_is_stored_is_acknowledged_although_nothing_more_comes(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    stop = threading.Event()
    forwarder = build(intake, EventLog(store), stop)
    for number in range(3):
        intake.take_frames([frame(number)])
        forwarder.step()
    assert intake.journal.entry_count == 2
    thread = threading.Thread(target=forwarder.run)
    thread.start()
    try:
        wait_until(lambda: intake.journal.entry_count == 0)
    finally:
        stop.set()
        intake.journal.has_entries.set()
        thread.join(10)
    assert clock.waits[0] == pytest.approx(0.25)


def test_however_much_is_acknowledged_at_once_the_log_of_its_file_stays_small(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    padding = "x" * 60_000
    for number in range(400):
        intake.take_frames([json.dumps({"event": "padded", "data": {"n": number, "x": padding}}).encode()])
    forwarder = build(intake, EventLog(store))
    while forwarder.step():
        pass
    assert intake.journal.entry_count > 300
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0
    log = intake.journal.path.with_name(intake.journal.path.name + "-wal")
    assert log.stat().st_size <= 8 * 1024**2, "more than the journal counts on"


def test_while_the_journal_cannot_be_written_events_reach_mongodb_and_leave_it_later(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    intake.begin_connection()
    intake.take_frames([call(serial) for serial in range(1, 3501)])
    database = intake.journal._database
    database.execute(
        "CREATE TEMP TRIGGER refuse BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    forwarder = build(intake, EventLog(store))
    assert [forwarder.step() for _ in range(5)] == [1000, 1000, 1000, 500, 0]
    clock.advance(60)
    assert forwarder.step() == 0
    assert (intake.journal.entry_count, len(stored(store))) == (3500, 3500)
    assert [line.split()[2] for line in output.getvalue().splitlines()] == ["journal.refused"], "told once"
    assert intake.forwarded.problem is None
    database.execute("DROP TRIGGER refuse")
    clock.advance(60)
    assert forwarder.step() == 0
    assert intake.journal.entry_count == 0
    intake.take_frames([call(3504)])
    assert build(restart(intake), EventLog(store)).step() == 2, "the gap counted"


def test_a_stop_while_the_journal_cannot_be_written_ends_and_the_next_start_doubles_nothing(
    store: Store, intake: Intake
) -> None:
    intake.begin_connection()
    intake.take_frames([call(serial) for serial in (1, 2, 7)])
    intake.journal._database.execute(
        "CREATE TEMP TRIGGER refuse BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    stop = threading.Event()
    forwarder = build(intake, EventLog(store), stop)
    stop.set()
    forwarder.run()
    before = stored(store)
    assert len(before) == 4, "the gap counted"
    assert build(restart(intake), EventLog(store)).step() == 4
    assert stored(store) == before
    assert intake.journal.entry_count == 0
