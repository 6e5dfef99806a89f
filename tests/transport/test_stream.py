"""The WebSocket: frames in order, and an end that is told only after what came before it."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from fault_proxy import FaultProxy
from msgspec import structs
from stopwatch import Stopwatch
from stream_scene import opened, wait_for_end
from websockets.datastructures import Headers
from websockets.sync.server import ServerConnection

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import (
    ConnectionLost,
)
from ipecs_mw.transport import stream as module
from ipecs_mw.transport.messages import MOST_FRAME_BYTES
from ipecs_mw.transport.stream import Stream, open_stream
from ipecs_mw.transport.tls import build_context


def read_all(stream: Stream) -> tuple[list[bytes], ConnectionLost]:
    """Read until the connection is lost; return the frames and the error."""
    frames: list[bytes] = []
    for _ in range(10_000):
        try:
            frames += stream.receive(5)
        except ConnectionLost as lost:
            return frames, lost
    raise AssertionError


def test_it_asks_for_the_configured_path_with_its_token_and_origin(host: Callable[..., Any]) -> None:
    with host(wait_for_end) as here, opened(here):
        (request,) = host.seen  # type: ignore[attr-defined]
    headers: Headers = request.headers
    assert request.path == "/ipxapi/server/v1/users/api%2Fuser/acd"
    assert headers["Authorization"] == "bearer abc"
    assert headers["Origin"] == f"https://127.0.0.1:{here.port}"


def test_frames_come_in_order_and_as_bytes_whether_text_or_binary(host: Callable[..., Any]) -> None:
    def talk(connection: ServerConnection) -> None:
        for number in range(3000):
            connection.send(str(number) if number % 2 else str(number).encode())

    with host(talk) as here, opened(here) as stream:
        frames, _ = read_all(stream)
    assert frames == [str(number).encode() for number in range(3000)]


def test_text_that_is_no_utf_8_is_received_as_it_is(host: Callable[..., Any]) -> None:
    korean = "홍길동".encode("cp949")
    with host(lambda connection: connection.send(korean, text=True)) as here, opened(here) as stream:
        assert read_all(stream)[0] == [korean]


def test_nothing_to_read_is_no_frames_after_the_time_out(host: Callable[..., Any]) -> None:
    with host(wait_for_end) as here, opened(here) as stream:
        assert stream.receive(0.05) == []


def test_what_is_not_asked_for_waits_at_the_host_and_comes_by_the_quarter_mebibyte(
    host: Callable[..., Any],
) -> None:
    size, count = 50_000, 1000
    sent: list[int] = []

    def talk(connection: ServerConnection) -> None:
        for number in range(count):
            connection.send(number.to_bytes(4) * (size // 4))
            sent.append(number)

    with host(talk) as here, opened(here) as stream:
        before = -1
        while len(sent) != before:
            before = len(sent)
            time.sleep(0.5)
        assert len(sent) * size < 20 * 1024 * 1024, "taken in, although nobody asked for it"
        groups = []
        while sum(map(len, groups)) < count:
            groups.append(stream.receive(5))
    assert max(sum(map(len, group)) for group in groups) < 256 * 1024 + size + 16 * 1024
    assert [int.from_bytes(frame[:4]) for group in groups for frame in group] == list(range(count))


def test_what_comes_after_our_goodbye_is_received_until_the_hosts(host: Callable[..., Any]) -> None:
    is_busy, is_left = threading.Event(), threading.Event()

    def talk(connection: ServerConnection) -> None:
        with connection.protocol_mutex:  # the goodbye is not answered yet
            is_busy.set()
            is_left.wait(10)
            connection.socket.sendall(b"\x81\x010\x81\x011\x81\x012")
        wait_for_end(connection)

    with host(talk) as here, opened(here) as stream:
        is_busy.wait(10)
        stream.leave()
        is_left.set()
        frames, lost = read_all(stream)
    assert frames == [b"0", b"1", b"2"]
    assert lost.facts["reason"] == "1000"


@pytest.mark.parametrize("is_loud", [True, False])
def test_a_host_that_does_not_take_leave_is_left_after_two_seconds(
    host: Callable[..., Any], *, is_loud: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_TIMEOUT_SECONDS", 0.2)
    is_over = threading.Event()

    def talk(connection: ServerConnection) -> None:
        with connection.protocol_mutex:
            while not is_over.wait(0 if is_loud else 0.1):
                connection.socket.sendall(b"\x81\x01x" if is_loud else b"")

    with host(talk) as here:
        try:
            with opened(here):
                watch = Stopwatch()
            assert watch.seconds < 10
        finally:
            is_over.set()


def test_pings_that_are_answered_keep_the_connection_also_where_nobody_looked_in_time(
    host: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PING_SECONDS", 0.1)
    with host(wait_for_end) as here, opened(here) as stream:
        for _ in range(5):
            assert stream.receive(0.2) == []
            time.sleep(0.3)  # a disk that hangs: the answer to a ping waits unread beyond its time


def test_a_host_that_talks_of_nothing_but_pings_and_never_reads_is_given_up(host: Callable[..., Any]) -> None:
    is_over = threading.Event()

    def talk(connection: ServerConnection) -> None:
        with connection.protocol_mutex, suppress(OSError):
            while not is_over.is_set():
                connection.socket.sendall((b"\x89\x7d" + b"x" * 125) * 1000)

    with host(talk) as here, opened(here) as stream:
        try:
            frames, lost = read_all(stream)
        finally:
            is_over.set()
    assert frames == []
    assert "does not read" in lost.facts["reason"]


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013])
def test_a_close_is_told_with_its_code_after_what_was_received(host: Callable[..., Any], code: int) -> None:
    def talk(connection: ServerConnection) -> None:
        for number in range(20):
            connection.send(str(number))
        connection.close(code, "restarting")

    with host(talk) as here, opened(here) as stream:
        frames, lost = read_all(stream)
    assert len(frames) == 20
    assert lost.facts["reason"] == f"{code} restarting"


def test_a_connection_that_drops_is_told_after_what_was_received(host: Callable[..., Any]) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.send("last")
        connection.socket.shutdown(2)

    with host(talk) as here, opened(here) as stream:
        frames, lost = read_all(stream)
    assert frames == [b"last"]
    assert lost.facts["reason"]


def test_a_frame_of_the_largest_size_is_received_and_a_larger_one_ends_the_connection(
    host: Callable[..., Any],
) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.send(b"x" * MOST_FRAME_BYTES)
        connection.send(b"x" * (MOST_FRAME_BYTES + 1))
        wait_for_end(connection)

    with host(talk) as here, opened(here) as stream:
        frames, lost = read_all(stream)
    assert [len(frame) for frame in frames] == [MOST_FRAME_BYTES]
    assert "1009" in lost.facts["reason"]


def test_a_host_that_no_longer_answers_pings_is_given_up(
    host: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PING_SECONDS", 0.1)
    is_over = threading.Event()

    def talk(connection: ServerConnection) -> None:
        connection.send("last")
        with connection.protocol_mutex:  # what arrives is no longer looked at
            is_over.wait(10)

    with host(talk, ping_interval=None) as here:
        stream = open_stream(here, build_context(here), "abc", SystemClock())
        frames, lost = read_all(stream)
        is_over.set()
        stream.close()
    assert frames == [b"last"]
    assert "1011" in lost.facts["reason"]


def test_a_line_that_dies_within_a_record_of_tls_is_given_up(
    host: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PING_SECONDS", 0.5)
    monkeypatch.setattr(module, "_RECORD_SECONDS", 1.0)
    is_cut = threading.Event()

    def talk(connection: ServerConnection) -> None:
        is_cut.wait(10)
        connection.send("x" * 12_000)
        wait_for_end(connection)

    with host(talk, ping_interval=None) as here, FaultProxy(here.port) as proxy:
        with opened(structs.replace(here, port=proxy.port)) as stream:
            proxy.swallow(after_bytes=5_000)
            is_cut.set()
            frames, lost = read_all(stream)
        proxy.cut()
    assert frames == []
    assert lost.facts["reason"]


def test_the_system_too_gives_a_dead_line_up_within_40_seconds(host: Callable[..., Any]) -> None:
    with host(wait_for_end) as here, opened(here) as stream:
        line = stream._line
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, interval, count = (
            line.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + interval * count <= 40
