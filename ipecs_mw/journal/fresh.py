"""What was appended last, at hand for a reader that keeps up: it need ask neither the file nor the disk."""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

_MOST_ENTRIES = 1000
_MOST_BYTES = 1024 * 1024
"""Beyond this the file alone has what waits: its reader is behind."""

T = TypeVar("T")


class _Group(NamedTuple, Generic[T]):
    """Entries that were appended together, the number of the first, and their bytes."""

    first: int
    entries: Sequence[T]
    size: int

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1


class Fresh(Generic[T]):
    """The last entries of a journal, none of them left out; safe for several threads.

    `last` is the number of the last entry, whether it is at hand or not.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self._groups: deque[_Group[T]] = deque()
        self._count = self._size = 0
        self._lock = threading.Lock()

    def add(self, first: int, entries: Sequence[T], size: int) -> None:
        """Add what was just appended, numbered from `first` on; its bodies have `size` bytes."""
        if not entries:
            return
        with self._lock:
            group = _Group(first, entries, size)
            self.last = group.last
            self._groups.append(group)
            self._count += len(entries)
            self._size += size
            if self._count > _MOST_ENTRIES or self._size > _MOST_BYTES:
                self._forget(self.last)

    def read(self, after: int, limit: int) -> Sequence[T] | None:
        """Return the entries above `after`, at most `limit`; None where not all of them are at hand.

        Those up to `after` are not at hand any more.
        """
        with self._lock:
            if after >= self.last:
                return ()
            self._forget(after)
            if not self._groups or self._groups[0].first > after + 1:
                return None
            known = after + 1 - self._groups[0].first
            waiting = chain.from_iterable(group.entries for group in self._groups)
            return list(islice(waiting, known, known + limit))

    def _forget(self, last: int) -> None:
        while self._groups and self._groups[0].last <= last:
            group = self._groups.popleft()
            self._count -= len(group.entries)
            self._size -= group.size
