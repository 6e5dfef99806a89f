"""An intake takes what arrives into its journal, and what the middleware itself has to say beside it."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import JournalDamaged, JournalFull, Unexpected
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.pipeline import open_intake


@pytest.fixture
def intake(tmp_path: Path, clock: FakeClock) -> Iterator[Intake]:
    journal, _ = open_journal(tmp_path / "a.journal", clock, max_bytes=128 * 1024)
    yield Intake("main", journal, clock)
    journal.close()


def test_frames_are_kept_in_order_with_their_connection_and_time(intake: Intake, clock: FakeClock) -> None:
    intake.begin_connection()
    intake.take_frames([b"a", b"b"])
    clock.advance(5)
    intake.begin_connection()
    intake.take_frames([b"c"])
    found = [(e.arrival.connection, e.arrival.body) for e in intake.journal.read(0, 10)]
    assert found == [(1, b"a"), (1, b"b"), (2, b"c")]
    assert (intake.journal.read(2, 1)[0].arrival.received_at - START_AT).total_seconds() == 5
    assert intake.received == 3


def test_a_record_is_a_log_line_and_a_journal_entry(intake: Intake) -> None:
    stream = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=stream)
    intake.record("gap", "warning", since=START_AT, until=START_AT, reason=None)
    (entry,) = intake.journal.read(0, 10)
    assert entry.arrival.source == "system"
    content = json.loads(entry.arrival.body)
    assert content["type"] == "gap"
    assert set(content["data"]) == {"since", "until"}
    assert "WARNING" in stream.getvalue()
    assert "host=main" in stream.getvalue()


def test_a_full_journal_takes_what_it_has_room_for_refuses_the_rest_and_counts_only_what_it_took(
    intake: Intake,
) -> None:
    with pytest.raises(JournalFull):
        intake.take_frames([b"%d" % n + b"x" * 1000 for n in range(1000)])
    assert 80 < intake.received < 128
    frames = [entry.arrival for entry in intake.journal.read(0, 1000) if entry.arrival.source == "frame"]
    assert [int(frame.body.rstrip(b"x")) for frame in frames] == list(range(intake.received))


def test_a_damaged_journal_is_recorded_in_the_one_that_takes_its_place(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "host-main.journal").write_bytes(b"damaged" * 100)
    intake = open_intake("host-main", "main", tmp_path, clock)
    (first, aside), (second, gap) = told(intake)
    assert (first, second) == ("journal_set_aside", "gap")
    assert Path(str(aside["file"])).exists()
    assert aside["reason"] == gap["reason"] == "error.journal_damaged"
    intake.journal.close()


@pytest.mark.parametrize("content", [b"", b"damaged" * 100])
def test_where_a_damaged_journal_does_not_tell_when_the_host_was_heard_all_until_it_is_reached_is_missing(
    tmp_path: Path, clock: FakeClock, content: bytes
) -> None:
    (tmp_path / "host-main.journal").write_bytes(content)
    intake = open_intake("host-main", "main", tmp_path, clock)
    assert [name for name, _ in told(intake)] == ["journal_set_aside", "gap"]
    assert intake.journal.heard_at == START_AT
    intake.journal.close()


def told(intake: Intake) -> list[tuple[str, dict[str, object]]]:
    """Return what the intake recorded: type and data of each."""
    entries = [entry.arrival for entry in intake.journal.read(0, 10_000)]
    contents = [json.loads(entry.body) for entry in entries if entry.source == "system"]
    return [(content["type"], content["data"]) for content in contents]


def fill_until(intake: Intake, share: float) -> None:
    while intake.journal.used_share < share:
        intake.take_frames([b"x" * 2000])


def test_each_alarm_is_told_once_on_the_way_up_and_the_end_once(intake: Intake) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    fill_until(intake, 0.96)
    alarms = [data["percent"] for name, data in told(intake) if name == "journal_filling"]
    assert [int(str(percent)) // 5 * 5 for percent in alarms] == [70, 85, 95]
    assert output.getvalue().count("ERROR") == 1
    while intake.watch() >= 0.6:
        intake.journal.acknowledge(intake.journal.read(0, 1)[0].seq)
    intake.watch()
    assert [name for name, _ in told(intake)].count("journal_eased") == 1
    fill_until(intake, 0.75)
    assert [name for name, _ in told(intake)][-1] == "journal_filling"


def test_a_full_journal_still_takes_what_the_middleware_records(intake: Intake) -> None:
    with pytest.raises(JournalFull):
        fill_until(intake, 2)
    for _ in range(5):
        intake.record("session.down", "warning", reason="error.journal_full", detail="x", retry_seconds=1)
    assert [name for name, _ in told(intake)].count("session_down") == 5


def test_after_a_refusal_no_frame_is_taken_until_the_next_connection(intake: Intake) -> None:
    intake.begin_connection()
    with pytest.raises(JournalFull):
        intake.take_frames([b"x" * 1000] * 1000)
    with pytest.raises(JournalFull):
        intake.take_frames([b""])
    taken = intake.received
    intake.begin_connection()
    intake.take_frames([b""])
    assert intake.received == taken + 1


def test_after_a_defect_too_no_frame_is_taken_until_the_next_connection(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> float:
        raise MemoryError

    intake.begin_connection()
    with monkeypatch.context() as patch:
        patch.setattr(intake.journal, "append", fail)
        with pytest.raises(MemoryError):
            intake.take_frames([b"lost"])
    with pytest.raises(Unexpected):
        intake.take_frames([b"after it"])
    intake.begin_connection()
    intake.take_frames([b"later"])
    assert [entry.arrival.body for entry in intake.journal.read(0, 10)] == [b"later"]


def test_a_full_journal_is_waited_for_until_it_has_room(intake: Intake, clock: FakeClock) -> None:
    stop = threading.Event()
    assert intake.wait_for_room(stop)
    with pytest.raises(JournalFull):
        fill_until(intake, 2)

    class Draining(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> bool:
            intake.journal.acknowledge(intake.journal.read(0, 1)[0].seq)
            return super().wait(event, seconds)

    intake.clock = Draining()
    assert intake.wait_for_room(stop)
    assert 0.8 < intake.journal.used_share < 0.9
    assert len(intake.clock.waits) > 3
    stop.set()
    assert not intake.wait_for_room(stop)


def spoil(intake: Intake) -> None:
    """Change the journal's pages on the disk while it is open, past what SQLite keeps of them in memory."""
    intake.take_frames([b"x" * 1000 for _ in range(50)])
    database = intake.journal._database
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with intake.journal.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (intake.journal.path.stat().st_size - 4096))
    database.execute("PRAGMA shrink_memory")
    database.execute("PRAGMA cache_size = 0")


