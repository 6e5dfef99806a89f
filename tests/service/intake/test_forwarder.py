"""The forwarder between a real journal and a real MongoDB: each entry once, in order, and never given up."""

import io
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sites import wait_until
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import JournalDamaged, StoreRefused, StoreUnavailable
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.forwarder import Forwarder
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.events.event_log import EventLog, Refused
from ipecs_mw.store.server.connection import Store

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))
NUL_IN_A_NAME = b'{"event": "call", "data": {"type": "held", "deviceNumber": "1001", "x\\u0000": ""}}'


def frame(number: int) -> bytes:
    return json.dumps({"event": "acd", "data": {"eventCode": 49, "callRefID": number}}).encode()


@pytest.fixture
def intake(tmp_path: Path, clock: FakeClock) -> Iterator[Intake]:
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    yield Intake("main", journal, clock)
    journal.close()


def build(intake: Intake, events: Any, stop: threading.Event | None = None) -> Forwarder:
    return Forwarder(intake, DECODER.decode, events, intake.clock, stop or threading.Event())


def settle(forwarder: Forwarder, clock: FakeClock) -> None:
    """Have the journal forget what is stored: this comes a moment later."""
    clock.advance(0.25)
    assert forwarder.step() == 0


def stored(store: Store) -> list[dict[str, Any]]:
    return list(store.database["events"].find().sort("_id", 1))


class PassesOn:
    """An event log that has documents as they are."""

    def encode(self, documents: Any) -> Any:
        return documents


class Failing(PassesOn):
    """An event log that writes and then fails, as often as told: a write whose confirmation is lost."""

    def __init__(self, log: EventLog, *errors: Exception) -> None:
        self._log = log
        self._errors = list(errors)

    def append(self, documents: Any, **how: Any) -> None:
        self._log.append(documents, **how)
        if self._errors:
            raise self._errors.pop(0)


def test_entries_are_stored_in_order_and_then_leave_the_journal(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    intake.take_frames([frame(n) for n in range(2500)])
    forwarder = build(intake, EventLog(store))
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 500, 0]
    assert [event["call_ref"] for event in stored(store)] == list(range(2500))
    assert {event["host"] for event in stored(store)} == {"main"}
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0
    assert intake.forwarded.stored == 2500
    assert intake.forwarded.last_event_at == START_AT


