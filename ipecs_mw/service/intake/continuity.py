"""What the numbers and the likeness of one host's frames tell: what is missing, and what came twice.

`evtSerialNum` counts the call events of a connection (interface notes, "Monitoring"). A number that jumps ahead
within a connection means that events are missing. A number that falls back means that the host began to count
anew, and nothing is missing. A frame equal to one of the last frames of its connection, byte for byte, is a
repeat: it is kept and marked, since the host did send it.
"""

from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime

_REMEMBERED_FRAMES = 512
_MOST_REMEMBERED_BYTES = 1024  # of a frame; of a longer one its hash and its length


class Continuity:
    """Follows the frames of one host in order; used by the forwarder's thread.

    `position` is that of another one, whose work it goes on with; one that cannot be read counts as none.
    `counted_at` is when the last number of the connection came.
    """

    def __init__(self, position: str | None = None) -> None:
        self._connection: int | None = None
        self._serial: int | None = None
        self.counted_at: datetime | None = None
        with suppress(ValueError, OverflowError):
            connection, _, rest = (position or "").partition(":")
            serial, _, counted_at = rest.partition(":")
            self._connection, self._serial = int(connection), int(serial)
            self.counted_at = datetime.fromisoformat(counted_at).astimezone(
                UTC
            )  # an earlier version kept none
        self._recent: OrderedDict[bytes | tuple[int, int], None] = OrderedDict()

    @property
    def position(self) -> str | None:
        """The connection, its last serial number and when that came, to go on from; None before the first."""
        if self._serial is None:
            return None
        return f"{self._connection}:{self._serial}:{self.counted_at.isoformat() if self.counted_at else ''}"

    def begin(self, connection: int) -> None:
        """Take what follows as frames of this connection; another one than before counts anew."""
        if connection != self._connection:
            self._connection = connection
            self._serial = self.counted_at = None
            self._recent.clear()

    def is_repeat(self, body: bytes) -> bool:
        """Tell whether an equal frame was among the last 512 of the connection, and remember this one."""
        likeness = body if len(body) <= _MOST_REMEMBERED_BYTES else (hash(body), len(body))
        if likeness in self._recent:
            self._recent.move_to_end(likeness)
            return True
        self._recent[likeness] = None
        if len(self._recent) > _REMEMBERED_FRAMES:
            self._recent.popitem(last=False)
        return False

    def find_missing(self, serial: int | None, at: datetime) -> tuple[int, int] | None:
        """Return the first and the last serial number that is missing before `serial`, None where none is.

        `serial` came `at`. It is counted from now on.

        Not to be asked for a repeat, whose number was counted already.
        """
        if serial is None:
            return None
        before, self._serial, self.counted_at = self._serial, serial, at
        if before is None or serial <= before + 1:
            return None
        return before + 1, serial - 1
