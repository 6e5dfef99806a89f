"""A TCP proxy on the loopback address that breaks what it carries: delays it, swallows it, cuts it."""

import math
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that closes with RST
_CHUNK_BYTES = 64 * 1024


@dataclass(eq=False)
class Link:
    """One carried connection; `is_doomed` once its next reply is to be cut.

    `bytes_left` is how much it still carries to the client before it is half-open.
    """

    client: socket.socket
    server: socket.socket
    is_doomed: bool = False
    bytes_left: float = math.inf
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, *, is_reset: bool) -> None:
        """Close both sides, the client's by RST or FIN."""
        with self.lock:
            if is_reset:
                with suppress(OSError):
                    self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            for end in (self.client, self.server):
                with suppress(
                    OSError
                ):  # wakes the thread that reads; only the reading side, as that sends no FIN
                    end.shutdown(socket.SHUT_RD)
                end.close()


class FaultProxy:
    """Carries connections from `port` to `target`; its switches may be turned at any time, from any thread.

    `swallow` makes every connection of that moment half-open, at once or after so many bytes to the client: both
    sides believe it up, and nothing comes through; with `is_silent` each new one is so from its beginning.
    `is_refusing` ends each new connection at once; `delay_seconds` holds every chunk back; `fatal_request` names
    bytes: a request that holds them reaches the server, and its reply is cut off together with the connection.
    """

    def __init__(self, target_port: int, address: str = "127.0.0.1") -> None:
        self._target = (address, target_port)
        self.address = address
        self.is_refusing = False
        self.is_silent = False
        self.delay_seconds = 0.0
        self.fatal_request: bytes | None = None
        self.cut_replies = 0
        self.accepted = 0
        self._links: set[Link] = set()
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        self.cut()

    def cut(self, *, how: str = "rst") -> int:
        """End every connection, the client's side by `rst` or `fin`; return how many there were."""
        links = list(self._links)
        self._links.clear()
        for link in links:
            link.end(is_reset=how == "rst")
        return len(links)

    def swallow(self, *, after_bytes: int = 0) -> int:
        """Make every connection half-open; return how many there were."""
        links = list(self._links)
        for link in links:
            link.bytes_left = after_bytes
        return len(links)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.is_refusing:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.settimeout(None)
            link = Link(client, server, bytes_left=0 if self.is_silent else math.inf)
            self._links.add(link)
            for is_request in (True, False):
                threading.Thread(target=self._carry, args=(link, is_request), daemon=True).start()

    def _carry(self, link: Link, is_request: bool) -> None:
        source, sink = (link.client, link.server) if is_request else (link.server, link.client)
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                if is_request and link.bytes_left < math.inf:
                    continue
                if not is_request and link.bytes_left < len(chunk):
                    chunk = chunk[: int(link.bytes_left)]
                if is_request and self.fatal_request is not None and self.fatal_request in chunk:
                    link.is_doomed = True
                elif not is_request and link.is_doomed:
                    self.cut_replies += 1
                    break
                sink.sendall(chunk)
                if not is_request:
                    link.bytes_left -= len(chunk)
        self._links.discard(link)
        link.end(is_reset=link.is_doomed)