@pytest.mark.parametrize(
    "use",
    [
        lambda intake: intake.take_frames([b"after"]),
        lambda intake: intake.record("session.up", system="x", connection=1),
        lambda intake: intake.begin_connection(),
        lambda intake: intake.describe_journal(),
        lambda intake: intake.renew(intake.journal, JournalDamaged("error.journal_damaged", file="x")),
    ],
    ids=["frames", "record", "connection", "status", "forwarder"],
)
def test_a_journal_that_is_damaged_while_in_use_is_replaced_and_the_lane_goes_on(
    intake: Intake, clock: FakeClock, use: Callable[[Intake], object]
) -> None:
    first = intake.journal
    clock.advance(60)
    spoil(intake)
    clock.advance(60)
    use(intake)
    intake.take_frames([b"later"])
    assert intake.journal is not first
    assert intake.journal.id != first.id
    found = dict(told(intake))
    aside = Path(str(found["journal_set_aside"]["file"]))
    assert aside.exists()
    assert found["gap"]["reason"] == "error.journal_damaged"
    assert str(found["gap"]["since"]).startswith("2026-03-02T08:00:00"), "all since the file was begun"
    assert intake.journal.heard_at == clock.now()
    intake.renew(first, JournalDamaged("error.journal_damaged", file="x"))
    assert [name for name, _ in told(intake)].count("journal_set_aside") == 1, "it was replaced already"
    intake.journal.close()


