"""The forwarder between a real journal and a real MongoDB: each entry once, in order, and never given up."""

import io
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from forwarding import Failing, build, frame, settle, stored
from sites import wait_until
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import StoreRefused, StoreUnavailable
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.events.event_log import EventLog, Refused
from ipecs_mw.store.server.connection import Store

NUL_IN_A_NAME = b'{"event": "call", "data": {"type": "held", "deviceNumber": "1001", "x\\u0000": ""}}'


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

    class RefusesAll:
        def append(self, documents: Any, **_: Any) -> None:
            raise Refused(dict.fromkeys(range(len(documents)), "no"))

    with pytest.raises(StoreRefused):
        build(intake, RefusesAll()).step()
    assert intake.journal.entry_count == 1
    assert build(intake, log).step() == 1
    assert stored(store)[0]["kind"] == "acd"


def test_batches_grow_while_mongodb_is_slow_and_shrink_again(intake: Intake, clock: FakeClock) -> None:
    class Slow:
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
    class Away:
        def append(self, _documents: Any, **_: Any) -> None:
            raise StoreUnavailable("error.mongo_away", reason="x")

    intake.take_frames([frame(1)])
    stop = threading.Event()
    stop.set()
    build(intake, Away(), stop).run()
    assert intake.journal.entry_count == 1
    assert intake.forwarded.stalled_since == START_AT
