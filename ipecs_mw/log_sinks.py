"""Where log lines go: a descriptor or a file, and the queue that keeps it from holding up whoever logs."""

import errno
import fcntl
import logging
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from ipecs_mw.clock import SystemClock

log = structlog.stdlib.get_logger("ipecs_mw")

_FILE_BYTES = 20 * 1024 * 1024
_FILE_COUNT = 10
_QUEUED_CHARACTERS = 4 * 1024 * 1024
_LINE_COST = 200  # what a line takes beside its characters
_STALLED_SECONDS = 5.0

_clock = SystemClock()


@dataclass(frozen=True)
class Stall:
    """A sink that takes no lines: `since` when, for what `reason` where one is known, and how many are lost."""

    file: str
    since: datetime
    reason: str | None
    lost: int


class Sink(Protocol):
    """What takes finished lines, one at a time; `name` is what people are told. All of it may raise OSError."""

    name: str

    def write(self, line: str) -> None:
        """Write a line; it may take any time."""

    def close(self) -> None:
        """Let go of what is open: the next line opens it anew."""


class Output:
    """A descriptor that is there already, such as that of stdout."""

    def __init__(self, name: str, descriptor: int, encoding: str = "utf-8") -> None:
        self.name = name
        self._descriptor = descriptor
        self._encoding = encoding

    def write(self, line: str) -> None:
        """Write a line; past the buffers of Python, whose locks would outlast a thread that hangs."""
        _write_all(self._descriptor, f"{line}\n".encode(self._encoding, "backslashreplace"))

    def close(self) -> None:
        """Keep it: it is not ours."""


