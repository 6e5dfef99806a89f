"""A lane takes what arrives into its journal, and what the middleware itself has to say beside it."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import JournalDamaged, JournalFull, Unexpected
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.forwarding import open_lane
from ipecs_mw.service.lane import Lane


@pytest.fixture
def lane(tmp_path: Path, clock: FakeClock) -> Iterator[Lane]:
    journal, _ = open_journal(tmp_path / "a.journal", clock, max_bytes=128 * 1024)
    yield Lane("main", journal, clock)
    journal.close()


def test_frames_are_kept_in_order_with_their_connection_and_time(lane: Lane, clock: FakeClock) -> None:
    lane.begin_connection()
    lane.take_frames([b"a", b"b"])
    clock.advance(5)
    lane.begin_connection()
    lane.take_frames([b"c"])
    found = [(e.arrival.connection, e.arrival.body) for e in lane.journal.read(0, 10)]
    assert found == [(1, b"a"), (1, b"b"), (2, b"c")]
    assert (lane.journal.read(2, 1)[0].arrival.received_at - START_AT).total_seconds() == 5
    assert lane.received == 3


def test_a_record_is_a_log_line_and_a_journal_entry(lane: Lane) -> None:
    stream = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=stream)
    lane.record("gap", "warning", since=START_AT, until=START_AT, reason=None)
    (entry,) = lane.journal.read(0, 10)
    assert entry.arrival.source == "system"
    content = json.loads(entry.arrival.body)
    assert content["type"] == "gap"
    assert set(content["data"]) == {"since", "until"}
    assert "WARNING" in stream.getvalue()
    assert "host=main" in stream.getvalue()


def test_a_full_journal_takes_what_it_has_room_for_refuses_the_rest_and_counts_only_what_it_took(
    lane: Lane,
) -> None:
    with pytest.raises(JournalFull):
        lane.take_frames([b"%d" % n + b"x" * 1000 for n in range(1000)])
    assert 80 < lane.received < 128
    frames = [entry.arrival for entry in lane.journal.read(0, 1000) if entry.arrival.source == "frame"]
    assert [int(frame.body.rstrip(b"x")) for frame in frames] == list(range(lane.received))


def test_a_damaged_journal_is_recorded_in_the_one_that_takes_its_place(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "host-main.journal").write_bytes(b"damaged" * 100)
    lane = open_lane("host-main", "main", tmp_path, clock)
    (first, aside), (second, gap) = told(lane)
    assert (first, second) == ("journal_set_aside", "gap")
    assert Path(str(aside["file"])).exists()
    assert aside["reason"] == gap["reason"] == "error.journal_damaged"
    lane.journal.close()


@pytest.mark.parametrize("content", [b"", b"damaged" * 100])
def test_where_a_damaged_journal_does_not_tell_when_the_host_was_heard_all_until_it_is_reached_is_missing(
    tmp_path: Path, clock: FakeClock, content: bytes
) -> None:
    (tmp_path / "host-main.journal").write_bytes(content)
    lane = open_lane("host-main", "main", tmp_path, clock)
    assert [name for name, _ in told(lane)] == ["journal_set_aside", "gap"]
    assert lane.journal.heard_at == START_AT
    lane.journal.close()


def told(lane: Lane) -> list[tuple[str, dict[str, object]]]:
    """Return what the lane recorded: type and data of each."""
    entries = [entry.arrival for entry in lane.journal.read(0, 10_000)]
    contents = [json.loads(entry.body) for entry in entries if entry.source == "system"]
    return [(content["type"], content["data"]) for content in contents]


def fill_until(lane: Lane, share: float) -> None:
    while lane.journal.used_share < share:
        lane.take_frames([b"x" * 2000])


def test_each_alarm_is_told_once_on_the_way_up_and_the_end_once(lane: Lane) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    fill_until(lane, 0.96)
    alarms = [data["percent"] for name, data in told(lane) if name == "journal_filling"]
    assert [int(str(percent)) // 5 * 5 for percent in alarms] == [70, 85, 95]
    assert output.getvalue().count("ERROR") == 1
    while lane.watch() >= 0.6:
        lane.journal.acknowledge(lane.journal.read(0, 1)[0].seq)
    lane.watch()
    assert [name for name, _ in told(lane)].count("journal_eased") == 1
    fill_until(lane, 0.75)
    assert [name for name, _ in told(lane)][-1] == "journal_filling"


def test_a_full_journal_still_takes_what_the_middleware_records(lane: Lane) -> None:
    with pytest.raises(JournalFull):
        fill_until(lane, 2)
    for _ in range(5):
        lane.record("session.down", "warning", reason="error.journal_full", detail="x", retry_seconds=1)
    assert [name for name, _ in told(lane)].count("session_down") == 5


def test_after_a_refusal_no_frame_is_taken_until_the_next_connection(lane: Lane) -> None:
    lane.begin_connection()
    with pytest.raises(JournalFull):
        lane.take_frames([b"x" * 1000] * 1000)
    with pytest.raises(JournalFull):
        lane.take_frames([b""])
    taken = lane.received
    lane.begin_connection()
    lane.take_frames([b""])
    assert lane.received == taken + 1


def test_after_a_defect_too_no_frame_is_taken_until_the_next_connection(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> float:
        raise MemoryError

    lane.begin_connection()
    with monkeypatch.context() as patch:
        patch.setattr(lane.journal, "append", fail)
        with pytest.raises(MemoryError):
            lane.take_frames([b"lost"])
    with pytest.raises(Unexpected):
        lane.take_frames([b"after it"])
    lane.begin_connection()
    lane.take_frames([b"later"])
    assert [entry.arrival.body for entry in lane.journal.read(0, 10)] == [b"later"]


def test_a_full_journal_is_waited_for_until_it_has_room(lane: Lane, clock: FakeClock) -> None:
    stop = threading.Event()
    assert lane.wait_for_room(stop)
    with pytest.raises(JournalFull):
        fill_until(lane, 2)

    class Draining(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> bool:
            lane.journal.acknowledge(lane.journal.read(0, 1)[0].seq)
            return super().wait(event, seconds)

    lane.clock = Draining()
    assert lane.wait_for_room(stop)
    assert 0.8 < lane.journal.used_share < 0.9
    assert len(lane.clock.waits) > 3
    stop.set()
    assert not lane.wait_for_room(stop)


def spoil(lane: Lane) -> None:
    """Change the journal's pages on the disk while it is open, past what SQLite keeps of them in memory."""
    lane.take_frames([b"x" * 1000 for _ in range(50)])
    database = lane.journal._database
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with lane.journal.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (lane.journal.path.stat().st_size - 4096))
    database.execute("PRAGMA shrink_memory")
    database.execute("PRAGMA cache_size = 0")


