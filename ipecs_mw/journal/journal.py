"""The journal: one SQLite file for each host, durable before anything else happens to an entry.

Entries are appended in groups, read in order of their sequence number, and deleted only once they are
acknowledged as stored in MongoDB. Numbers are never used twice and the journal's id is unique to the file, so
both name an entry as long as there is one such file: a copy, or an older state that is put back, counts on from
where it was, and only the instant of arrival tells its new entries from those that were there.

It also keeps two notes of its users, and does not read them: how entries are read, how far the reading has come.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalDamaged, JournalError, JournalFull
from ipecs_mw.journal.file import (
    EPOCH,
    MICROSECOND,
    open_file,
    read_begin,
    remove,
    rename,
    set_aside,
    sweep,
    translate,
)
from ipecs_mw.journal.fresh import Fresh
from ipecs_mw.journal.room import Room

DEFAULT_MAX_BYTES = 1024 * 1024 * 1024

_INSERT = "INSERT INTO entries (connection, received_at, source, body) VALUES "
_ROW = "(?, ?, ?, ?)"
_MOST_ROWS = 100
"""Rows that are inserted with one statement, which is half the work of a statement for each."""

READ_BYTES = 4 * 1024 * 1024
"""Once so much was read at a time, the rest is left for the next time."""

Source = Literal["frame", "system"]
_SOURCES: Mapping[object, Source] = {b"frame": "frame", b"system": "system"}
"""A source as it is read, as bytes: text takes a call for each."""


class Arrival(Struct, frozen=True, gc=False):
    """What is to be kept: `body` as it came, when it came, and in which connection."""

    connection: int
    received_at: datetime
    source: Source
    body: bytes


class Entry(Struct, frozen=True, gc=False):
    """An arrival with its sequence number."""

    seq: int
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file that could not be used: where it is now, and why. Its entries may not be in MongoDB."""

    path: Path
    error: JournalDamaged