def test_connections_are_counted_on_in_the_journal_that_takes_a_damaged_one_s_place(intake: Intake) -> None:
    for _ in range(3):
        intake.begin_connection()
    spoil(intake)
    intake.take_frames([b"after"])
    assert intake.connection == 4  # entries are numbered anew, so that they need another one
    assert [entry.arrival.connection for entry in intake.journal.read(0, 10)][-1] == 4
    intake.begin_connection()
    assert intake.connection == 5
    intake.journal.close()


def test_records_that_were_asked_for_say_nothing_of_when_the_host_was_last_heard(
    intake: Intake, clock: FakeClock
) -> None:
    intake.take_frames([b"frame"])
    clock.advance(30)
    intake.take_records([b"record"])
    assert intake.journal.heard_at == START_AT
    assert [entry.arrival.source for entry in intake.journal.read(0, 10)] == ["frame", "frame"]
    with pytest.raises(JournalFull):
        intake.take_records([b"x" * 1000] * 1000)


def test_the_gap_of_a_damaged_journal_begins_with_the_oldest_that_was_not_forwarded(
    intake: Intake, clock: FakeClock
) -> None:
    clock.advance(60)
    intake.take_frames([b"x" * 1000] * 50)
    clock.advance(60)
    intake.take_frames([b"x" * 1000])
    intake.renew(intake.journal, JournalDamaged("error.journal_damaged", file="x"))
    gap = dict(told(intake))["gap"]
    assert str(gap["since"]).startswith("2026-03-02T08:01:00")
    assert str(gap["until"]).startswith("2026-03-02T08:02:00")
    intake.journal.close()


def test_the_gap_of_a_damaged_journal_has_no_beginning_where_that_would_not_be_before_its_end(
    intake: Intake, clock: FakeClock
) -> None:
    intake.take_frames([b"x"])
    clock.jump(-3600)
    intake.renew(intake.journal, JournalDamaged("error.journal_damaged", file="x"))
    gap = dict(told(intake))["gap"]
    assert "since" not in gap
    assert datetime.fromisoformat(str(gap["until"])) == clock.now()
    intake.journal.close()


def reading_of(intake: Intake) -> str | None:
    with open_salvage(intake.journal.path) as found:
        return found.reading


def test_a_journal_that_takes_a_damaged_one_s_place_says_how_it_is_read_too(intake: Intake) -> None:
    intake.keep_reading("how")
    assert reading_of(intake) == "how"
    intake.renew(intake.journal, JournalDamaged("error.journal_damaged", file="x"))
    assert reading_of(intake) == "how"
    intake.journal.close()


def overfill_with_records(intake: Intake) -> None:
    while True:
        intake.record("x", detail="y" * 2000)


def test_a_note_for_which_there_is_no_room_stops_nothing_and_is_written_with_the_next_connection(
    intake: Intake,
) -> None:
    with pytest.raises(JournalFull):
        overfill_with_records(intake)
    intake.keep_reading("how" * 3000)
    intake.begin_connection()
    assert reading_of(intake) is None
    intake.journal.acknowledge(intake.journal.read(0, 10)[-1].seq)
    intake.begin_connection()
    assert reading_of(intake) == "how" * 3000


def test_a_connection_that_could_not_be_counted_waits_for_room_too(intake: Intake, clock: FakeClock) -> None:
    stop = threading.Event()
    intake.begin_connection()
    with pytest.raises(JournalFull):
        fill_until(intake, 2)
    with pytest.raises(JournalFull):
        overfill_with_records(intake)
    intake.journal._database.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE ON meta BEGIN INSERT INTO entries"
        " VALUES (NULL, 1, 1, 'system', zeroblob(500000)); END"
    )
    with pytest.raises(JournalFull):
        intake.begin_connection()

    class Patient(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> bool:
            stop.set()
            return super().wait(event, seconds)

    intake.clock = Patient()
    assert not intake.wait_for_room(stop)
    assert intake.connection == 1