@pytest.mark.parametrize(
    "use",
    [
        lambda lane: lane.take_frames([b"after"]),
        lambda lane: lane.record("session.up", system="x", connection=1),
        lambda lane: lane.begin_connection(),
        lambda lane: lane.describe_journal(),
        lambda lane: lane.renew(lane.journal, JournalDamaged("error.journal_damaged", file="x")),
    ],
    ids=["frames", "record", "connection", "status", "forwarder"],
)
def test_a_journal_that_is_damaged_while_in_use_is_replaced_and_the_lane_goes_on(
    lane: Lane, clock: FakeClock, use: Callable[[Lane], object]
) -> None:
    first = lane.journal
    clock.advance(60)
    spoil(lane)
    clock.advance(60)
    use(lane)
    lane.take_frames([b"later"])
    assert lane.journal is not first
    assert lane.journal.id != first.id
    found = dict(told(lane))
    aside = Path(str(found["journal_set_aside"]["file"]))
    assert aside.exists()
    assert found["gap"]["reason"] == "error.journal_damaged"
    assert str(found["gap"]["since"]).startswith("2026-03-02T08:00:00"), "all since the file was begun"
    assert lane.journal.heard_at == clock.now()
    lane.renew(first, JournalDamaged("error.journal_damaged", file="x"))
    assert [name for name, _ in told(lane)].count("journal_set_aside") == 1, "it was replaced already"
    lane.journal.close()


def test_connections_are_counted_on_in_the_journal_that_takes_a_damaged_one_s_place(lane: Lane) -> None:
    for _ in range(3):
        lane.begin_connection()
    spoil(lane)
    lane.take_frames([b"after"])
    lane.begin_connection()
    assert lane.connection == 4
    lane.journal.close()


def test_records_that_were_asked_for_say_nothing_of_when_the_host_was_last_heard(
    lane: Lane, clock: FakeClock
) -> None:
    lane.take_frames([b"frame"])
    clock.advance(30)
    lane.take_records([b"record"])
    assert lane.journal.heard_at == START_AT
    assert [entry.arrival.source for entry in lane.journal.read(0, 10)] == ["frame", "frame"]
    with pytest.raises(JournalFull):
        lane.take_records([b"x" * 1000] * 1000)


def test_the_gap_of_a_damaged_journal_begins_with_the_oldest_that_was_not_forwarded(
    lane: Lane, clock: FakeClock
) -> None:
    clock.advance(60)
    lane.take_frames([b"x" * 1000] * 50)
    clock.advance(60)
    lane.take_frames([b"x" * 1000])
    lane.renew(lane.journal, JournalDamaged("error.journal_damaged", file="x"))
    gap = dict(told(lane))["gap"]
    assert str(gap["since"]).startswith("2026-03-02T08:01:00")
    assert str(gap["until"]).startswith("2026-03-02T08:02:00")
    lane.journal.close()


def test_the_gap_of_a_damaged_journal_ends_no_earlier_than_it_begins(lane: Lane, clock: FakeClock) -> None:
    lane.take_frames([b"x"])
    clock.jump(-3600)
    lane.renew(lane.journal, JournalDamaged("error.journal_damaged", file="x"))
    gap = dict(told(lane))["gap"]
    assert gap["since"] == gap["until"]
    lane.journal.close()


def reading_of(lane: Lane) -> str | None:
    with open_salvage(lane.journal.path) as found:
        return found.reading


def test_a_journal_that_takes_a_damaged_one_s_place_says_how_it_is_read_too(lane: Lane) -> None:
    lane.keep_reading("how")
    assert reading_of(lane) == "how"
    lane.renew(lane.journal, JournalDamaged("error.journal_damaged", file="x"))
    assert reading_of(lane) == "how"
    lane.journal.close()


def overfill_with_records(lane: Lane) -> None:
    while True:
        lane.record("x", detail="y" * 2000)


def test_a_note_for_which_there_is_no_room_stops_nothing_and_is_written_with_the_next_connection(
    lane: Lane,
) -> None:
    with pytest.raises(JournalFull):
        overfill_with_records(lane)
    lane.keep_reading("how" * 3000)
    lane.begin_connection()
    assert reading_of(lane) is None
    lane.journal.acknowledge(lane.journal.read(0, 10)[-1].seq)
    lane.begin_connection()
    assert reading_of(lane) == "how" * 3000