class Journal:
    """An open journal file; safe for several threads, one of which reads. Build it with `open_journal`.

    `has_entries` is set while there may be something to read that was not read yet. Every method and property
    raises JournalDamaged where the file is, and once it was closed: then another has taken its place.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.has_entries = threading.Event()
        self._database = database
        self._is_closed = False
        self._lock = threading.Lock()
        meta = dict(database.execute("SELECT name, value FROM meta"))
        self.id: str = meta["id"]
        self._connection: int = meta["connection"]
        self._heard_at: int | None = meta.get("heard_at")
        self._uncovered_since: int = meta.get("uncovered_since", 0)
        self._reading: object = meta.get("reading")
        self._position: object = meta.get("position")
        self._synchronous = "FULL"  # as the file is opened
        self._is_swept = False
        self._acknowledged = 0
        self._room = Room(path, database, max_bytes)
        with self._use():
            last = database.execute("SELECT ifnull(max(seq), 0) FROM entries").fetchone()[0]
        self._fresh: Fresh[Entry] = Fresh(last)
        if last:
            self.has_entries.set()

    @property
    def entry_count(self) -> int:
        """How many entries wait to be acknowledged."""
        with self._use() as database:
            ends = "SELECT (SELECT min(seq) FROM entries), (SELECT max(seq) FROM entries)"
            first, last = database.execute(ends).fetchone()
        return 0 if first is None else last - first + 1

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest waiting entry arrived."""
        with self._use() as database:
            row = database.execute("SELECT received_at FROM entries ORDER BY seq LIMIT 1").fetchone()
            return None if row is None else self._read_instant(row[0])

    @property
    def heard_at(self) -> datetime | None:
        """When the last frame arrived, in whichever run; None where there never was one."""
        return None if self._heard_at is None else EPOCH + self._heard_at * MICROSECOND

    @property
    def uncovered_since(self) -> datetime | None:
        """Since when, in whichever run, the host leaves events out although heard; None where it does not."""
        return EPOCH + self._uncovered_since * MICROSECOND if self._uncovered_since else None

    @property
    def begun_at(self) -> datetime | None:
        """When the file was made."""
        return read_begin(self.id)

    @property
    def position(self) -> str | None:
        """What was kept with the last acknowledgement that brought something to keep."""
        return self._position if isinstance(self._position, str) else None

    @property
    def used_share(self) -> float:
        """How full the journal is, 0 to 1 of its cap, or of what the disk has room for where that is less."""
        with self._use():
            self._room.measure()
            return self._room.share

    @property
    def connection(self) -> int:
        """The number of the last connection; 0 where none began."""
        return self._connection

    def begin_connection(self, after: int = 0) -> int:
        """Return the number of a new connection, above `after` and every earlier one of this file.

        Raises JournalError as `append`.
        """
        with self._use("FULL") as database:
            self._connection = max(self._connection, after) + 1
            database.execute("UPDATE meta SET value = ? WHERE name = 'connection'", (self._connection,))
        return self._connection

    def append(self, arrivals: Iterable[Arrival], *, is_heard: bool = True) -> float:
        """Make `arrivals` durable, all or none, and return about how full the journal is now (`used_share`).

        On return they survive a power cut. Frames leave a reserve below the cap, so that what happens at the cap
        can still be recorded; where `is_heard`, they move `heard_at`. Raises JournalFull at the cap or on a full
        disk, JournalError where the disk fails otherwise.
        """
        arrivals = tuple(arrivals)
        rows = [(a.connection, _count_microseconds(a.received_at), a.source, a.body) for a in arrivals]
        size = sum([len(row[3]) for row in rows])
        last_at = max([row[1] for row in rows], default=0)
        frames_at = max([row[1] for row in rows if row[2] == "frame"], default=None)
        heard_at = frames_at if is_heard else None
        with self._use("FULL") as database:
            has_room = self._room.has(size, len(rows), last_at)
            if frames_at is not None and not has_room:
                raise JournalFull("error.journal_full", file=str(self.path))
            last = 0
            with _transaction(database):
                for at in range(0, len(rows), _MOST_ROWS):
                    some = rows[at : at + _MOST_ROWS]
                    values = [value for row in some for value in row]
                    last = database.execute(_INSERT + ", ".join([_ROW] * len(some)), values).lastrowid or 0
                if heard_at is not None:
                    _keep(database, "heard_at", heard_at)
            self._room.used += size
            self._heard_at = heard_at or self._heard_at
            first = last - len(rows) + 1
            self._fresh.add(first, list(map(Entry, count(first), arrivals)), size)
            share = self._room.share
        self.has_entries.set()
        return share

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Return entries with a number above `after`, in order, at most `limit` and not many MiB of them.

        None means that nothing waits.
        """
        self.has_entries.clear()
        if self._is_closed:
            raise self._damaged()
        after = max(after, self._acknowledged)
        entries = self._fresh.read(after, limit)  # without the lock: it may be held until a disk has synced
        if entries is None:
            entries = self._read_file(after, limit)
        if entries:
            self.has_entries.set()
        return entries

    def _read_file(self, after: int, limit: int) -> Sequence[Entry]:
        with self._use() as database:
            rows = database.execute(
                "SELECT seq, connection, received_at, CAST(source AS BLOB), body FROM entries"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            )
            try:
                entries = _take_some(rows)
            except ValueError as error:
                raise self._damaged() from error
            finally:
                rows.close()
        return entries

    def acknowledge(self, seq: int, position: str | None = None) -> None:
        """Delete every entry up to and including `seq`, which MongoDB has, and keep `position`: both or neither.

        None keeps the former position. A power cut may undo the latest ones, always whole and from the last back.
        Until it is done the disk must have room for the bodies once more, in SQLite's log: who has more than
        READ_BYTES of them acknowledges in parts.
        """
        # Not synced for its own sake, which would cost most of it and hold up the next append: an entry that
        # comes back is sent again and recognised. The next append syncs the log of the file with all that stands
        # in it before, and the numbers of entries are counted by appends alone, so none is used twice.
        with self._use("NORMAL") as database:
            self._is_swept = False
            with _transaction(database):
                database.execute("DELETE FROM entries WHERE seq <= ?", (seq,))
                if position is not None and position != self._position:
                    _keep(database, "position", position)
            self._position = position or self._position
            self._acknowledged = max(self._acknowledged, seq)

    def sweep(self) -> None:
        """Have nothing of what was acknowledged readable in the file or its log, for a time when nothing happens.

        Until then the log may hold it. Raises JournalError.
        """
        with self._use("FULL") as database:
            if not self._is_swept:
                self._is_swept = sweep(database)

    def keep_reading(self, reading: str) -> None:
        """Keep how the entries are to be read, where it has changed. Raises JournalError."""
        with self._use("FULL") as database:
            if reading != self._reading:  # only then: a disk may be full
                _keep(database, "reading", reading)
                self._reading = reading

    def remember_heard(self, at: datetime) -> None:
        """Take over from a former file when the last frame arrived. Raises JournalError."""
        heard_at = (at - EPOCH) // MICROSECOND
        with self._use("FULL") as database:
            _keep(database, "heard_at", heard_at)
            self._heard_at = heard_at

    def remember_uncovered(self, since: datetime | None) -> None:
        """Keep since when the host may leave events out, for a run that has to say so. Raises JournalError."""
        kept = 0 if since is None else (since - EPOCH) // MICROSECOND
        with self._use("FULL") as database:
            _keep(database, "uncovered_since", kept)
            self._uncovered_since = kept

    def close(self) -> None:
        """Close the file; what was appended stays in it."""
        with self._lock:
            self._is_closed = True
            self._database.close()

    @contextmanager
    def _use(self, synchronous: Literal["FULL", "NORMAL"] | None = None) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread at a time, its errors translated.

        Who writes says how: FULL survives a power cut on return.
        """
        try:
            with self._lock:
                if self._is_closed:
                    raise self._damaged()
                if synchronous not in (None, self._synchronous):
                    self._database.execute(f"PRAGMA synchronous = {synchronous}")
                    self._synchronous = synchronous
                yield self._database
        except sqlite3.Error as error:
            raise self._room.heed(translate(error, self.path)) from error

    def _read_instant(self, microseconds: Any) -> datetime:
        try:
            return build_instant(microseconds)
        except ValueError as error:
            raise self._damaged() from error

    def _damaged(self) -> JournalDamaged:
        return JournalDamaged("error.journal_damaged", file=str(self.path))


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write all of what is done inside, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _keep(database: sqlite3.Connection, name: str, value: int | str) -> None:
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _take_some(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    """Return the first entries; raise ValueError where the bytes of one, or its number, changed on the disk."""
    entries: list[Entry] = []
    size = 0
    for row in rows:
        entry = build_entry(row)
        # acknowledging deletes up to a number, so one that changed on the disk would take others with it
        if entries and entry.seq != entries[-1].seq + 1:
            raise ValueError(f"entry {entry.seq}")
        entries.append(entry)
        size += len(entry.arrival.body)
        if size >= READ_BYTES:
            break
    return entries


def build_entry(row: Sequence[Any]) -> Entry:
    """Return the entry of a row of the table; raise ValueError where its bytes changed on the disk."""
    seq, connection, received_at, told, body = row
    source = _SOURCES.get(told)
    if not (isinstance(connection, int) and isinstance(body, bytes) and source is not None):
        raise ValueError(f"entry {seq}")
    return Entry(seq, Arrival(connection, build_instant(received_at), source, body))


@lru_cache(maxsize=64)  # what came together has one instant
def _count_microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


@lru_cache(maxsize=64)
def build_instant(microseconds: Any) -> datetime:
    """Return the instant that so many microseconds since 1970 are; raise ValueError where there is none."""
    try:
        at: datetime = EPOCH + microseconds * MICROSECOND
    except (TypeError, OverflowError) as error:
        raise ValueError(f"instant {microseconds}") from error
    return at


def open_journal(
    path: Path, clock: Clock, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[Journal, SetAside | None]:
    """Open the journal at `path`, made new (mode 0600) where there is none; how much waits in it does not matter.

    A file that is damaged or of a newer format is set aside, never deleted: the second value says so. Raises
    JournalError where the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return Journal(path, open_file(path, clock, max_bytes), max_bytes), None
    except JournalDamaged as error:
        return _begin_anew(path, clock, max_bytes, error)


def replace_journal(journal: Journal, clock: Clock, error: JournalDamaged) -> tuple[Journal, SetAside]:
    """Close a journal that proved damaged, set its file aside, and begin a new one in its place.

    Raises JournalError where the folder cannot be written.
    """
    journal.close()
    return _begin_anew(journal.path, clock, journal.max_bytes, error)


def _begin_anew(path: Path, clock: Clock, max_bytes: int, error: JournalDamaged) -> tuple[Journal, SetAside]:
    aside = SetAside(set_aside(path, clock, error), error)
    try:
        return Journal(path, open_file(path, clock, max_bytes), max_bytes), aside
    except JournalError:  # such as a full disk: back to where it was, so that the next try finds it
        remove(path)
        rename(aside.path, path)
        raise
