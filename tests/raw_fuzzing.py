"""Bytes that no client should send to the port of the API: requests and frames, damaged at random."""

import base64
import os
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

_PATIENCE_SECONDS = 1.0
_KEY = base64.b64encode(b"0123456789abcdef").decode()
_PIECES = (
    b"\r\n", b"\r\n\r\n", b"\0", b"\xff\xfe", b"%00", b"%2e%2e/", b"../", b"Content-Length: 99999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"HTTP/9.9",
    b"A" * 9000, b"{" * 500, b"[" * 500, "\ud55c\u202e".encode(), b"limit=99999999999999999999", b"cursor=e30",
    b"&" * 300,
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Last-Event-ID: c~~~\r\n", b"Authorization: Bearer \r\n",
)  # fmt: skip


def build_requests(token: str) -> list[bytes]:
    """Return requests as they should be: what is damaged begins as one of them."""
    head = f"Host: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    body = '{"command": "call.make", "args": {"deviceNumber": "1001", "calledDN": "1002"}, "timeout_seconds": 0.1}'
    hook = '{"name": "f", "url": "https://x.example.com/", "topics": ["calls"], "state": "paused"}'
    gets = (
        "/healthz", "/api/v1/openapi.json", "/api/v1/status", "/api/v1/events?limit=3&kind=call",
        "/api/v1/calls?open=true", "/api/v1/calls/main:1", "/api/v1/missed?state=all&format=csv",
        "/api/v1/figures/queues?interval=1h&zone=UTC", "/api/v1/commands", "/api/v1/requests/1",
        "/api/v1/webhooks", "/api/v1/stream?topics=calls,state&snapshot=true",
    )  # fmt: skip
    found = [f"GET {path} HTTP/1.1\r\n{head}\r\n".encode() for path in gets]
    for method, path, content in (
        ("POST", "/api/v1/requests", body),
        ("POST", "/api/v1/webhooks", hook),
        ("PATCH", "/api/v1/missed/x", '{"note": "x"}'),
    ):
        kind = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        found.append(f"{method} {path} HTTP/1.1\r\n{head}{kind}\r\n{content}".encode())
    return found


def damage(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with some of them changed, lost, doubled, or with a piece put in."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at, length = chance.randrange(len(data) + 1), chance.choice((1, 1, 4, 30))
        match chance.randrange(5):
            case 0:
                data = data[:at] + chance.randbytes(length) + data[at + length :]
            case 1:
                data = data[:at] + data[at + length :]
            case 2:
                data = data[:at] + data[at : at + length] * chance.choice((2, 50)) + data[at:]
            case 3:
                data = data[:at] + chance.choice(_PIECES) + data[at:]
            case _:
                data = data[:at]
        data = data or b"\n"
    return data


def build_frame(chance: random.Random) -> bytes:
    """Return a frame of a WebSocket, which may be none."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(1, 200))
    first = chance.choice((0x81, 0x82, 0x01, 0x80, 0x89, 0x8A, 0x88, 0xF1, 0x83, 0x8B))
    payload = chance.randbytes(chance.choice((0, 1, 5, 125, 126, 1000, 70_000)))
    told = len(payload) if chance.random() < 0.8 else chance.choice((0, 127, 65_535, 2**40, 2**63 - 1))
    mask = 0x80 if chance.random() < 0.85 else 0
    if told < 126:
        head = struct.pack("!BB", first, mask | told)
    elif told < 65_536:
        head = struct.pack("!BBH", first, mask | 126, told)
    else:
        head = struct.pack("!BBQ", first, mask | 127, told)
    return head + (os.urandom(4) if mask else b"") + payload


def pour(port: int, pieces: Iterator[bytes]) -> bytes:
    """Send pieces over a connection and return how its answer begins; empty where it was just closed."""
    answer = b""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS) as connection,
    ):
        for piece in pieces:
            connection.sendall(piece)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while len(answer) < 4096 and (part := connection.recv(4096)):
            answer += part
    return answer


def fuzz(port: int, token: str, seconds: float, seed: int) -> Counter[str]:
    """Pour damaged requests and frames for so long; return how often each status came, `-` for none."""
    chance, found = random.Random(seed), Counter[str]()
    requests = build_requests(token)
    path = "/api/v1/stream?topics=calls&snapshot=true"
    upgrade = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if chance.random() < 0.3:
            frames = [upgrade, *(build_frame(chance) for _ in range(chance.randrange(1, 12)))]
            answer = pour(port, iter(frames))
        else:
            data = damage(chance.choice(requests), chance)
            cut = chance.randrange(len(data) + 1)
            answer = pour(port, iter((data[:cut], data[cut:])))
        first = answer.split(b"\r\n", 1)[0].split(b" ")
        found[first[1].decode("latin-1") if len(first) > 1 and first[0].startswith(b"HTTP/") else "-"] += 1
    return found
