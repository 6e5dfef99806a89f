"""What a journal survives: a killed process, bytes that changed, files of other versions."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw.errors import JournalDamaged, JournalError, JournalFull, JournalNewer
from ipecs_mw.journal import file
from ipecs_mw.journal import journal as module
from ipecs_mw.journal.file import FORMAT
from ipecs_mw.journal.journal import Arrival, Journal, open_journal, replace_journal

WRITER = """
import sys
from pathlib import Path
from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, open_journal
clock = SystemClock()
journal, _ = open_journal(Path(sys.argv[1]), clock)
number = int(sys.argv[2])
while True:
    group = [Arrival(1, clock.now(), "frame", str(n).encode()) for n in range(number, number + 7)]
    journal.append(group)
    number += 7
    print(number, flush=True)
"""


def fill(path: Path, clock: FakeClock, count: int = 500) -> None:
    journal, _ = open_journal(path, clock)
    journal.append([Arrival(1, START_AT, "frame", b"x" * 500) for _ in range(count)])
    journal.close()


def check_begun_anew(path: Path, clock: FakeClock) -> Path:
    """Open a file that cannot be used; return where it is now, after proving that a new one serves."""
    journal, aside = open_journal(path, clock)
    assert aside is not None
    assert aside.path.exists()
    assert journal.entry_count == 0
    journal.append([Arrival(1, START_AT, "frame", b"new")])
    assert journal.entry_count == 1
    journal.close()
    return aside.path


def test_killing_the_process_loses_nothing_that_was_appended(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    promised = 0
    for round_ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(promised)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        try:
            for _ in range(5 + 7 * round_):
                promised = int(writer.stdout.readline())
        finally:
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
            writer.stdout.close()
            writer.wait(10)
        promised = int(rest[-1]) if rest else promised
        journal, aside = open_journal(path, clock)
        found = [int(entry.arrival.body) for entry in journal.read(0, 10**6)]
        journal.close()
        assert aside is None
        assert found[:promised] == list(range(promised))
        assert len(found) % 7 == 0, "a group is whole or not there"
        promised = len(found)


@pytest.mark.parametrize("content", [b"no database at all" * 300, os.urandom(8192), b"SQLite format 3\x00"])
def test_a_file_that_is_no_journal_is_set_aside(tmp_path: Path, clock: FakeClock, content: bytes) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(content)
    assert check_begun_anew(path, clock).read_bytes() == content


def test_an_empty_file_has_lost_what_was_in_it(tmp_path: Path, clock: FakeClock) -> None:
    # a new journal has its name only once it is whole
    fill(tmp_path / "a.journal", clock, count=1)
    os.truncate(tmp_path / "a.journal", 0)
    assert check_begun_anew(tmp_path / "a.journal", clock).stat().st_size == 0


def test_a_log_without_its_journal_has_lost_it(tmp_path: Path, clock: FakeClock) -> None:
    log = tmp_path / "a.journal-wal"
    log.write_bytes(b"x" * 5000)
    journal, aside = open_journal(tmp_path / "a.journal", clock)
    assert aside is not None
    assert journal.entry_count == 0
    assert aside.path.with_name(aside.path.name + "-wal").read_bytes() == b"x" * 5000
    journal.close()


def test_a_process_that_dies_while_it_makes_a_journal_leaves_nothing_that_looks_like_one(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.journal"

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(file, "_create", die)
        with pytest.raises(KeyboardInterrupt):
            open_journal(path, clock)
    assert file.find_files(tmp_path) == []
    journal, aside = open_journal(path, clock)
    assert aside is None
    assert [part.name for part in tmp_path.iterdir() if part.name.endswith(".new")] == []
    journal.close()


@pytest.mark.parametrize("size", [100, 4096, 5000, 12288, 100_000])
def test_a_truncated_journal_is_set_aside(tmp_path: Path, clock: FakeClock, size: int) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock)
    os.truncate(path, size)
    assert check_begun_anew(path, clock).stat().st_size >= size


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_are_read_over_or_told_as_damage_and_what_comes_then_is_kept(
    tmp_path: Path, clock: FakeClock, seed: int
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=60)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(200):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    journal, _ = open_journal(path, clock)
    new = Arrival(1, START_AT, "frame", b"new")
    try:
        journal.append([new])
        found = journal.read(0, 1000)
    except JournalDamaged as error:
        journal, _ = replace_journal(journal, clock, error)
        journal.append([new])
        found = journal.read(0, 1000)
    assert found[-1].arrival == new
    journal.close()


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE meta SET value = {FORMAT + 1} WHERE name = 'format'",
        "DELETE FROM meta WHERE name = 'format'",
        "DELETE FROM meta WHERE name = 'id'",
        "DELETE FROM meta WHERE name = 'connection'",
        "DROP TABLE meta",
        "DROP TABLE entries",
        "ALTER TABLE entries DROP COLUMN source",
    ],
)
def test_a_journal_of_another_form_is_set_aside(tmp_path: Path, clock: FakeClock, statement: str) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=1)
    change(path, statement)
    check_begun_anew(path, clock)


def test_what_was_set_aside_is_still_there_after_the_next_damage(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    found = set()
    for _ in range(3):
        path.write_bytes(b"no database" * 100)
        found.add(check_begun_anew(path, clock))
    assert len(found) == 3
    assert all(aside.exists() for aside in found)


def test_a_folder_where_a_file_should_be_is_an_error_that_names_it(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(JournalError) as caught:
        open_journal(tmp_path, clock)
    assert caught.value.facts["file"] == str(tmp_path)


def spoil(journal: Journal, first_page: int) -> None:
    """Overwrite pages of an open journal, past what SQLite keeps of them in memory."""
    database = journal._database
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with journal.path.open("r+b") as stream:
        stream.seek(first_page * 4096)
        stream.write(os.urandom(journal.path.stat().st_size - first_page * 4096))
    database.execute("PRAGMA shrink_memory")
    database.execute("PRAGMA cache_size = 0")


def test_damage_to_an_open_journal_is_told_as_such_by_whatever_meets_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    fill(tmp_path / "a.journal", clock, 1000)
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    spoil(journal, 2)
    with pytest.raises(JournalDamaged):
        journal.read(0, 1000)
    with pytest.raises(JournalDamaged):
        journal.acknowledge(1000)
    with pytest.raises(JournalDamaged):
        journal.append([Arrival(1, START_AT, "frame", b"x" * 500)] * 50)
    journal.close()


def test_a_damaged_journal_is_replaced_while_another_thread_uses_it(tmp_path: Path, clock: FakeClock) -> None:
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    new, aside = replace_journal(journal, clock, JournalDamaged("error.journal_damaged", file="x"))
    with pytest.raises(JournalDamaged):
        journal.read(0, 1)
    assert aside.path.exists()
    assert new.path == journal.path
    assert new.id != journal.id
    new.append([Arrival(1, START_AT, "frame", b"new")])
    new.close()


def test_a_damaged_journal_that_cannot_be_replaced_yet_stays_where_it_is(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=3)
    before = path.read_bytes()
    journal, _ = open_journal(path, clock)
    error = JournalDamaged("error.journal_damaged", file=str(path))

    def refuse(*_arguments: object) -> None:
        path.write_bytes(b"half a file")
        raise JournalFull("error.journal_full", file=str(path))

    with monkeypatch.context() as patch:
        patch.setattr(module, "open_file", refuse)
        for _ in range(2):
            with pytest.raises(JournalFull):
                replace_journal(journal, clock, error)
            assert [file.name for file in tmp_path.iterdir()] == ["a.journal"]
    new, aside = replace_journal(journal, clock, error)
    assert aside.path.read_bytes() == before
    new.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET seq = 9000000000000000000 WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE entries SET received_at = 9000000000000000000 WHERE seq = 2",
        "UPDATE entries SET body = 'text' WHERE seq = 2",
        "UPDATE entries SET source = x'ff00' WHERE seq = 2",
        "UPDATE entries SET connection = 'one' WHERE seq = 2",
    ],
)
def test_an_entry_whose_bytes_changed_is_damage_and_takes_no_other_with_it(
    tmp_path: Path, clock: FakeClock, statement: str
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=3)
    change(path, statement)
    journal, _ = open_journal(path, clock)
    with pytest.raises(JournalDamaged):
        journal.read(0, 10)
    assert journal.entry_count
    journal.close()


def test_a_large_journal_is_opened_without_reading_what_waits_in_it(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    journal, _ = open_journal(path, clock)
    for _ in range(20):
        journal.append([Arrival(1, START_AT, "frame", b"x" * 1000)] * 1000)
    journal.close()
    with path.open("r+b") as stream:  # deep inside, where opening has no business
        stream.seek(path.stat().st_size // 2 // 4096 * 4096)
        stream.write(os.urandom(4096 * 4))
    journal, aside = open_journal(path, clock)
    assert aside is None
    assert journal.entry_count == 20_000
    assert journal.read(5000, 1000)
    with pytest.raises(JournalDamaged):
        journal.read(8500, 3000)
    journal.close()


def test_a_large_journal_whose_newest_entries_are_damaged_is_set_aside(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "a.journal"
    journal, _ = open_journal(path, clock)
    for _ in range(10):
        journal.append([Arrival(1, START_AT, "frame", b"x" * 1000)] * 1000)
    journal.close()
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size - 4096 * 4)
        stream.write(os.urandom(4096 * 4))
    journal, aside = open_journal(path, clock)
    assert aside is not None
    assert aside.path.exists()
    assert journal.entry_count == 0
    journal.close()


def test_a_journal_of_a_former_format_is_brought_up_to_date_and_keeps_its_entries(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=3)
    monkeypatch.setattr(file, "FORMAT", 3)
    steps = {1: "ALTER TABLE entries ADD COLUMN size INTEGER", 2: "UPDATE entries SET size = length(body)"}
    monkeypatch.setattr(file, "UPGRADES", steps)
    for _ in range(2):
        journal, aside = open_journal(path, clock)
        assert aside is None
        assert len(journal.read(0, 10)) == 3
        journal.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT DISTINCT size FROM entries").fetchall() == [(500,)]
    assert database.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == (3,)
    database.close()


def test_an_upgrade_that_fails_leaves_the_former_format_to_be_set_aside(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=3)
    monkeypatch.setattr(file, "FORMAT", 2)
    monkeypatch.setattr(file, "UPGRADES", {1: "DELETE FROM entries; UPDATE nothing SET a = 1"})
    aside = check_begun_anew(path, clock)
    database = sqlite3.connect(aside)
    assert database.execute("SELECT count(*) FROM entries").fetchone() == (3,)
    database.close()


def test_a_newer_format_is_told_apart_from_damage(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, count=1)
    change(path, f"UPDATE meta SET value = {FORMAT + 1} WHERE name = 'format'")
    journal, aside = open_journal(path, clock)
    journal.close()
    assert aside is not None
    assert isinstance(aside.error, JournalNewer)
    assert aside.error.facts["format"] == FORMAT + 1
    assert ".journal.newer-" in aside.path.name
