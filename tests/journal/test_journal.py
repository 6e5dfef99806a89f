"""What the journal promises: order, durability, its cap, and numbers that are never used twice."""

import errno
import random
import resource
import shutil
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw.errors import JournalError, JournalFull
from ipecs_mw.journal.journal import Arrival, Entry, Journal, open_journal


def arrive(*bodies: bytes, connection: int = 1) -> list[Arrival]:
    return [Arrival(connection, START_AT, "frame", body) for body in bodies]


def bodies(journal: Journal, after: int = 0, limit: int = 1000) -> list[bytes]:
    return [entry.arrival.body for entry in journal.read(after, limit)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "host-main.journal"


@pytest.fixture
def journal(path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened, aside = open_journal(path, clock)
    assert aside is None
    yield opened
    opened.close()


def test_entries_come_back_as_they_were_in_order(journal: Journal) -> None:
    at = datetime(2026, 3, 2, 8, 0, 0, 123457, tzinfo=UTC)
    given = [Arrival(7, at + timedelta(microseconds=n), "system", b"\x00\xff" * n) for n in range(5)]
    journal.append(given[:2])
    journal.append(given[2:])
    assert [entry.arrival for entry in journal.read(0, 100)] == given


def test_reading_goes_on_after_a_number_and_stops_at_a_limit(journal: Journal) -> None:
    journal.append(arrive(b"a", b"b", b"c"))
    first = journal.read(0, 2)
    assert [entry.arrival.body for entry in first] == [b"a", b"b"]
    assert bodies(journal, after=first[-1].seq) == [b"c"]
    assert bodies(journal) == [b"a", b"b", b"c"], "reading takes nothing away"


def test_what_is_acknowledged_is_gone_and_nothing_else(journal: Journal) -> None:
    journal.append(arrive(b"a", b"b", b"c"))
    journal.acknowledge(journal.read(0, 2)[-1].seq)
    assert bodies(journal) == [b"c"]
    assert journal.entry_count == 1


def test_numbers_are_not_used_again_once_the_journal_was_emptied(path: Path, clock: FakeClock) -> None:
    seen: set[int] = set()
    ids = set()
    for _ in range(3):
        journal, _ = open_journal(path, clock)
        journal.append(arrive(b"a", b"b"))
        numbers = {entry.seq for entry in journal.read(0, 10)}
        assert not numbers & seen
        seen |= numbers
        ids.add(journal.id)
        journal.acknowledge(max(numbers))
        journal.close()
    assert len(ids) == 1, "the file keeps its id"


def test_two_journals_have_two_ids(tmp_path: Path, clock: FakeClock) -> None:
    opened = [open_journal(tmp_path / name, clock)[0] for name in ("a", "b")]
    assert opened[0].id != opened[1].id
    for journal in opened:
        journal.close()


def test_ids_of_later_journals_sort_after_those_of_earlier_ones(tmp_path: Path, clock: FakeClock) -> None:
    ids = []
    for name in ("a", "b", "c"):
        journal, _ = open_journal(tmp_path / name, clock)
        ids.append(journal.id)
        journal.close()
        clock.advance(1)
    assert ids == sorted(ids)


def test_connections_are_counted_across_restarts(path: Path, clock: FakeClock) -> None:
    numbers = []
    for _ in range(3):
        journal, _ = open_journal(path, clock)
        numbers += [journal.begin_connection(), journal.begin_connection()]
        journal.close()
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_the_file_and_its_companions_are_private(journal: Journal, path: Path) -> None:
    journal.append(arrive(b"a"))
    files = list(path.parent.iterdir())
    assert path in files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_append_is_all_or_nothing(journal: Journal) -> None:
    broken = [*arrive(b"a"), Arrival(None, START_AT, "frame", b"b")]  # type: ignore[arg-type]
    with pytest.raises(Exception, match="journal"):
        journal.append(broken)
    assert journal.entry_count == 0
    journal.append(arrive(b"b"))
    assert bodies(journal) == [b"b"]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1234])
def test_however_many_come_at_a_time_all_are_kept_in_order_or_none(journal: Journal, count: int) -> None:
    given = arrive(*[f"{number}".encode() for number in range(count)])
    with pytest.raises(Exception, match="journal"):
        journal.append([*given, Arrival(None, START_AT, "frame", b"broken")])  # type: ignore[arg-type]
    assert journal.entry_count == 0
    journal.append(given)
    assert [entry.arrival for entry in journal.read(0, 2000)] == given


def fill(journal: Journal) -> int:
    """Append entries of 1000 bytes until the journal refuses; return how many it took."""
    for stored in range(1000):
        try:
            journal.append(arrive(f"{stored}".encode().ljust(1000)))
        except JournalFull:
            return stored
    raise AssertionError


