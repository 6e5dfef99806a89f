"""The journal: one SQLite file a lane, durable before anything else happens to an entry.

Entries are appended in groups, read in order of their sequence number, and deleted only once they are
acknowledged as stored in MongoDB. Numbers are never used twice, and the journal's id is unique to the file, so
`journal id + sequence` names an entry for ever.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalDamaged, JournalError, JournalFull

FORMAT = 1
"""The version of the file's layout; a newer one is left alone."""

DEFAULT_MAX_BYTES = 1024 * 1024 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  connection INTEGER NOT NULL,
  received_at INTEGER NOT NULL,  -- microseconds since 1970, UTC
  source TEXT NOT NULL,
  body BLOB NOT NULL
);
"""

Source = Literal["frame", "system"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is to be kept: `body` as it came, when it came, and in which connection of the lane."""

    connection: int
    received_at: datetime
    source: Source
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An arrival with its sequence number."""

    seq: int
    arrival: Arrival


class Journal:
    """An open journal file; safe for one appending and one reading thread. Build it with `open_journal`.

    `has_entries` is set while there may be something to read that was not read yet.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self.has_entries = threading.Event()
        self._database = database
        self._lock = threading.Lock()
        meta = dict(database.execute("SELECT name, value FROM meta"))
        self.id: str = meta["id"]
        self._connection: int = meta["connection"]
        self._heard_at: int | None = meta.get("heard_at")
        if self.entry_count:
            self.has_entries.set()

    @property
    def entry_count(self) -> int:
        """How many entries wait to be acknowledged."""
        with self._use() as database:
            first, last = database.execute("SELECT min(seq), max(seq) FROM entries").fetchone()
        return 0 if first is None else last - first + 1

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest waiting entry arrived."""
        with self._use() as database:
            row = database.execute("SELECT received_at FROM entries ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else _EPOCH + row[0] * _MICROSECOND

    @property
    def heard_at(self) -> datetime | None:
        """When the last frame arrived, in whichever run; None where there never was one."""
        return None if self._heard_at is None else _EPOCH + self._heard_at * _MICROSECOND

    @property
    def used_share(self) -> float:
        """How full the journal is, 0 to 1 of its cap."""
        with self._use() as database:
            pages, free, cap = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "max_page_count")
            )
        return float((pages - free) / cap)

    def begin_connection(self) -> int:
        """Return the number of a new connection, one above every earlier one of this file.

        Raises JournalError as `append`.
        """
        with self._use() as database:
            self._connection += 1
            database.execute("UPDATE meta SET value = ? WHERE name = 'connection'", (self._connection,))
        return self._connection

    def append(self, arrivals: Iterable[Arrival]) -> None:
        """Make `arrivals` durable, all or none; on return they survive a power cut.

        Raises JournalFull at the cap or on a full disk, JournalError where the disk fails otherwise.
        """
        rows = [(a.connection, (a.received_at - _EPOCH) // _MICROSECOND, a.source, a.body) for a in arrivals]
        heard_at = max((at for _, at, source, _ in rows if source == "frame"), default=None)
        with self._use() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                database.executemany(
                    "INSERT INTO entries (connection, received_at, source, body) VALUES (?, ?, ?, ?)", rows
                )
                if heard_at is not None:
                    database.execute("INSERT OR REPLACE INTO meta VALUES ('heard_at', ?)", (heard_at,))
                database.execute("COMMIT")
            except sqlite3.Error:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            self._heard_at = heard_at or self._heard_at
        self.has_entries.set()

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Return at most `limit` entries with a number above `after`, in order; none means nothing waits."""
        self.has_entries.clear()
        with self._use() as database:
            rows = database.execute(
                "SELECT seq, connection, received_at, source, body FROM entries"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            ).fetchall()
        if rows:
            self.has_entries.set()
        return [
            Entry(seq, Arrival(connection, _EPOCH + received_at * _MICROSECOND, source, body))
            for seq, connection, received_at, source, body in rows
        ]

    def acknowledge(self, seq: int) -> None:
        """Delete every entry up to and including `seq`: MongoDB has them."""
        with self._use() as database:
            database.execute("DELETE FROM entries WHERE seq <= ?", (seq,))

    def close(self) -> None:
        """Close the file; what was appended stays in it."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread at a time, its errors translated."""
        try:
            with self._lock:
                yield self._database
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error


def open_journal(
    path: Path, clock: Clock, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[Journal, Path | None]:
    """Open the journal at `path`, made new (mode 0600) where there is none.

    A file that is damaged or of a newer format is set aside, never deleted: the second value says where it is
    now. Raises JournalError where the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return Journal(path, _open(path, clock, max_bytes)), None
    except JournalDamaged:
        aside = _set_aside(path, clock)
        return Journal(path, _open(path, clock, max_bytes)), aside


def _open(path: Path, clock: Clock, max_bytes: int) -> sqlite3.Connection:
    is_new = not path.exists()
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # autocommit: transactions are begun and ended by name, where they are meant
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise JournalError("error.journal_open", file=str(path), reason=str(error)) from error
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        page_size = database.execute("PRAGMA page_size").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {max_bytes // page_size}")
        if is_new or not database.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone():
            _create(database, clock)
        meta = dict(database.execute("SELECT name, value FROM meta"))
        database.execute("SELECT seq, connection, received_at, source, body FROM entries LIMIT 1").fetchone()
        is_whole = database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        if not is_whole or meta.get("format") != FORMAT or not {"id", "connection"} <= meta.keys():
            raise JournalDamaged("error.journal_damaged", file=str(path))
    except sqlite3.Error as error:
        database.close()
        raise _translate(error, path) from error
    except JournalDamaged:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection, clock: Clock) -> None:
    # The id sorts by the time of creation, so that event ids of later files sort after those of earlier ones.
    created = (clock.now() - _EPOCH) // timedelta(milliseconds=1)
    database.executescript("BEGIN;" + _SCHEMA)
    meta = {"format": FORMAT, "id": f"{created:011x}{secrets.token_hex(3)}", "connection": 0}
    database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    database.execute("COMMIT")


def _set_aside(path: Path, clock: Clock) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _translate(error: sqlite3.Error, path: Path) -> JournalError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return JournalFull("error.journal_full", file=str(path))
    primary = None if code is None else code & 0xFF
    # SQLITE_ERROR is a statement that does not fit the tables: not ours, or no longer
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None):
        return JournalDamaged("error.journal_damaged", file=str(path))
    return JournalError("error.journal_open", file=str(path), reason=str(error))