def test_what_mongodb_has_is_gone_from_the_journal_s_file_once_it_is_quiet(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    code = b'{"event": "acd", "data": {"eventCode": 49, "authCode": "canary-4711"}}'
    intake.take_frames([code])
    stop = threading.Event()
    forwarder = build(intake, EventLog(store), stop)
    running = threading.Thread(target=forwarder.run)
    running.start()
    folder = intake.journal.path.parent
    try:
        wait_until(lambda: stored(store))
        wait_until(lambda: not any(b"canary-4711" in part.read_bytes() for part in folder.iterdir()))
    finally:
        stop.set()
        running.join()


def test_an_entry_always_has_the_same_id_and_no_other_has_it(store: Store, intake: Intake) -> None:
    intake.take_frames([frame(1), frame(1)])
    forwarder = build(intake, Failing(EventLog(store), StoreUnavailable("error.mongo_away", reason="x")))
    with pytest.raises(StoreUnavailable):
        forwarder.step()
    assert intake.journal.entry_count == 2, "what is not confirmed stays"
    assert build(intake, EventLog(store)).step() == 2, "as after a restart"
    assert len(stored(store)) == 2
    assert len({event["_id"] for event in stored(store)}) == 2


def test_a_state_directory_that_was_put_back_hides_no_new_event_behind_a_former_one(
    store: Store, tmp_path: Path, clock: FakeClock
) -> None:
    path, backup = tmp_path / "host-main.journal", tmp_path / "backup"

    def forward(*numbers: int) -> None:
        clock.advance(60)
        journal, _ = open_journal(path, clock)
        intake = Intake("main", journal, clock)
        intake.take_frames([frame(number) for number in numbers])
        forwarder = build(intake, EventLog(store))
        while forwarder.step():
            pass
        journal.close()

    forward(0, 1)
    shutil.copy(path, backup)
    forward(2, 3, 4)
    shutil.copy(backup, path)
    forward(5, 6)
    found = stored(store)
    assert sorted(event["call_ref"] for event in found) == list(range(7))
    assert [event["seq"] for event in found] == [1, 2, 3, 3, 4, 4, 5], "in order of journal and number"


def test_one_frame_that_mongodb_refuses_is_kept_as_bytes_beside_its_neighbours(
    store: Store, intake: Intake
) -> None:
    deep = b'{"event": "x", "data": ' + b"[" * 150 + b"]" * 150 + b"}"
    large = b'{"eventCode": 49, "data1": 1180591620717411303424}'
    intake.take_frames([frame(0), NUL_IN_A_NAME, deep, frame(3), large, b'{"a\\u0000b": 1}', frame(6)])
    assert build(intake, EventLog(store)).step() == 7
    found = stored(store)
    assert [event["seq"] for event in found] == list(range(1, 8))
    assert [event["kind"] for event in found] == [
        "acd", "undecodable", "undecodable", "acd", "undecodable", "undecodable", "acd",
    ]  # fmt: skip
    assert [found[n]["raw"] for n in (1, 2, 4)] == [NUL_IN_A_NAME, deep, large]
    assert all(found[n]["problems"][0] for n in (1, 2, 4, 5))
    assert intake.journal.entry_count == 0


@pytest.mark.parametrize("is_json", [True, False])
def test_what_no_document_holds_is_kept_cut_with_its_length_and_holds_nothing_up(
    store: Store, intake: Intake, clock: FakeClock, is_json: bool
) -> None:
    code = b"STA-P[9182736455]"
    body = (
        b'{"event": "smdr", "data": {"Index": 1, "a": "' + code + b'", "x": "' + b"a" * (17 * 2**20) + b'"}}'
    )
    body = body if is_json else body[:-1]
    intake.take_records([body])
    intake.take_frames([frame(1)])
    forwarder = build(intake, EventLog(store))
    while forwarder.step():
        pass
    cut, whole = sorted(stored(store), key=lambda event: event["seq"])
    assert (cut["kind"], whole["kind"]) == ("undecodable", "acd")
    assert len(cut["raw"]) == 8 * 2**20
    assert code not in cut["raw"]
    assert str(len(body)) in cut["problems"][-1]
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0


def test_a_refused_frame_whose_confirmation_is_lost_is_stored_once(store: Store, intake: Intake) -> None:
    intake.take_frames([frame(0), NUL_IN_A_NAME])
    lost = StoreUnavailable("error.mongo_away", reason="x")
    log = EventLog(store)

    class LosesSecond(Failing):
        def append(self, documents: Any, **_: Any) -> None:
            if len(documents) == 1:
                return super().append(documents)
            return log.append(documents)

    with pytest.raises(StoreUnavailable):
        build(intake, LosesSecond(log, lost)).step()
    assert build(intake, log).step() == 2
    assert [event["kind"] for event in stored(store)] == ["acd", "undecodable"]


def test_an_authorization_code_is_masked_in_the_bytes_of_a_refused_frame(
    store: Store, intake: Intake
) -> None:
    intake.take_frames([b'{"event":"acd","data":{"eventCode":86,"data1":"918273","x":"\\ud800"}}'])
    build(intake, EventLog(store)).step()
    assert b"918273" not in stored(store)[0]["raw"]


def test_what_the_middleware_records_is_a_system_event(store: Store, intake: Intake) -> None:
    intake.begin_connection()
    intake.record("session.up", system="UCP600", connection=1, nothing=None)
    build(intake, EventLog(store)).step()
    (event,) = stored(store)
    assert (event["kind"], event["type"], event["at"]) == ("system", "session_up", START_AT)
    assert event["data"] == {"system": "UCP600", "connection": 1}


def test_a_record_whose_bytes_changed_on_the_disk_holds_nothing_up(store: Store, intake: Intake) -> None:
    for body in (b"{", b"[]", b'{"type": "x"}'):
        intake.journal.append([Arrival(1, START_AT, "system", body)])
    intake.take_frames([frame(1)])
    build(intake, EventLog(store)).step()
    assert [event["kind"] for event in stored(store)] == ["undecodable"] * 3 + ["acd"]


def test_a_stall_is_told_once_and_its_end_too(store: Store, intake: Intake, clock: FakeClock) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    intake.take_frames([frame(1)])
    away = [StoreUnavailable("error.mongo_away", reason="away") for _ in range(30)]
    stop = threading.Event()
    forwarder = build(intake, Failing(EventLog(store), *away), stop)
    thread = threading.Thread(target=forwarder.run)
    thread.start()
    try:
        for _ in range(1000):
            if intake.forwarded.stored:
                break
            thread.join(0.01)
    finally:
        stop.set()
        intake.journal.has_entries.set()
        thread.join(10)
    assert output.getvalue().count("forwarding.stalled") == 1
    assert output.getvalue().count("forwarding.resumed") == 1
    assert intake.forwarded.problem is None
    waits = [wait for wait in clock.waits if wait is not None][:30]
    assert waits[0] <= 0.2
    assert max(waits) <= 10
    assert max(waits) > 5
    assert len(stored(store)) == 1


def test_a_refusal_of_the_raw_form_too_is_retried_and_loses_nothing(store: Store, intake: Intake) -> None:
    intake.take_frames([frame(1)])
    log = EventLog(store)

    class RefusesAll(PassesOn):
        def append(self, documents: Any, **_: Any) -> None:
            raise Refused(dict.fromkeys(range(len(documents)), "no"))

    with pytest.raises(StoreRefused):
        build(intake, RefusesAll()).step()
    assert intake.journal.entry_count == 1
    assert build(intake, log).step() == 1
    assert stored(store)[0]["kind"] == "acd"


def test_batches_grow_while_mongodb_is_slow_and_shrink_again(intake: Intake, clock: FakeClock) -> None:
    class Slow(PassesOn):
        seconds = 2.0

        def append(self, _documents: Any, **_: Any) -> None:
            clock.advance(self.seconds)

    intake.take_frames([frame(n) for n in range(18_000)])
    log = Slow()
    forwarder = build(intake, log)
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 2000, 4000]
    log.seconds = 0.1
    assert [forwarder.step() for _ in range(4)] == [4000, 4000, 1000, 1000]
    assert forwarder.step() == 0
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0


