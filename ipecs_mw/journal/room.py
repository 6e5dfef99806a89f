"""How full a journal is: what it uses of its cap, or of what the disk has room for where that is less."""

import errno
import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from ipecs_mw.errors import JournalError, JournalFull

_MOST_RESERVE_BYTES = 1024 * 1024
_RESERVE_SHARE = 1 / 32
_DISK_RESERVE_BYTES = 16 * 1024 * 1024
"""Disk that frames leave free: without room for its log SQLite cannot even delete."""

_DELETING_BYTES = 8 * 1024 * 1024
"""What SQLite's log needs of the disk to delete, its own size counted: without it pages to spare are of no use."""

_MEASURE_MICROSECONDS = 100_000
_MEASURE_SHARE = 1 / 16
"""File and disk are measured again after so long, or once so much of the room that was found may be gone."""

_TRIED_BYTES = 1024 * 1024
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_out_of_room(path: Path) -> bool:
    """Tell whether the system takes no more bytes beside `path`, by trying: a quota shows in no size of a disk."""
    probe = path.with_suffix(".probe")
    try:
        with probe.open("wb") as file:
            file.write(bytes(_TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in _NO_ROOM
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return False


class Room:
    """The room of one journal; used by one thread at a time. Both calls raise JournalError, sqlite3.Error.

    `used` bytes of `limit` are used, as far as is known; frames leave `reserve` of them.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, max_bytes: int) -> None:
        self.reserve = min(_MOST_RESERVE_BYTES, int(max_bytes * _RESERVE_SHARE))
        self.used = self.limit = 0
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._database = database
        self._max_bytes = max_bytes
        self._page_bytes = 4096  # as SQLite makes files
        self._at: int | None = None
        self._leeway = 0
        self._is_doubted = False

    @property
    def share(self) -> float:
        """How full it is, 0 to 1."""
        return min(1.0, self.used / self.limit) if self.limit else 1.0

    def heed(self, refusal: JournalError) -> JournalError:
        """Return it; where there was no room, believe no size of the disk until it has taken something."""
        if isinstance(refusal, JournalFull):
            self._is_doubted, self._at = True, None
        return refusal

    def measure(self) -> None:
        """Ask the file and the disk."""
        pages, free, self._page_bytes = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        self.used = (pages - free) * self._page_bytes
        try:
            self._is_doubted = self._is_doubted and is_out_of_room(self._path)
            on_disk = 0 if self._is_doubted else shutil.disk_usage(self._path.parent).free
            log = self._log.stat().st_size if self._log.exists() else 0
        except OSError as error:
            raise JournalError("error.journal_open", file=str(self._path), reason=str(error)) from error
        spare = on_disk + free * self._page_bytes if on_disk + log >= _DELETING_BYTES else 0
        self.limit = min(self._max_bytes, self.used + max(0, spare - _DISK_RESERVE_BYTES))
        self._leeway = int(_MEASURE_SHARE * (self.limit - self.reserve - self.used))

    def has(self, size: int, count: int, at: int) -> bool:
        """Tell whether `count` frames of `size` bytes fit, which came at `at`, in microseconds."""
        most = size + count * self._page_bytes  # what is left of a page may stay empty
        is_old = self._at is None or abs(at - self._at) > _MEASURE_MICROSECONDS
        if is_old or most > self._leeway:
            self.measure()
            self._at = at
        self._leeway -= most
        return self.used + size <= self.limit - self.reserve