def test_at_the_cap_it_refuses_keeps_what_it_has_and_works_again(path: Path, clock: FakeClock) -> None:
    journal, _ = open_journal(path, clock, max_bytes=256 * 1024)
    stored = fill(journal)
    assert stored > 100
    assert journal.used_share > 0.9
    assert journal.entry_count == stored
    with pytest.raises(JournalFull):
        journal.append(arrive(b"x" * 50_000))
    assert journal.begin_connection() == 1, "a session can still be counted"
    journal.acknowledge(stored // 2)
    assert journal.used_share < 0.7
    journal.append(arrive(b"again"))
    assert bodies(journal, after=stored)[-1] == b"again"
    assert path.stat().st_size <= 256 * 1024
    journal.close()


def test_the_oldest_entry_tells_how_far_behind_it_is(journal: Journal) -> None:
    assert journal.oldest_at is None
    journal.append(arrive(b"a"))
    assert journal.oldest_at == START_AT


def test_a_reader_is_woken_by_what_arrives_and_not_before(journal: Journal) -> None:
    assert not journal.has_entries.is_set()
    woken = threading.Event()

    def wait() -> None:
        if journal.has_entries.wait(10):
            woken.set()

    reader = threading.Thread(target=wait)
    reader.start()
    journal.append(arrive(b"a"))
    reader.join(10)
    assert woken.is_set()
    journal.read(0, 10)
    assert journal.has_entries.is_set(), "there may be more"
    journal.read(1, 10)
    assert not journal.has_entries.is_set()


def test_what_waited_at_the_end_waits_at_the_next_start(path: Path, clock: FakeClock) -> None:
    journal, _ = open_journal(path, clock)
    journal.append(arrive(b"a"))
    journal.close()
    journal, _ = open_journal(path, clock)
    assert journal.has_entries.is_set()
    assert bodies(journal) == [b"a"]
    journal.close()


def test_one_thread_appends_while_another_reads_and_acknowledges(journal: Journal) -> None:
    def append() -> None:
        for number in range(300):
            journal.append(arrive(f"{number}".encode()))

    writer = threading.Thread(target=append)
    writer.start()
    read: list[int] = []
    after = 0
    while len(read) < 300:
        assert journal.has_entries.wait(10)
        entries = journal.read(after, 50)
        if entries:
            read += [int(entry.arrival.body) for entry in entries]
            after = entries[-1].seq
            journal.acknowledge(after)
    writer.join(10)
    assert read == list(range(300))


def test_large_entries_are_read_a_few_at_a_time(journal: Journal) -> None:
    journal.append(arrive(*[b"x" * 1024 * 1024] * 10))
    after, counts = 0, []
    while entries := journal.read(after, 1000):
        counts.append(len(entries))
        after = entries[-1].seq
    assert counts == [4, 4, 2]


def test_a_position_is_kept_with_the_acknowledgement_and_outlives_the_process(
    path: Path, clock: FakeClock
) -> None:
    journal, _ = open_journal(path, clock)
    assert journal.position is None
    journal.append(arrive(b"a", b"b", b"c"))
    journal.acknowledge(1, "1:7")
    journal.acknowledge(2)
    assert journal.position == "1:7", "nothing new keeps the former one"
    journal.close()
    journal, _ = open_journal(path, clock)
    assert journal.position == "1:7"
    assert bodies(journal) == [b"c"]
    journal.close()


def test_an_acknowledgement_deletes_and_keeps_its_position_or_does_neither(journal: Journal) -> None:
    journal.append(arrive(b"a"))
    refusal = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'refused'); END"
    journal._database.execute(refusal)
    with pytest.raises(JournalError):
        journal.acknowledge(1, "1:7")
    assert bodies(journal) == [b"a"]
    assert journal.position is None
    journal._database.execute("DROP TRIGGER refuse")
    journal.acknowledge(1, "1:7")
    assert (bodies(journal), journal.position) == ([], "1:7")


def test_an_acknowledgement_that_brings_no_other_position_writes_none(journal: Journal) -> None:
    journal.append(arrive(b"a", b"b"))
    journal.acknowledge(1, "1:7")
    before = journal._database.total_changes
    journal.acknowledge(2, "1:7")
    assert journal._database.total_changes - before == 1, "the entry alone"


def test_how_entries_are_read_is_written_only_where_it_changes(path: Path, clock: FakeClock) -> None:
    for note, writes in (("a", 1), ("a", 0), ("b", 1)):
        journal, _ = open_journal(path, clock)
        before = journal._database.total_changes
        journal.keep_reading(note)
        journal.keep_reading(note)
        assert journal._database.total_changes - before == writes
        journal.close()


