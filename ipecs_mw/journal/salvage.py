"""Reading any journal file, also a damaged one, without changing it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ipecs_mw.errors import JournalDamaged, JournalError
from ipecs_mw.journal.file import read_begin, read_text_leniently, translate
from ipecs_mw.journal.journal import Entry, build_entry, build_instant

_GROUP_ENTRIES = 500
_LEAST_ENTRY_BYTES = 64
"""Where the first number cannot be read, no more entries than fit the file are looked for below the last."""


class Salvage:
    """An open journal file, read only; what cannot be read counts as absent. Build it with `open_salvage`.

    `lost_count` tells after `read_entries` how many entries there should have been besides.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self.lost_count = 0
        self._database = database

    @property
    def format(self) -> int | None:
        """The file's format; None where it cannot be read."""
        return self._read_number("format")

    @property
    def id(self) -> str | None:
        """The journal's id; None where it cannot be read."""
        return self._read_text("id")

    @property
    def max_bytes(self) -> int | None:
        """The cap that the journal had when it was last opened."""
        return self._read_number("max_bytes")

    @property
    def reading(self) -> str | None:
        """How the entries are to be read, as the journal was told last."""
        return self._read_text("reading")

    @property
    def position(self) -> str | None:
        """How far the reading had come."""
        return self._read_text("position")

    @property
    def heard_at(self) -> datetime | None:
        """When the last frame arrived."""
        return self._instant(self._read_meta("heard_at"))

    @property
    def begun_at(self) -> datetime | None:
        """When the file was made."""
        return None if self.id is None else read_begin(self.id)

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest entry arrived."""
        return self._instant(self._ask("SELECT received_at FROM entries ORDER BY seq LIMIT 1"))

    @property
    def newest_at(self) -> datetime | None:
        """When the newest entry arrived."""
        return self._instant(self._ask("SELECT received_at FROM entries ORDER BY seq DESC LIMIT 1"))

    @property
    def used_bytes(self) -> int:
        """How much of the file entries use."""
        pages, free, size = (
            self._ask(f"PRAGMA {name}") or 0 for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def count_entries(self) -> int:
        """Return how many entries the file says it holds; 0 where that cannot be read."""
        first, last = self._find_ends()
        return 0 if first is None or last is None else max(0, last - first + 1)

    def find_damage(self) -> str | None:
        """Check the whole file; return what is wrong with it first, None where nothing is. Reads every page."""
        try:
            found = str(self._database.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if found != "ok":
                return " ".join(found.split())
            if self.format is None or self.id is None:
                return "no format or no id"
            for _ in self.read_entries():
                pass
        except sqlite3.Error as error:
            return str(error)
        return f"{self.lost_count} entries" if self.lost_count else None

    def read_entries(self) -> Iterator[Entry]:
        """Yield what can be read, in order, and count the rest in `lost_count`."""
        self.lost_count = 0
        first, last = self._find_ends()
        if last is None:
            return
        is_known = first is not None
        if first is None:
            first = max(1, last - self.path.stat().st_size // _LEAST_ENTRY_BYTES)
        read = 0
        for entry in self._read_range(first, last):
            read += 1
            if not is_known:  # what came before the first that can be read is anyone's guess
                first, is_known = entry.seq, True
            yield entry
        self.lost_count = max(0, last - first + 1 - read) if is_known else 0

    def _read_range(self, first: int, last: int) -> Iterator[Entry]:
        """Yield the entries of a range; halve what an unreadable page is in until it is out of the way."""
        ranges = [(first, last)]
        while ranges:
            low, high = ranges.pop()
            try:
                rows = self._database.execute(
                    "SELECT seq, connection, received_at, CAST(source AS BLOB), body FROM entries"
                    " WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                    (low, high, _GROUP_ENTRIES),
                ).fetchall()
            except sqlite3.Error:
                middle = (low + high) // 2
                if low < high:
                    ranges += [(middle + 1, high), (low, middle)]
                continue
            yield from _keep_readable(rows, low, high)
            if len(rows) == _GROUP_ENTRIES and low <= rows[-1][0] < high:
                ranges.append((rows[-1][0] + 1, high))

    def _find_ends(self) -> tuple[int | None, int | None]:
        first = self._ask("SELECT min(seq) FROM entries")
        last = self._ask("SELECT max(seq) FROM entries")
        if last is None and first is not None:
            last = self._ask("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")
        return tuple(end if isinstance(end, int) else None for end in (first, last))  # type: ignore[return-value]

    def _read_meta(self, name: str) -> Any:
        return self._ask("SELECT value FROM meta WHERE name = ?", name)

    def _read_text(self, name: str) -> str | None:
        found = self._read_meta(name)
        return found if isinstance(found, str) else None

    def _read_number(self, name: str) -> int | None:
        found = self._read_meta(name)
        return found if isinstance(found, int) else None

    def _ask(self, query: str, *values: Any) -> Any:
        try:
            row = self._database.execute(query, values).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else row[0]

    def _instant(self, microseconds: Any) -> datetime | None:
        try:
            return None if microseconds is None else build_instant(microseconds)
        except ValueError:
            return None


@contextmanager
def open_salvage(path: Path) -> Iterator[Salvage]:
    """Give the journal file at `path` to read; the daemon may be using it.

    Raises JournalDamaged where it is no SQLite file or not a journal's, JournalError where it cannot be opened.
    """
    # a file that nobody has open has no log beside it, and needs none made
    is_alone = not path.with_name(f"{path.name}-wal").exists()
    mode = "?mode=ro&immutable=1" if is_alone else "?mode=ro"
    try:
        with closing(
            sqlite3.connect(path.absolute().as_uri() + mode, uri=True, isolation_level=None)
        ) as database:
            read_text_leniently(database)
            database.execute("BEGIN")  # one view of the file, whatever the daemon adds and deletes meanwhile
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if "entries" not in tables:
                raise JournalDamaged("error.journal_damaged", file=str(path))
            yield Salvage(path, database)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except OSError as error:
        raise JournalError("error.journal_open", file=str(path), reason=str(error)) from error


def _keep_readable(rows: Sequence[Sequence[Any]], low: int, high: int) -> Iterator[Entry]:
    for row in rows:
        try:
            if low <= row[0] <= high:
                yield build_entry(row)
        except ValueError:
            continue
