"""WebSocket on the wire, the server's half (RFC 6455), as pure functions over bytes.

Written out instead of borrowed: the simulated host has to send what a careful library refuses to send, write
many frames at once, and must not share the product's reading of the protocol.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def read_head(head: bytes) -> tuple[str, dict[str, str]]:
    """Return the path and the headers (lower-case names) of a handshake's request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first.split(" ")[1].partition("?")[0], {
        name.strip().lower(): value.strip() for name, _, value in pairs
    }


def split_path(path: str) -> list[str]:
    """Return the parts of a path as it was sent, each decoded: a user may hold `/`, `#` or `%`."""
    return [unquote(part) for part in path.partition("?")[0].strip("/").split("/")]


def build_acceptance(headers: Mapping[str, str]) -> bytes:
    """Return the 101 reply to a handshake; raise KeyError where it asks for none."""
    key = headers["sec-websocket-key"].encode("latin-1")
    proof = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 - RFC 6455 says SHA-1
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )


def build_refusal(status: int, body: bytes) -> bytes:
    """Return a reply that refuses a handshake with a JSON body."""
    return (
        f"HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def build_close(code: int, reason: str = "") -> bytes:
    """Return a close frame; 1005 and 1006 stand for no code, as they may not be sent."""
    payload = b"" if code in (1005, 1006) else code.to_bytes(2, "big") + reason.encode()
    return build_frame(CLOSE, payload)


def take_frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take each complete frame of a client off `buffer`: (opcode, unmasked payload)."""
    while len(buffer) >= 2:
        size, at = buffer[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buffer) < at:
                return
            size = int.from_bytes(buffer[2:at], "big")
        has_mask = bool(buffer[1] & 0x80)
        end = at + 4 * has_mask + size
        if len(buffer) < end:
            return
        opcode, mask = buffer[0] & 0x0F, bytes(buffer[at : at + 4]) if has_mask else b"\0\0\0\0"
        payload = bytes(byte ^ mask[i & 3] for i, byte in enumerate(buffer[end - size : end]))
        del buffer[:end]
        yield opcode, payload
