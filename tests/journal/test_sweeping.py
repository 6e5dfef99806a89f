"""What was acknowledged is not only no entry any more: its bytes are gone from the file and from its log."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw.journal.journal import Arrival, Journal, open_journal
from ipecs_mw.journal.salvage import open_salvage

CANARY = b"canary-01717654321"


def frame(size: int) -> Arrival:
    """Return a frame whose every part can be told."""
    return Arrival(1, START_AT, "frame", (CANARY * (size // len(CANARY) + 1))[:size])


def is_found(path: Path) -> bool:
    return any(CANARY in part.read_bytes() for part in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "host-main.journal"


@pytest.fixture
def journal(path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened, _ = open_journal(path, clock)
    yield opened
    opened.close()


@pytest.mark.parametrize("size", [20, 500, 5000, 300_000])
def test_what_is_acknowledged_is_gone_from_the_disk_once_it_is_quiet(
    journal: Journal, path: Path, size: int
) -> None:
    for _ in range(4):
        journal.append([frame(size)] * 10)
    assert is_found(path)
    journal.acknowledge(40)
    journal.sweep()
    assert not is_found(path)
    assert journal.append([frame(size)]) >= 0
    assert [entry.seq for entry in journal.read(0, 10)] == [41]


def test_what_waits_stays_and_what_went_before_it_is_gone(journal: Journal, path: Path) -> None:
    journal.append([frame(500)] * 200)
    journal.append([Arrival(1, START_AT, "frame", b"waits")] * 50)
    journal.acknowledge(200)
    journal.sweep()
    assert not is_found(path)
    assert [entry.arrival.body for entry in journal.read(0, 100)] == [b"waits"] * 50


def test_it_is_gone_after_a_stop_too(journal: Journal, path: Path) -> None:
    journal.append([frame(500)] * 20)
    journal.acknowledge(20)
    journal.close()
    assert not is_found(path)


def acknowledge_and_end(path: Path) -> None:
    journal, _ = open_journal(path, FakeClock())
    journal.append([frame(500)] * 20)
    journal.acknowledge(20)
    os._exit(0)


def test_a_run_that_was_killed_leaves_it_to_the_next(path: Path, clock: FakeClock) -> None:
    killed = multiprocessing.get_context("spawn").Process(target=acknowledge_and_end, args=(path,))
    killed.start()
    killed.join()
    assert killed.exitcode == 0
    assert is_found(path)
    journal, _ = open_journal(path, clock)
    with closing(journal):
        journal.sweep()
        assert not is_found(path)


def test_a_file_of_a_version_that_overwrote_nothing_is_cleaned_once_it_is_empty(
    path: Path, clock: FakeClock
) -> None:
    journal, _ = open_journal(path, clock)
    journal.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        for _ in range(50):
            database.execute("INSERT INTO entries VALUES (NULL, 1, 1, 'frame', ?)", (frame(5000).body,))
        database.execute("DELETE FROM entries WHERE seq < 50")
    assert is_found(path)
    journal, _ = open_journal(path, clock)
    with closing(journal):
        journal.sweep()
        assert [entry.seq for entry in journal.read(0, 10)] == [50]
        journal.acknowledge(50)
        journal.sweep()
        assert not is_found(path)
        journal.append([frame(20)])
        assert [entry.seq for entry in journal.read(0, 10)] == [51], "numbers are never used twice"


def test_who_reads_the_file_puts_it_off_and_holds_up_nobody(journal: Journal, path: Path) -> None:
    journal.append([frame(500)] * 20)
    with open_salvage(path) as salvage:
        assert salvage.count_entries() == 20
        journal.acknowledge(20)
        done = threading.Event()
        threading.Thread(target=lambda: (journal.sweep(), done.set()), daemon=True).start()
        assert done.wait(4), "SQLite would wait five seconds for the reader"
        assert salvage.count_entries() == 20
    journal.sweep()
    assert not is_found(path)