def test_a_batch_read_ahead_is_tried_again_as_it_was(store: Store, intake: Intake, clock: FakeClock) -> None:
    intake.take_frames([frame(n) for n in range(2500)])
    away = [StoreUnavailable("error.mongo_away", reason="x") for _ in range(3)]
    forwarder = build(intake, Failing(EventLog(store), *away))
    for _ in away:
        with pytest.raises(StoreUnavailable):
            forwarder.step()
    assert intake.journal.entry_count == 2500, "what is not confirmed stays"
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 500, 0]
    assert [event["call_ref"] for event in stored(store)] == list(range(2500))
    settle(forwarder, clock)
    assert intake.journal.entry_count == 0


def test_stopping_drains_what_is_there(store: Store, intake: Intake) -> None:
    intake.take_frames([frame(n) for n in range(1500)])
    stop = threading.Event()
    stop.set()
    build(intake, EventLog(store), stop).run()
    assert intake.journal.entry_count == 0
    assert len(stored(store)) == 1500


def test_stopping_while_mongodb_is_away_leaves_the_rest_in_the_journal(intake: Intake) -> None:
    class Away(PassesOn):
        def append(self, _documents: Any, **_: Any) -> None:
            raise StoreUnavailable("error.mongo_away", reason="x")

    intake.take_frames([frame(1)])
    stop = threading.Event()
    stop.set()
    build(intake, Away(), stop).run()
    assert intake.journal.entry_count == 1
    assert intake.forwarded.stalled_since == START_AT


def call(serial: int) -> bytes:
    data = {"type": "dialing", "deviceNumber": "1001", "callRefID": 5, "evtSerialNum": serial}
    return json.dumps({"event": "call", "data": data}).encode()


def gaps(store: Store) -> list[tuple[str, int, int]]:
    """Return where the log has gaps by serial numbers: the id, the first and the last number."""
    found = store.database["events"].find({"data.reason": "serial_jump"}).sort("_id", 1)
    return [(gap["_id"], gap["data"]["first_serial"], gap["data"]["last_serial"]) for gap in found]


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


def restart(intake: Intake) -> Intake:
    """Return the intake as the next process opens it."""
    intake.journal.close()
    intake.journal, _ = open_journal(intake.journal.path, intake.clock)
    return intake


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

    class TakesOne(PassesOn):
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
    assert log.stat().st_size < 12 * 1024**2


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
