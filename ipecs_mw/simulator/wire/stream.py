"""A WebSocket of the simulated host: handshake, frames written in batches, and how to break them."""

import asyncio
import fcntl
import json
import socket
import struct
import termios
from typing import Any, Protocol, cast

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.wire import wire
from ipecs_mw.simulator.wire.sent_log import SentLog
from ipecs_mw.simulator.wire.sessions import Session

_BATCH_BYTES = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that closes with RST


class Gate(Protocol):
    """What a WebSocket needs of the host that it belongs to."""

    sent_log: SentLog
    streams: "set[Stream]"

    @property
    def is_ignoring_pings(self) -> bool:
        """Whether pings get no pong."""
        ...

    def admit(self, path: str, authorization: str) -> Session:
        """Return the session that may connect. Raises CommandRefused."""
        ...

    def on_open(self, session: Session, stream: "Stream") -> None:
        """Note that the session's WebSocket is up."""
        ...

    def on_ping(self, session: Session) -> None:
        """Note a sign of life."""
        ...

    def on_gone(self, session: Session, stream: "Stream") -> None:
        """Note that the session's WebSocket is down."""
        ...


class Stream(asyncio.Protocol):
    """What uvicorn makes for each upgrade to WebSocket; all of it runs in the host's event loop.

    `pending` holds frames that were not yet written: they count as sent only once they are handed to a
    connection that takes them, so a slow reader delays them and a broken connection loses them uncounted.
    """

    def __init__(self, gate: Gate, config: Any, server_state: Any, app_state: Any) -> None:
        del config, app_state
        self.gate = gate
        self.connection = 0
        self.pending: list[tuple[int, bytes]] = []
        self.session: Session | None = None
        self.is_held = False
        self._connections: set[Any] = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self.transport: asyncio.Transport
        self._is_writable = True
        self._is_flush_due = False
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over from the HTTP side."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_BATCH_BYTES)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything that was not written."""
        del exc
        self._connections.discard(self)
        self._end()

    def pause_writing(self) -> None:
        """Hold frames back: the peer does not read."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self._is_writable = True
        self.flush()

    def shutdown(self) -> None:
        """Close because the host stops."""
        self.close(1001)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take the handshake first, then frames."""
        self._buffer += data
        if self.session is None:
            head, mark, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not mark:
                return
            self._buffer[:] = rest
            self._shake_hands(head)
        if self.session is not None:
            for opcode, payload in wire.take_frames(self._buffer):
                self._on_frame(opcode, payload)

    def _shake_hands(self, head: bytes) -> None:
        path, headers = wire.read_head(head)
        try:
            session = self.gate.admit(path, headers.get("authorization", ""))
        except CommandRefused as refusal:
            facts = refusal.facts
            body = json.dumps({"error": {"code": facts["code"], "message": facts["message"]}})
            self.transport.write(wire.build_refusal(facts["status"], body.encode()))
            self.transport.close()
            return
        self.transport.write(wire.build_acceptance(headers))
        self.session = session
        self.gate.streams.add(self)
        self.gate.on_open(session, self)

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        session = cast("Session", self.session)
        if opcode == wire.PING and not self.gate.is_ignoring_pings:
            self.gate.on_ping(session)
            self.transport.write(wire.build_frame(wire.PONG, payload))
        elif opcode == wire.CLOSE:
            if not self._is_closing:
                self.transport.write(wire.build_frame(wire.CLOSE, payload[:2]))
            self.transport.close()
            self._end()

    def push(self, opcode: int, payload: bytes) -> None:
        """Have one frame written, in order, with whatever else is due."""
        self.pending.append((opcode, payload))
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is pending, as far as the peer takes it."""
        self._is_flush_due = False
        done = 0
        while done < len(self.pending) and self.is_open and self._is_writable and not self.is_held:
            batch, size = [], 0
            while done < len(self.pending) and size < _BATCH_BYTES:
                opcode, payload = self.pending[done]
                done += 1
                batch.append(wire.build_frame(opcode, payload))
                size += len(payload)
                self.gate.sent_log.add(self.connection, payload)
            self.transport.write(b"".join(batch))
        del self.pending[:done]

    @property
    def is_open(self) -> bool:
        """Whether frames can still be written."""
        return self.session is not None and not self._is_closing and not self.transport.is_closing()

    def count_unacknowledged(self) -> int:
        """Return the bytes that the peer's kernel has not acknowledged yet; 0 once the connection is gone."""
        if self.transport.is_closing():
            return 0
        raw = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return self.transport.get_write_buffer_size() + int(struct.unpack("i", raw)[0])

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the connection ends when the peer answers it."""
        if self.is_open:
            self.is_held = False
            self.flush()
            self.transport.write(wire.build_close(code, reason))
            self._is_closing = True

    def cut(self, *, is_reset: bool) -> None:
        """End the connection with no close frame: by RST, or by a bare FIN."""
        if is_reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
        self._end()

    def _end(self) -> None:
        if self.session is not None:
            self.gate.streams.discard(self)
            self.gate.on_gone(self.session, self)
        self.pending.clear()
