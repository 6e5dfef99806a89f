"""What arrives of a WebSocket → its messages, in order.

Nearly all of it are whole frames, a message each, and those are cut out here. Whatever else there is (pings, the
close, parts of messages, frames that are not all there, and all that breaks the rules) is read by `websockets`,
frame by frame.
"""

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode

MOST_FRAME_BYTES = 1024 * 1024

_WHOLE = (0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY)
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
"""Lengths that say where the length really stands."""


class Messages:
    """Reads one connection whose opening is done; `protocol` is what answers the host.

    `pongs` counts the answers to our pings. `is_over` is set once nothing that follows counts: the host said
    goodbye, or broke the rules.
    """

    def __init__(self, protocol: ClientProtocol) -> None:
        self.pongs = 0
        self.is_over = False
        self._protocol = protocol
        self._begun = b""  # of a frame: less than its header
        self._left = 0  # bytes of the frame that `websockets` is at
        self._parts: bytearray | None = None  # of the message whose end is still to come

    def take(self, wire: bytes) -> list[bytes]:
        """Return the messages that end in `wire`, which follows what was taken before."""
        wire, self._begun = self._begun + wire, b""
        messages: list[bytes] = []
        at, end = 0, len(wire)
        while at < end and not self.is_over:
            if self._left:
                part = wire[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                self._pass(part, messages)
                continue
            measured = _measure(wire, at, end)
            if measured is None:
                self._begun = wire[at:]
                break
            start, stop = measured
            is_whole = wire[at] in _WHOLE and stop <= end and not wire[at + 1] & _MASKED
            if is_whole and self._parts is None and stop - start <= MOST_FRAME_BYTES:
                messages.append(wire[start:stop])
                at = stop
            else:
                self._left = stop - at
        return messages

    def _pass(self, wire: bytes, messages: list[bytes]) -> None:
        """Have `websockets` read some of a frame."""
        protocol = self._protocol
        protocol.receive_data(wire)
        for frame in protocol.events_received():
            if isinstance(frame, Frame):
                self._add(frame, messages)
        self.is_over = protocol.close_rcvd is not None or protocol.parser_exc is not None

    def _add(self, frame: Frame, messages: list[bytes]) -> None:
        if frame.opcode is Opcode.PONG:
            self.pongs += 1
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            parts = bytearray() if self._parts is None else self._parts
            parts += frame.data
            self._parts = None if frame.fin else parts
            if frame.fin:
                messages.append(bytes(parts))


def _measure(wire: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return where the content of the frame at `at` begins and ends; None where its header is not all there."""
    if end - at < 2:
        return None
    length = wire[at + 1]
    start = at + 2
    if length & _MASKED:
        length ^= _MASKED
        start += 4
    if length == _TWO_BYTES:
        start += 2
        length = int.from_bytes(wire[at + 2 : at + 4])
    elif length == _EIGHT_BYTES:
        start += 8
        length = int.from_bytes(wire[at + 2 : at + 10])
    return None if start > end else (start, start + length)