def test_what_is_appended_is_synced_on_return_and_what_is_acknowledged_with_the_next_append(
    journal: Journal,
) -> None:
    def level() -> int:
        found: int = journal._database.execute("PRAGMA synchronous").fetchone()[0]
        return found

    full, normal = 2, 1
    for number in range(1, 4):
        journal.append(arrive(b"a"))
        assert level() == full
        journal.acknowledge(number)
        assert level() == normal
    for write in (journal.begin_connection, lambda: journal.remember_heard(START_AT)):
        journal.acknowledge(3)
        write()
        assert level() == full


def test_a_reader_that_keeps_up_waits_for_no_disk(journal: Journal) -> None:
    journal.append(arrive(b"a", b"b"))
    with journal._lock:  # as while an append is synced
        assert bodies(journal) == [b"a", b"b"]
        assert bodies(journal, after=1) == [b"b"]
        assert bodies(journal, after=2) == []


@pytest.mark.parametrize("limit", [1, 7, 400, 5000])
def test_a_reader_gets_every_entry_once_and_in_order_however_far_behind_it_is(
    journal: Journal, limit: int
) -> None:
    chance = random.Random(limit)
    given: list[bytes] = []
    read: list[Entry] = []
    while len(given) < 6000 or len(read) < len(given):
        for _ in range(chance.randrange(4)):
            if len(given) < 6000:
                group = [f"{len(given) + n}".encode() for n in range(chance.choice((1, 2, 900, 1001)))]
                journal.append(arrive(*group))
                given += group
        for _ in range(chance.randrange(400) if limit == 1 else chance.randrange(4)):
            read += journal.read(read[-1].seq if read else 0, limit)
        if read and chance.random() < 0.5:
            journal.acknowledge(read[-1].seq)
    assert [entry.arrival.body for entry in read] == given
    assert [entry.seq for entry in read] == list(range(1, len(given) + 1))


def test_what_is_large_is_left_to_the_file(journal: Journal) -> None:
    large = b"x" * 700_000
    for _ in range(3):
        journal.append(arrive(large))
    assert sum(len(entry.arrival.body) for group in journal._fresh._groups for entry in group.entries) < 2**20
    assert bodies(journal) == [large] * 3


def test_what_could_not_be_appended_is_not_read(journal: Journal) -> None:
    journal.append(arrive(b"a"))
    journal._database.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    with pytest.raises(JournalError):
        journal.append(arrive(b"b"))
    journal._database.execute("DROP TRIGGER refuse")
    assert bodies(journal, after=1) == []
    journal.append(arrive(b"c"))
    assert [(entry.seq, entry.arrival.body) for entry in journal.read(1, 10)] == [(2, b"c")]


def test_a_disk_that_fills_is_noticed_a_tenth_of_a_second_later(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrive_at(seconds: float) -> list[Arrival]:
        return [Arrival(1, START_AT + timedelta(seconds=seconds), "frame", b"a")]

    journal.append(arrive_at(0))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1024))
    for seconds in (0.11, -60):
        with pytest.raises(JournalFull):
            journal.append(arrive_at(seconds))
    monkeypatch.undo()
    journal.append(arrive_at(0.22))
    assert journal.entry_count == 2


def test_a_quota_that_is_used_up_is_a_full_disk_until_it_takes_bytes_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a limit of the process refuses as a quota does, but for its number
    monkeypatch.setattr("ipecs_mw.journal.room._NO_ROOM", {errno.EFBIG})
    journal.append(arrive(b"a"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(JournalFull):
            journal.append(arrive(b"x" * 1024**2))
        assert journal.used_share == 1.0
        with pytest.raises(JournalFull):
            journal.append(arrive(b"b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.used_share < 0.5
    journal.append(arrive(b"c"))
    assert journal.entry_count == 2
    assert not list(journal.path.parent.glob("*.probe"))


def test_a_disk_that_takes_no_bytes_for_another_reason_is_not_full(journal: Journal) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(JournalError) as caught:
            journal.append(arrive(b"x" * 1024**2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not isinstance(caught.value, JournalFull)


def test_pages_to_spare_in_the_file_are_no_room_where_the_disk_has_none_for_the_log(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.sweep()  # the first time it makes the file small
    for _ in range(30):
        journal.append(arrive(b"x" * 1024**2))
    journal.acknowledge(30)
    journal.sweep()
    usage = shutil.disk_usage("/")
    for free, is_full in ((0, True), (7 * 1024**2, True), (9 * 1024**2, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage._replace(free=free))
        assert (journal.used_share == 1.0) is is_full
