"""Hosts that cost as little as can be, in a process of their own: what is measured is who listens to them.

Started with the number of hosts, it prints one JSON line once they listen, then answers each line on stdin, a JSON
list, with one line. `["send", FIRST, COUNT]` writes frames as fast as they are taken, as many at a time as a
record of TLS holds, and `["singly", FIRST, COUNT]` each in a record of its own; `["pace", FIRST, COUNT, RATE]` so
many a second, divided among the hosts, and `["open", FIRST, COUNT, RATE]` those that open a call each.
`["calls", COUNT, RATE]` has the first host write the frames of calls, so many a second at the most, and
`["write", FRAMES, RATE]` those that are given.
Instants are those of the monotonic clock, which the processes of a machine share.
"""

import base64
import hashlib
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

from frames import build_calls, build_frames, build_openings

from ipecs_mw.simulator.wire.certificate import make_certificate

USER, PASSWORD = "apiuser", "benchmark"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RECORD_BYTES = 16 * 1024
_BURST = 50
_RECONNECT_SECONDS = 60.0
_SHORT, _MEDIUM = 126, 65536
_TEXT, _PING, _CLOSE = 0x81, 0x89, 0x88
_PONG = 0x8A
_LOGIN = {"token": "token", "checkConnectionTimer": 120, "systemType": "UCP600", "apiVersion": "1.0"}
_REPLIES = {"login": _LOGIN, "terminals": {"count": 0, "data": []}}


class Stream:
    """A connection that frames are written to while another thread answers pings on it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def sendall(self, content: bytes) -> None:
        """Write all of it, at one time with nothing else."""
        with self._lock:
            self._connection.sendall(content)


class Host(ThreadingHTTPServer):
    """One host; `stream` is the connection that frames are written to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        certificate = make_certificate(["127.0.0.1"], datetime.now(UTC))
        self.fingerprint = certificate.fingerprint_sha256
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_into(self.context)
        self.stream: Any = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, in its own thread."""
        secured = self.context.wrap_socket(request, server_side=True)
        self.RequestHandlerClass(secured, client_address, self)


class Answer(BaseHTTPRequestHandler):
    """Answers requests, and opens the stream."""

    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self) -> None:
        """Answer a request; the daemon's others than the login are of no account here."""
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._open_stream()
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(_REPLIES.get(self.path.partition("?")[0].rpartition("/")[2], {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names are those of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _open_stream(self) -> None:
        self.close_connection = True
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header(
            "Sec-WebSocket-Accept",
            base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode(),
        )
        self.end_headers()
        stream = self.server.stream = Stream(self.connection)
        while head := self.rfile.read(2):  # answers pings until the client says goodbye
            size = head[1] & 0x7F
            mask = self.rfile.read(4)
            content = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(size)))
            if head[0] == _PING:
                stream.sendall(bytes((_PONG, size)) + content)
            elif head[0] == _CLOSE:
                stream.sendall(bytes((_CLOSE, size)) + content)
                return


def send(hosts: Sequence[Host], first: int, count: int) -> dict[str, Any]:
    """Write frames, many to a record of TLS; return when writing began and ended."""
    return _write_all(hosts, first, count, _RECORD_BYTES)


def singly(hosts: Sequence[Host], first: int, count: int) -> dict[str, Any]:
    """Write frames, each in a record of its own; return when writing began and ended."""
    return _write_all(hosts, first, count, 1)


def _write_all(hosts: Sequence[Host], first: int, count: int, record_bytes: int) -> dict[str, Any]:
    share = count // len(hosts)
    writing = [
        threading.Thread(
            target=_write, args=(host.stream, _group(build_frames(share, first + i * share), record_bytes))
        )
        for i, host in enumerate(hosts)
    ]
    began = time.monotonic()
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()
    return {"began": began, "ended": time.monotonic()}


def _group(frames: Iterable[str], record_bytes: int) -> list[bytes]:
    """Return the bytes of frames, made beforehand, in groups that fill a record of so many bytes."""
    groups, group = [], bytearray()
    for frame in frames:
        wire = frame_wire(frame.encode())
        if group and len(group) + len(wire) > record_bytes:
            groups.append(bytes(group))
            group.clear()
        group += wire
    return [*groups, bytes(group)]


def _write(stream: Any, groups: Sequence[bytes]) -> None:
    for group in groups:
        stream.sendall(group)


def pace(
    hosts: Sequence[Host],
    first: int,
    count: int,
    rate: float,
    build: Callable[[int, int], Iterable[str]] = build_frames,
) -> dict[str, Any]:
    """Write frames at a rate; return when each left, by its number."""
    share = count // len(hosts)
    waiting = [_group(build(share, first + i * share), 1) for i in range(len(hosts))]
    left: dict[int, float] = {}
    began = time.monotonic()
    for number in range(share * len(hosts)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        index, at = number % len(hosts), number // len(hosts)
        left[first + index * share + at] = time.monotonic()
        hosts[index].stream.sendall(waiting[index][at])
    return {"began": began, "ended": time.monotonic(), "left": left}


def write(hosts: Sequence[Host], frames: Sequence[str], rate: float) -> dict[str, Any]:
    """Write frames of somebody else at a rate, whoever is connected; return when each left."""
    left = []
    began = time.monotonic()
    for number, frame in enumerate(frames):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        left.append(time.monotonic())
        stream = hosts[0].stream
        try:
            stream.sendall(frame_wire(frame.encode()))
        except OSError:  # as with a phone system, the frame is lost
            _await_another(hosts[0], stream)
    return {"left": left}


def _await_another(host: Host, stream: Stream) -> None:
    """Wait until a client has connected anew."""
    give_up_at = time.monotonic() + _RECONNECT_SECONDS
    while host.stream is stream and time.monotonic() < give_up_at:
        time.sleep(0.1)


def open_calls(hosts: Sequence[Host], first: int, count: int, rate: float) -> dict[str, Any]:
    """Write frames that open a call each at a rate; return when each left, by its number."""
    return pace(hosts, first, count, rate, partial(build_openings, begin=datetime.now(UTC), rate=rate))


def write_calls(hosts: Sequence[Host], count: int, rate: float) -> dict[str, Any]:
    """Write the frames of calls, at a rate at the most; return when writing began and ended."""
    frames = build_calls(count, begin=datetime.now(UTC), rate=rate)
    bursts = [_group(burst, _RECORD_BYTES) for burst in iter(lambda: list(islice(frames, _BURST)), [])]
    began = time.monotonic()
    for number, burst in enumerate(bursts):
        time.sleep(max(0.0, began + number * _BURST / rate - time.monotonic()))
        _write(hosts[0].stream, burst)
    return {"began": began, "ended": time.monotonic()}


def frame_wire(body: bytes) -> bytes:
    """Return a text frame as it stands on the wire."""
    size = len(body)
    if size < _SHORT:
        return bytes((_TEXT, size)) + body
    if size < _MEDIUM:
        return bytes((_TEXT, _SHORT)) + size.to_bytes(2) + body
    raise ValueError(size)


def main() -> None:
    """Serve until stdin ends."""
    hosts = [Host() for _ in range(int(sys.argv[1]))]
    acts = {"send": send, "singly": singly, "pace": pace, "write": write, "open": open_calls}
    acts["calls"] = write_calls
    print(
        json.dumps([{"port": host.server_address[1], "fingerprint": host.fingerprint} for host in hosts]),
        flush=True,
    )
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(acts[name](hosts, *arguments)), flush=True)


if __name__ == "__main__":
    main()
