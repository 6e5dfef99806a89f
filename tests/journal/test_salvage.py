"""Reading journals that others hold or that are damaged: what can be read is, and what cannot is counted."""

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw.errors import JournalDamaged
from ipecs_mw.journal.file import find_files, is_open_elsewhere, read_owner
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.journal.salvage import open_salvage

PAGE_BYTES = 4096


def fill(path: Path, clock: FakeClock, count: int) -> None:
    journal, _ = open_journal(path, clock)
    journal.append([Arrival(1, START_AT, "frame", f"{n}".encode().ljust(500)) for n in range(count)])
    journal.close()


def read(path: Path) -> tuple[list[int], int]:
    """Return the numbers that the bodies bear, and how many entries were lost."""
    with open_salvage(path) as found:
        numbers = [int(entry.arrival.body) for entry in found.read_entries()]
        return numbers, found.lost_count


def damage(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE_BYTES)
            file.write(os.urandom(PAGE_BYTES))


def test_a_whole_file_is_read_from_end_to_end(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 2500)
    assert read(path) == (list(range(2500)), 0)
    with open_salvage(path) as found:
        assert (found.format, found.count_entries(), found.oldest_at) == (1, 2500, START_AT)
        assert (found.heard_at, found.newest_at) == (START_AT, START_AT)
        assert found.find_damage() is None
    assert [file.name for file in tmp_path.iterdir()] == ["a.journal"], "reading leaves nothing behind"


def test_what_lies_around_an_unreadable_page_is_read_and_the_rest_counted(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 2500)
    damage(path, 100, 101, 200)
    numbers, lost = read(path)
    assert numbers == sorted(set(numbers))
    assert len(numbers) + lost == 2500
    assert 14 <= lost <= 3 * PAGE_BYTES // 500
    with open_salvage(path) as found:
        assert found.find_damage()


@pytest.mark.parametrize("seed", range(12))
def test_bytes_flipped_anywhere_never_raise_and_every_entry_is_read_or_counted(
    tmp_path: Path, clock: FakeClock, seed: int
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 700)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(60):
        content[chance.randrange(PAGE_BYTES, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    try:
        with open_salvage(path) as found:
            entries = list(found.read_entries())
            assert len(entries) + found.lost_count >= 650
            found.find_damage()
    except JournalDamaged:
        assert path.read_bytes() == content


def test_a_file_that_is_none_of_ours_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(JournalDamaged), open_salvage(path):
        pass
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE other (a)").connection.close()
    with pytest.raises(JournalDamaged), open_salvage(path):
        pass


def test_a_journal_is_read_while_another_process_holds_it(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 3)
    holder = f"""
from pathlib import Path
from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, open_journal
journal, _ = open_journal(Path({str(path)!r}), SystemClock())
journal.append([Arrival(1, SystemClock().now(), "frame", b"3")])
print("held", flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert read(path) == ([0, 1, 2, 3], 0)
        assert is_open_elsewhere(path)
    finally:
        process.communicate("\n", timeout=30)
    assert not is_open_elsewhere(path)


def test_the_journals_of_a_folder_are_told_by_their_names(tmp_path: Path, clock: FakeClock) -> None:
    names = ["host-a-b.journal", "host-a-b.journal.damaged-1", "middleware.journal"]
    for name in (*names, "host-a-b.journal-wal", "host-x.token", "host-a-b.journal.damaged-0.requeued"):
        (tmp_path / name).touch()
    found = find_files(tmp_path)
    assert [path.name for path in found] == names
    assert [read_owner(path) for path in found] == ["a-b", "a-b", ""]
    assert read_owner(tmp_path / "copy.db") is None


def test_what_is_acknowledged_while_a_journal_is_read_does_not_look_lost(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 1500)
    journal, _ = open_journal(path, clock)
    journal.append([Arrival(1, START_AT, "frame", b"1500")])
    with open_salvage(path) as found:
        entries = found.read_entries()
        numbers = [int(next(entries).arrival.body)]
        journal.acknowledge(1000)
        journal.append([Arrival(1, START_AT, "frame", b"1501")])
        numbers += [int(entry.arrival.body) for entry in entries]
        assert (numbers, found.lost_count) == (list(range(1501)), 0)
    assert journal.entry_count == 502
    journal.close()


def test_the_notes_of_a_journal_can_be_read_and_count_as_absent_where_they_are_not_text(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "a.journal"
    fill(path, clock, 2)
    with open_salvage(path) as found:
        assert (found.reading, found.position) == (None, None)
    journal, _ = open_journal(path, clock)
    journal.keep_reading("how")
    journal.acknowledge(1, "where")
    with open_salvage(path) as found:
        assert (found.reading, found.position) == ("how", "where")
    journal._database.execute("UPDATE meta SET value = 5 WHERE name IN ('reading', 'position')")
    journal.close()
    with open_salvage(path) as found:
        assert (found.reading, found.position) == (None, None)
    journal, aside = open_journal(path, clock)
    assert (journal.position, aside) == (None, None), "no reason to set a journal aside"
    journal.close()
