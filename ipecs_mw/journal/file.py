"""The journal's file: its layout and versions, how it is opened, and how one that cannot be used is set aside."""

import fcntl
import os
import re
import secrets
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalDamaged, JournalError, JournalFull, JournalNewer
from ipecs_mw.journal.room import is_out_of_room

FORMAT = 1
"""The version of the file's layout that this program writes."""

UPGRADES: dict[int, str] = {}
"""A former format → the statements that make the next one of it. Released ones never change."""

SUFFIXES = ("-wal", "-shm", "")
"""What SQLite appends to the name for the parts of one journal; the file itself comes last."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)

_NAME = re.compile(r"(?:(middleware)|host-([A-Za-z0-9_-]+))\.journal")
_SHARED_BYTES = (0x40000002, 510)
"""Where SQLite locks a file that it has open: offset and length."""

_LOG_BYTES = 4 * 1024 * 1024
"""What SQLite's log is cut down to after a burst."""

INSTANT_DIGITS = 11
"""How many hexadecimal digits tell an instant in an id, in milliseconds since 1970."""

_LATEST = 10**17  # microseconds: beyond any instant that was ever heard
_CHECKED_BYTES = 8 * 1024 * 1024
"""A file up to this size is checked whole when it is opened; in a larger one damage is found when it is read."""

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
_STAMP = "UPDATE meta SET value = value + 1 WHERE name = 'format'"
_DAMAGES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Primary codes; SQLITE_ERROR is a statement that does not fit the tables: not ours, or no longer."""

_UNREADABLE = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)
_UNWRITABLE = frozenset(
    {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE}
)
"""What SQLite says of a disk that fails, and of a quota that is used up as well."""


def open_file(path: Path, clock: Clock, max_bytes: int) -> sqlite3.Connection:
    """Open the file, made new (mode 0600) where there is none, brought to FORMAT where it has a former one.

    How long that takes does not grow with the backlog. Raises JournalDamaged, JournalNewer, JournalError.
    """
    try:
        if not path.exists():
            _make(path, clock)
        elif path.is_file() and path.stat().st_size == 0:  # to SQLite a new one; what was in it is gone
            raise JournalDamaged("error.journal_damaged", file=str(path))
        database = _connect(path)
    except (OSError, sqlite3.Error) as error:
        raise JournalError("error.journal_open", file=str(path), reason=str(error)) from error
    try:
        read_text_leniently(database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        # numbers and codes are in the entries: what is acknowledged is overwritten, whatever the build's default
        database.execute("PRAGMA secure_delete = ON")
        database.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        page_size = database.execute("PRAGMA page_size").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {max_bytes // page_size}")
        _upgrade(database, path)
        _check(database, path)
        # for who reads the file without the configuration; written only where it changed: a disk may be full
        if database.execute("SELECT value FROM meta WHERE name = 'max_bytes'").fetchone() != (max_bytes,):
            database.execute("INSERT OR REPLACE INTO meta VALUES ('max_bytes', ?)", (max_bytes,))
    except sqlite3.Error as error:
        database.close()
        raise translate(error, path) from error
    except JournalError:
        database.close()
        raise
    return database


def sweep(database: sqlite3.Connection) -> bool:
    """Empty the log of an open file into it, and with it what was deleted; tell whether that could be done.

    A file of a version that overwrote nothing is written anew once, when it has no entries. Another reader of the
    file puts it off.
    """
    is_overwritten = database.execute("SELECT 1 FROM meta WHERE name = 'is_overwritten'").fetchone()
    if not is_overwritten and not database.execute("SELECT 1 FROM entries LIMIT 1").fetchone():
        database.execute("VACUUM")
        database.execute("INSERT OR REPLACE INTO meta VALUES ('is_overwritten', 1)")
        is_overwritten = True
    wait = database.execute("PRAGMA busy_timeout").fetchone()[0]
    database.execute("PRAGMA busy_timeout = 0")  # who appends must not wait for who reads a copy
    try:
        is_busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        database.execute(f"PRAGMA busy_timeout = {wait}")
    return bool(is_overwritten) and not is_busy


def read_text_leniently(database: sqlite3.Connection) -> None:
    """Have text whose bytes changed on the disk come back marked, not as an error of its own."""
    database.text_factory = lambda content: content.decode("utf-8", "replace")


def find_files(folder: Path) -> list[Path]:
    """Return the journals of a state directory, those set aside after the one that took their place."""
    found = (path for path in folder.glob("*.journal*") if path.is_file())
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm", ".requeued")))


def read_owner(path: Path) -> str | None:
    """Return whose journal a file is by its name: a host's name, "" for the middleware's own; None: unknown."""
    found = _NAME.match(path.name)
    return found and (found[2] or "")


def read_begin(journal_id: str) -> datetime | None:
    """Return when the journal of this id was made; None where the id's bytes changed on the disk."""
    try:
        return EPOCH + timedelta(milliseconds=int(journal_id[:INSTANT_DIGITS], 16))
    except (ValueError, OverflowError):
        return None


