"""The forwarder between a real journal and a real MongoDB: each entry once, in order, and never given up."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import StoreRefused, StoreUnavailable
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.forwarder import Forwarder
from ipecs_mw.service.lane import Lane
from ipecs_mw.store.connection import Store
from ipecs_mw.store.event_log import EventLog, Refused

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))
LONE_SURROGATE = b'{"event": "call", "data": {"type": "held", "deviceNumber": "1001", "x": "\\ud800"}}'


def frame(number: int) -> bytes:
    return json.dumps({"event": "acd", "data": {"eventCode": 49, "callRefID": number}}).encode()


@pytest.fixture
def lane(tmp_path: Path, clock: FakeClock) -> Iterator[Lane]:
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    yield Lane("main", journal, clock)
    journal.close()


def build(lane: Lane, events: Any, stop: threading.Event | None = None) -> Forwarder:
    return Forwarder(lane, DECODER.decode, events, lane.clock, stop or threading.Event())


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

    def append(self, documents: Any) -> None:
        self._log.append(documents)
        if self._errors:
            raise self._errors.pop(0)


def test_entries_are_stored_in_order_and_then_leave_the_journal(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(n) for n in range(2500)])
    forwarder = build(lane, EventLog(store))
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 500, 0]
    assert [event["call_ref"] for event in stored(store)] == list(range(2500))
    assert {event["host"] for event in stored(store)} == {"main"}
    assert lane.journal.entry_count == 0
    assert lane.forwarded.stored == 2500
    assert lane.forwarded.last_event_at == START_AT


def test_an_entry_always_has_the_same_id_and_no_other_has_it(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(1), frame(1)])
    forwarder = build(lane, Failing(EventLog(store), StoreUnavailable("error.mongo_away", reason="x")))
    with pytest.raises(StoreUnavailable):
        forwarder.step()
    assert lane.journal.entry_count == 2, "what is not confirmed stays"
    assert build(lane, EventLog(store)).step() == 2, "as after a restart"
    assert len(stored(store)) == 2
    assert len({event["_id"] for event in stored(store)}) == 2


def test_one_frame_that_mongodb_refuses_is_kept_as_bytes_beside_its_neighbours(
    store: Store, lane: Lane
) -> None:
    deep = b'{"event": "x", "data": ' + b"[" * 150 + b"]" * 150 + b"}"
    large = b'{"eventCode": 49, "data1": 1180591620717411303424}'
    lane.take_frames([frame(0), LONE_SURROGATE, deep, frame(3), large, b'{"a\\u0000b": 1}', frame(6)])
    assert build(lane, EventLog(store)).step() == 7
    found = stored(store)
    assert [event["seq"] for event in found] == list(range(1, 8))
    assert [event["kind"] for event in found] == [
        "acd", "undecodable", "undecodable", "acd", "undecodable", "undecodable", "acd",
    ]  # fmt: skip
    assert [found[n]["raw"] for n in (1, 2, 4)] == [LONE_SURROGATE, deep, large]
    assert all(found[n]["problems"][0] for n in (1, 2, 4, 5))
    assert lane.journal.entry_count == 0


def test_a_refused_frame_whose_confirmation_is_lost_is_stored_once(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(0), LONE_SURROGATE])
    lost = StoreUnavailable("error.mongo_away", reason="x")
    log = EventLog(store)

    class LosesSecond(Failing):
        def append(self, documents: Any) -> None:
            if len(documents) == 1:
                return super().append(documents)
            return log.append(documents)

    with pytest.raises(StoreUnavailable):
        build(lane, LosesSecond(log, lost)).step()
    assert build(lane, log).step() == 2
    assert [event["kind"] for event in stored(store)] == ["acd", "undecodable"]


def test_an_authorization_code_is_masked_in_the_bytes_of_a_refused_frame(store: Store, lane: Lane) -> None:
    lane.take_frames([b'{"event":"acd","data":{"eventCode":86,"data1":"918273","x":"\\ud800"}}'])
    build(lane, EventLog(store)).step()
    assert b"918273" not in stored(store)[0]["raw"]


def test_what_the_middleware_records_is_a_system_event(store: Store, lane: Lane) -> None:
    lane.begin_connection()
    lane.record("session.up", system="UCP600", connection=1, nothing=None)
    build(lane, EventLog(store)).step()
    (event,) = stored(store)
    assert (event["kind"], event["type"], event["at"]) == ("system", "session_up", START_AT)
    assert event["data"] == {"system": "UCP600", "connection": 1}


def test_a_record_whose_bytes_changed_on_the_disk_holds_nothing_up(store: Store, lane: Lane) -> None:
    for body in (b"{", b"[]", b'{"type": "x"}'):
        lane.journal.append([Arrival(1, START_AT, "system", body)])
    lane.take_frames([frame(1)])
    build(lane, EventLog(store)).step()
    assert [event["kind"] for event in stored(store)] == ["undecodable"] * 3 + ["acd"]


def test_a_stall_is_told_once_and_its_end_too(store: Store, lane: Lane, clock: FakeClock) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    lane.take_frames([frame(1)])
    away = [StoreUnavailable("error.mongo_away", reason="away") for _ in range(30)]
    stop = threading.Event()
    forwarder = build(lane, Failing(EventLog(store), *away), stop)
    thread = threading.Thread(target=forwarder.run)
    thread.start()
    try:
        for _ in range(1000):
            if lane.forwarded.stored:
                break
            thread.join(0.01)
    finally:
        stop.set()
        lane.journal.has_entries.set()
        thread.join(10)
    assert output.getvalue().count("forwarding.stalled") == 1
    assert output.getvalue().count("forwarding.resumed") == 1
    assert lane.forwarded.problem is None
    waits = [wait for wait in clock.waits if wait is not None][:30]
    assert waits[0] <= 0.2
    assert max(waits) <= 10
    assert max(waits) > 5
    assert len(stored(store)) == 1


def test_a_refusal_of_the_raw_form_too_is_retried_and_loses_nothing(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(1)])
    log = EventLog(store)

    class RefusesAll(PassesOn):
        def append(self, documents: Any) -> None:
            raise Refused(dict.fromkeys(range(len(documents)), "no"))

    with pytest.raises(StoreRefused):
        build(lane, RefusesAll()).step()
    assert lane.journal.entry_count == 1
    assert build(lane, log).step() == 1
    assert stored(store)[0]["kind"] == "acd"


def test_batches_grow_while_mongodb_is_slow_and_shrink_again(lane: Lane, clock: FakeClock) -> None:
    class Slow(PassesOn):
        seconds = 2.0

        def append(self, _documents: Any) -> None:
            clock.advance(self.seconds)

    lane.take_frames([frame(n) for n in range(18_000)])
    log = Slow()
    forwarder = build(lane, log)
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 2000, 4000]
    log.seconds = 0.1
    assert [forwarder.step() for _ in range(4)] == [4000, 4000, 1000, 1000]
    assert forwarder.step() == 0
    assert lane.journal.entry_count == 0


def test_a_batch_read_ahead_is_tried_again_as_it_was(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(n) for n in range(2500)])
    away = [StoreUnavailable("error.mongo_away", reason="x") for _ in range(3)]
    forwarder = build(lane, Failing(EventLog(store), *away))
    for _ in away:
        with pytest.raises(StoreUnavailable):
            forwarder.step()
    assert lane.journal.entry_count == 2500, "what is not confirmed stays"
    assert [forwarder.step() for _ in range(4)] == [1000, 1000, 500, 0]
    assert [event["call_ref"] for event in stored(store)] == list(range(2500))
    assert lane.journal.entry_count == 0


def test_stopping_drains_what_is_there(store: Store, lane: Lane) -> None:
    lane.take_frames([frame(n) for n in range(1500)])
    stop = threading.Event()
    stop.set()
    build(lane, EventLog(store), stop).run()
    assert lane.journal.entry_count == 0
    assert len(stored(store)) == 1500


def test_stopping_while_mongodb_is_away_leaves_the_rest_in_the_journal(lane: Lane) -> None:
    class Away(PassesOn):
        def append(self, _documents: Any) -> None:
            raise StoreUnavailable("error.mongo_away", reason="x")

    lane.take_frames([frame(1)])
    stop = threading.Event()
    stop.set()
    build(lane, Away(), stop).run()
    assert lane.journal.entry_count == 1
    assert lane.forwarded.stalled_since == START_AT