class LogFile:
    """A file that is rotated (10 of 20 MiB) and private (mode 0600), and written by its name.

    Renamed or deleted, it is made anew with the next line. Several processes may share it: each writes whole
    lines, and one of them rotates.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._descriptor: int | None = None

    def probe(self) -> None:
        """Raise OSError where it cannot be opened."""
        os.close(self._open())

    def write(self, line: str) -> None:
        """Write a line, after a rotation where it no longer fits."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        if self._descriptor is None or self._is_elsewhere(self._descriptor):
            self.close()
            self._descriptor = self._open()
        if self._is_full(self._descriptor, len(data)):
            self._descriptor = self._rotate(self._descriptor)
        try:
            _write_all(self._descriptor, data)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file: the next line opens it anew."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # what did not fit the disk is lost either way
                os.close(descriptor)

    def _open(self) -> int:
        Path(self.name).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY, 0o600)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                os.fchmod(descriptor, 0o600)
                if found.st_size and os.pread(descriptor, 1, found.st_size - 1) != b"\n":
                    _write_all(
                        descriptor, b"\n"
                    )  # the disk was full within a line: the next is not to be spoilt
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _is_elsewhere(self, descriptor: int) -> bool:
        """Tell whether the name leads to another file by now, or to none."""
        try:
            return not os.path.samestat(Path(self.name).stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return True

    def _is_full(self, descriptor: int, more_bytes: int) -> bool:
        found = os.fstat(descriptor)
        return stat.S_ISREG(found.st_mode) and 0 < found.st_size > _FILE_BYTES - more_bytes

    def _rotate(self, descriptor: int) -> int:
        """Return the descriptor to write to: of a new file, or of this one while another process rotates it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return descriptor
        except OSError:
            pass  # a file system without locks
        if not self._is_elsewhere(descriptor):
            names = [self.name, *(f"{self.name}.{number}" for number in range(1, _FILE_COUNT + 1))]
            for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
                with suppress(FileNotFoundError):
                    Path(newer).replace(older)
        self.close()
        return self._open()


class Queued(logging.Handler):
    """Hands lines to a sink through a bounded queue, on a thread of its own; no call of it waits for the sink.

    Lines that do not fit are counted, and the number is told once lines are written again. A sink that fails is
    told of once and tried anew with each line.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._queued = 0
        self._lost = 0
        self._writes_since: tuple[float, datetime] | None = None
        self._failure: tuple[str, datetime] | None = None
        self._is_to_reopen = False
        self._has_ended = False
        self._is_told = False
        threading.Thread(target=self._run, name=f"log-{sink.name}", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's line into the queue."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - whoever logs goes on; what logging does instead shows the record
            line = None
        with self._changed:
            if line is None or self._queued + len(line) + _LINE_COST > _QUEUED_CHARACTERS:
                self._lost += 1
                return
            self._lines.append(line)
            self._queued += len(line) + _LINE_COST
            self._changed.notify_all()

    def reopen(self) -> None:
        """Have the sink opened anew; returns at once."""
        with self._changed:
            self._is_to_reopen = True
            self._changed.notify_all()

    def drain(self, until: float) -> None:
        """Wait until everything is written, until the monotonic time `until` at the most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines, max(0.0, until - _clock.monotonic()))

    def flush(self) -> None:
        """Do nothing: whoever has to wait says for how long."""

    def close(self) -> None:
        """Have the thread end once everything is written; returns at once."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        super().close()

    def find_stall(self) -> Stall | None:
        """Return how the sink stands still, None where it takes lines."""
        writes_since, failure = self._writes_since, self._failure
        if failure is not None:
            return Stall(self.sink.name, failure[1], failure[0], self._lost)
        if writes_since is not None and _clock.monotonic() - writes_since[0] >= _STALLED_SECONDS:
            return Stall(self.sink.name, writes_since[1], None, self._lost)
        return None

    def look(self) -> None:
        """Say once that the sink hangs; to be called now and then."""
        stall = self.find_stall()
        if stall is not None and stall.reason is None and not self._is_told:
            self._is_told = True
            log.error("logging.stalled", file=stall.file, since=stall.since.isoformat())

    def _run(self) -> None:
        while (step := self._next()) is not None:
            self._writes_since = (_clock.monotonic(), _clock.now())
            try:
                step()
            except Exception as error:  # noqa: BLE001 - nobody else would write
                self._note_failure(error)
            else:
                self._note_success()
            self._writes_since = None
        with suppress(OSError):
            self.sink.close()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is to be done next; return None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_to_reopen or self._has_ended)
            if self._is_to_reopen:
                self._is_to_reopen = False
                return self._reopen
            return self._write_first if self._lines else None

    def _reopen(self) -> None:
        self.sink.close()
        log.info("logging.reopened", file=self.sink.name)

    def _write_first(self) -> None:
        line = self._lines[0]
        try:
            self.sink.write(line)
        except BaseException:
            with self._changed:
                self._lost += 1
            raise
        finally:
            with (
                self._changed
            ):  # it stays in the queue until now, so that nobody takes an empty one for all written
                self._lines.popleft()
                self._queued -= len(line) + _LINE_COST
                self._changed.notify_all()

    def _note_failure(self, error: Exception) -> None:
        if self._failure is None:
            reason = getattr(error, "strerror", None) or type(error).__name__
            self._failure = (reason, _clock.now())
            log.error("logging.file_failed", file=self.sink.name, reason=reason)

    def _note_success(self) -> None:
        if self._failure is not None or self._is_told:
            self._failure, self._is_told = None, False
            log.info("logging.file_resumed", file=self.sink.name)
        with self._changed:
            lost = self._lost if self._queued < _QUEUED_CHARACTERS // 2 else 0
            self._lost -= lost
        if lost:
            log.warning("logging.lines_lost", file=self.sink.name, lines=lost)


class Direct(logging.Handler):
    """Hands lines to a sink at once, for programs that end soon. What fails is told once and tried anew."""

    _is_failing = False

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        try:
            self.sink.write(self.format(record))
        except Exception as error:  # noqa: BLE001 - whoever logs goes on; what logging does instead shows the record
            if not self._is_failing:
                self._is_failing = True  # first, for the line that says so comes here too
                reason = getattr(error, "strerror", None) or type(error).__name__
                log.error("logging.file_failed", file=self.sink.name, reason=reason)
        else:
            if self._is_failing:
                self._is_failing = False
                log.info("logging.file_resumed", file=self.sink.name)

    def close(self) -> None:
        """Let go of the sink."""
        with suppress(OSError):
            self.sink.close()
        super().close()


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, also to a descriptor that somebody made non-blocking; raises OSError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select((), (descriptor,), ())
        except OSError as error:
            if error.errno != errno.EINTR:
                raise
