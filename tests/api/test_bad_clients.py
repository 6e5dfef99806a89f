import socket
import threading
from pathlib import Path

import pytest
from api_scene import Served
from following_scene import numbers, put_event, wait_open
from sites import wait_until
from stream_clients import following, make_token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ipecs_mw.store.server.connection import Store

_SILENT = 400
_MOST_MEBIBYTES = 60.0


def read_mebibytes(process: Served) -> float:
    return int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


def is_closed(connection: socket.socket) -> bool:
    try:
        connection.setblocking(False)
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.fault(58)
def test_who_says_nothing_or_half_a_thing_is_closed_and_the_others_are_served(
    site: Served, store: Store
) -> None:
    token = make_token(store)
    before = read_mebibytes(site)
    with following(site.port, token, topics="events", snapshot="true") as follower:
        wait_open(follower)
        silent = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(_SILENT)]
        for index, connection in enumerate(silent):
            if index % 4 == 1:
                connection.sendall(b"GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nX: ")
            elif index % 4 == 2:
                connection.sendall(
                    b"POST /api/v1/requests HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
                )
            elif index % 4 == 3:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he")
        put_event(store, 1)
        wait_until(lambda: numbers(follower) == [1])
        wait_until(lambda: all(is_closed(each) for each in silent), 60)
        for each in silent:
            each.close()
        put_event(store, 2)
        wait_until(lambda: numbers(follower) == [1, 2])
        assert follower.connections == 1
    assert read_mebibytes(site) - before < _MOST_MEBIBYTES


@pytest.mark.fault(58)
def test_a_websocket_that_talks_for_ever_is_closed_with_a_reason(site: Served, store: Store) -> None:
    token = make_token(store)
    url = f"ws://127.0.0.1:{site.port}/api/v1/stream?topics=calls"
    with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None) as talking:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - until it is
            for _ in range(10_000):
                talking.send("x" * 1000)
            talking.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None) as huge:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - until it is
            huge.send("x" * 1_000_000)
            while True:
                huge.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.fault(58)
def test_a_body_that_never_ends_and_heads_that_never_end_are_refused(site: Served, store: Store) -> None:
    token, before = make_token(store), read_mebibytes(site)

    def pour(head: bytes, chunk: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
            connection.sendall(head)
            answer = b""
            try:
                for _ in range(5000):
                    connection.sendall(chunk)
            except OSError:
                pass
            try:
                while part := connection.recv(4096):
                    answer += part
                    if b"\r\n\r\n" in answer:
                        break
            except OSError:
                pass
            return answer

    authorization = f"Authorization: Bearer {token}\r\n".encode()
    body = b"POST /api/v1/requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = pour(
        body + b"Transfer-Encoding: chunked\r\n" + authorization + b"\r\n", b"400\r\n" + b"[" * 1024 + b"\r\n"
    )
    assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0]
    head = pour(b"GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nX: ", b"y" * 65536)
    assert head == b"" or b" 4" in head.split(b"\r\n")[0]
    assert read_mebibytes(site) - before < _MOST_MEBIBYTES
    assert site.get("/healthz").status_code == 200


@pytest.mark.fault(58)
def test_many_who_come_and_go_at_once_leave_nothing_behind(site: Served, store: Store) -> None:
    token = make_token(store)
    path = "/api/v1/stream?topics=events&snapshot=true"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"

    def come_and_go() -> None:
        for _ in range(25):
            with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
                connection.sendall(request.encode())
                connection.recv(100)

    before = len(list(Path(f"/proc/{site.process.pid}/fd").iterdir()))
    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(list(Path(f"/proc/{site.process.pid}/fd").iterdir())) <= before + 12, 30)
    with following(site.port, token, topics="events", snapshot="true") as follower:
        wait_open(follower)
        put_event(store, 1)
        wait_until(lambda: numbers(follower) == [1])
