"""Frames are told apart as `websockets` tells them, however what arrives is cut."""

import random
from collections.abc import Iterator

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ipecs_mw.transport.messages import MOST_FRAME_BYTES, Messages

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
SIZES = (0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000)


def connect() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://host/"), state=State.OPEN, max_size=MOST_FRAME_BYTES)


def wire(*frames: Frame) -> bytes:
    return b"".join(frame.serialize(mask=False) for frame in frames)


def cut(content: bytes, chance: random.Random) -> Iterator[bytes]:
    most = chance.choice((1, 3, 500, 20_000, len(content) or 1))
    most = max(most, len(content) // 5000)
    at = 0
    while at < len(content):
        size = chance.randint(1, most)
        yield content[at : at + size]
        at += size


def make_frames(chance: random.Random) -> tuple[list[Frame], list[bytes]]:
    """Return frames, and the messages that they are."""
    frames, messages = [], []
    for _ in range(chance.randint(1, 12)):
        body = chance.randbytes(chance.choice(SIZES))
        messages.append(body)
        at = 0
        kind = chance.choice((TEXT, BINARY))
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            end = chance.randint(at, len(body))
            frames.append(Frame(kind, body[at:end], fin=False))
            if chance.random() < 0.3:
                frames.append(Frame(Opcode.PING, b"between"))
            kind, at = CONT, end
        frames.append(Frame(kind, body[at:]))
        if chance.random() < 0.2:
            frames.append(Frame(Opcode.PONG, b""))
    return frames, messages


@pytest.mark.parametrize("seed", range(60))
def test_messages_come_whole_and_in_order_however_they_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    frames, expected = make_frames(chance)
    protocol = connect()
    messages = Messages(protocol)
    found = [message for part in cut(wire(*frames), chance) for message in messages.take(part)]
    assert found == expected
    assert not messages.is_over
    assert messages.pongs == sum(frame.opcode is Opcode.PONG for frame in frames)
    pings = sum(frame.opcode is Opcode.PING for frame in frames)
    assert len(protocol.data_to_send()) == pings


@pytest.mark.parametrize("seed", range(10))
def test_nothing_counts_after_a_goodbye(seed: int) -> None:
    chance = random.Random(seed)
    frames = [Frame(TEXT, b"first"), Frame(Opcode.CLOSE, Close(1012, "").serialize()), Frame(TEXT, b"second")]
    protocol = connect()
    messages = Messages(protocol)
    found = [message for part in cut(wire(*frames), chance) for message in messages.take(part)]
    assert found == [b"first"]
    assert messages.is_over
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.code == 1012


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"\x81\x80abcd", 1002),  # masked by the host
        (b"\xc1\x01x", 1002),  # a bit of an extension that nobody agreed on
        (b"\x83\x01x", 1002),  # a kind of frame that there is not
        (b"\x80\x01x", 1002),  # the end of a message that never began
        (b"\x01\x01x\x81\x01y", 1002),  # a message within another
        (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),  # a ping that is too long
        (b"\x81\x7f" + (MOST_FRAME_BYTES + 1).to_bytes(8), 1009),
        (b"\x81\x7f" + b"\xff" * 8, 1002),
        (b"\x01\x7f" + MOST_FRAME_BYTES.to_bytes(8) + b"x" * MOST_FRAME_BYTES + b"\x80\x01x", 1009),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_what_breaks_the_rules_ends_the_connection_after_what_came_before(
    broken: bytes, code: int, seed: int
) -> None:
    chance = random.Random(seed)
    content = wire(Frame(TEXT, b"before")) + broken + wire(Frame(TEXT, b"after"))
    parts = [content[:9], content[9:]] if len(content) > 10_000 else list(cut(content, chance))
    protocol = connect()
    messages = Messages(protocol)
    found = [message for part in parts for message in messages.take(part)]
    assert found == [b"before"]
    assert messages.is_over
    assert protocol.close_sent is not None
    assert protocol.close_sent.code in (code, 1009)


def test_parts_without_content_take_no_room() -> None:
    messages = Messages(connect())
    nothing = wire(Frame(TEXT, b"", fin=False)) + wire(Frame(CONT, b"", fin=False)) * 10_000
    assert messages.take(nothing) == []
    assert messages.take(wire(Frame(CONT, b"end"))) == [b"end"]
