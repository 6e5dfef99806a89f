"""The record of every frame that was written to an open socket, on disk for an oracle to compare with."""

import base64
from pathlib import Path
from typing import BinaryIO

import msgspec


class SentLog:
    """Counts frames, and appends each as a JSON line where a file is named.

    A line is `{"n": 1, "connection": 1, "frame": "…"}`; a frame that is not UTF-8 text stands as base64 under
    `frame_base64` instead. Lines reach the file with `flush` and `close`.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._connections = 0
        self._path = path
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Begin to append to the file; a second run continues it."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=1 << 18)

    def number_connection(self) -> int:
        """Return the number of a new connection, also across restarts of the host never the same twice."""
        self._connections += 1
        return self._connections

    def add(self, connection: int, payload: bytes) -> None:
        """Count one frame and note it."""
        self.count += 1
        if self._file is not None:
            self._file.write(b'{"n":%d,"connection":%d,%b}\n' % (self.count, connection, _quote(payload)))

    def flush(self) -> None:
        """Hand what was noted to the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file; the count stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _quote(payload: bytes) -> bytes:
    try:
        return b'"frame":' + msgspec.json.encode(payload.decode())
    except UnicodeDecodeError:
        return b'"frame_base64":' + msgspec.json.encode(base64.b64encode(payload).decode())