def is_open_elsewhere(path: Path) -> bool:
    """Tell whether another process has the journal open. Raises JournalError."""
    try:
        with path.open("r+b") as file:
            offset, length = _SHARED_BYTES
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, offset)
    except BlockingIOError:
        return True
    except OSError as error:
        raise JournalError("error.journal_open", file=str(path), reason=str(error)) from error
    return False


def set_aside(path: Path, clock: Clock, error: JournalError) -> Path:
    """Rename a closed file that cannot be used, with its companions; return its new name.

    The name says why and when, and that of an earlier one is never taken. Raises JournalError.
    """
    why = "newer" if isinstance(error, JournalNewer) else "damaged"
    aside = path.with_name(f"{path.name}.{why}-{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    rename(path, aside)
    return aside


def rename(path: Path, new: Path) -> None:
    """Rename a closed file with its companions. Raises JournalError."""
    try:
        for suffix in SUFFIXES:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(new.with_name(new.name + suffix))
    except OSError as error:
        raise JournalError("error.journal_open", file=str(path), reason=str(error)) from error


def remove(path: Path) -> None:
    """Delete a closed file that was just made, with its companions."""
    for suffix in (*SUFFIXES[:-1], "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def translate(error: sqlite3.Error, path: Path) -> JournalError:
    """Return what an error of SQLite means for the journal."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or (code in _UNWRITABLE and is_out_of_room(path)):
        return JournalFull("error.journal_full", file=str(path))
    if code is not None and (code & 0xFF in _DAMAGES or code in _UNREADABLE):
        return JournalDamaged("error.journal_damaged", file=str(path))
    return JournalError("error.journal_open", file=str(path), reason=str(error))


def _connect(path: Path) -> sqlite3.Connection:
    # autocommit: transactions are begun and ended by name, where they are meant
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _make(path: Path, clock: Clock) -> None:
    """Make a new file, which has its name only once it is whole: an empty one of that name is damage.

    Raises JournalDamaged where the log of one that is gone is still there; JournalError, OSError.
    """
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise JournalDamaged("error.journal_damaged", file=str(path))
    fresh = path.with_suffix(".new")
    remove(fresh)
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(_connect(fresh)) as database:
            database.execute("PRAGMA synchronous = FULL")
            _create(database, clock)
        remove(path)
        fresh.rename(path)
        _sync(path.parent)
    except sqlite3.Error as error:
        remove(fresh)
        raise translate(error, path) from error


def _sync(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(database: sqlite3.Connection, clock: Clock) -> None:
    # The id sorts by the time of creation, so that event ids of later files sort after those of earlier ones.
    created = (clock.now() - EPOCH) // MILLISECOND
    database.executescript("BEGIN;" + _SCHEMA)
    meta = {"format": FORMAT, "id": f"{created:0{INSTANT_DIGITS}x}{secrets.token_hex(3)}", "connection": 0}
    database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    database.execute("COMMIT")


def _upgrade(database: sqlite3.Connection, path: Path) -> None:
    """Bring a former format to the present one, step by step, each whole or not at all."""
    while (found := _read_format(database, path)) != FORMAT:
        if found > FORMAT:
            raise JournalNewer("error.journal_newer", file=str(path), format=found, known=FORMAT)
        if found not in UPGRADES:
            raise JournalDamaged("error.journal_damaged", file=str(path))
        try:
            database.executescript(f"BEGIN IMMEDIATE;{UPGRADES[found]};{_STAMP};COMMIT;")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _read_format(database: sqlite3.Connection, path: Path) -> int:
    row = database.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    if row is None or not isinstance(row[0], int):
        raise JournalDamaged("error.journal_damaged", file=str(path))
    return row[0]


def _check(database: sqlite3.Connection, path: Path) -> None:
    meta = dict(database.execute("SELECT name, value FROM meta"))
    database.execute("SELECT seq, connection, received_at, source, body FROM entries LIMIT 1").fetchone()
    is_ours = (
        isinstance(meta.get("id"), str)
        and isinstance(meta.get("connection"), int)
        and isinstance(heard_at := meta.get("heard_at", 0), int)
        and 0 <= heard_at < _LATEST
        and isinstance(uncovered_since := meta.get("uncovered_since", 0), int)
        and 0 <= uncovered_since < _LATEST
    )
    is_small = path.stat().st_size <= _CHECKED_BYTES
    if not is_ours or (is_small and database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"):
        raise JournalDamaged("error.journal_damaged", file=str(path))
