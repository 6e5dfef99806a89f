"""One request, one reply, within one deadline."""

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from msgspec import structs
from rest_scene import OK, REQUEST, Start, client, say
from stopwatch import Stopwatch
from tls_host import Serve, settings

from ipecs_mw.errors import (
    CommandExpired,
    DeadlineExceeded,
    HostUnreachable,
    ProtocolError,
    ReplyLost,
    TransportError,
)
from ipecs_mw.protocol.requests import WireRequest
from ipecs_mw.simulator.wire.certificate import Certificate
from ipecs_mw.transport import rest


def drip(head: bytes, byte: bytes) -> Serve:
    def serve(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(head)
        while not end.wait(0.05):
            connection.sendall(byte)

    return serve


def pour(head: bytes, piece: bytes) -> Serve:
    """Return a host that never ends, as fast as it can."""

    def serve(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(head)
        while not end.is_set():
            connection.sendall(piece)

    return serve


def be_silent(_connection: socket.socket, end: threading.Event) -> None:
    end.wait(10)


def test_a_request_arrives_as_built_and_its_reply_comes_back(start: Start) -> None:
    host = start(say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n{\xff}"))
    request = WireRequest("GET", "server/v1/a%2Fb", {"Authorization": "bearer abc"}, {"q": '{"a b":1}'})
    with client(settings(host.port)) as opened:
        reply = opened.send(request)
    assert (reply.status, reply.body) == (404, b"{\xff}")
    head = bytes(host.received).decode()
    assert head.startswith("GET /ipxapi/server/v1/a%2Fb?q=%7B%22a+b%22%3A1%7D HTTP/1.1\r\n")
    assert "Authorization: bearer abc\r\n" in head
    assert f"Host: 127.0.0.1:{host.port}\r\n" in head


def test_a_redirect_is_a_reply_and_nobody_follows_it(start: Start) -> None:
    elsewhere = start(say(OK))
    target = f"https://127.0.0.1:{elsewhere.port}/ipxapi/x".encode()
    host = start(say(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"))
    with client(settings(host.port)) as opened:
        assert opened.send(REQUEST).status == 302
    elsewhere.close()
    assert elsewhere.received == b""


@pytest.mark.parametrize(
    "serve",
    [
        be_silent,
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        drip(b"", b"H"),
        pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        pour(b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"),
        pour(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 100),
        pour(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=[
        "silence",
        "body",
        "chunks",
        "headers",
        "first line",
        "continue",
        "continue with",
        "trailers",
        "records",
    ],
)
def test_a_host_that_drips_or_is_silent_is_given_up_at_the_deadline(start: Start, serve: Serve) -> None:
    host = start(serve)
    with client(settings(host.port)) as opened:
        watch = Stopwatch()
        with pytest.raises(DeadlineExceeded) as caught:
            opened.send(REQUEST, deadline_seconds=0.4)
        assert watch.elapsed > 0.3
        assert watch.seconds < 2
    assert caught.value.facts["seconds"] == 0.4


def test_a_host_that_does_not_read_is_given_up_at_the_deadline(start: Start) -> None:
    host = start(be_silent)
    request = replace(REQUEST, method="POST", body=b"x" * 20_000_000)
    with client(settings(host.port)) as opened:
        watch = Stopwatch()
        with pytest.raises(DeadlineExceeded):
            opened.send(request, deadline_seconds=0.4)
        assert watch.seconds < 3


@contextmanager
def mute() -> Iterator[int]:
    """Give the port of a host that takes connections and says nothing, not even in the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_host_that_never_shakes_hands_was_sent_nothing() -> None:
    with mute() as port, client(settings(port)) as opened, pytest.raises(HostUnreachable):
        opened.send(REQUEST, deadline_seconds=0.4)


def test_all_addresses_of_a_name_share_the_time_of_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    # a full queue of connections: the next one gets no answer
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        place = full.getsockname()
        for _ in range(4):
            filling = stack.enter_context(closing(socket.socket()))
            filling.setblocking(False)
            filling.connect_ex(place)
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found] * 20)
        with client(settings(place[1])) as opened:
            watch = Stopwatch()
            with pytest.raises(HostUnreachable):
                opened.send(REQUEST, deadline_seconds=0.5)
            assert watch.seconds < 3


def test_a_resolver_that_is_silent_holds_a_request_up_no_longer_than_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(30))
    with client(structs.replace(settings(1), address="silent.example")) as opened:
        watch = Stopwatch()
        with pytest.raises(HostUnreachable):
            opened.send(REQUEST, deadline_seconds=0.4)
        assert watch.seconds < 3
    end.set()


def test_nothing_is_sent_after_the_time_that_is_named(start: Start) -> None:
    host = start(say(OK))
    with client(settings(host.port)) as opened, pytest.raises(CommandExpired):
        opened.send(REQUEST, not_after=monotonic())
    host.close()
    assert host.received == b""


def test_nothing_is_sent_where_the_handshake_took_until_after_that_time(certificate: Certificate) -> None:
    received = bytearray()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_into(context)
    with mute_until_told() as (listening, go):

        def serve() -> None:
            connection, _ = listening.accept()
            go.wait(10)
            connection.settimeout(5)
            with context.wrap_socket(connection, server_side=True) as secured:
                received.extend(secured.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        until = monotonic() + 0.3
        threading.Timer(0.4, go.set).start()
        with (
            client(settings(listening.getsockname()[1])) as opened,
            pytest.raises(CommandExpired),
        ):
            opened.send(REQUEST, not_after=until)
        thread.join(10)
    assert received == b""


@contextmanager
def mute_until_told() -> Iterator[tuple[socket.socket, threading.Event]]:
    """Give a listening socket and what its host waits for before it shakes hands."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening, threading.Event()


def test_a_request_in_time_is_sent_and_the_kept_connection_asks_again(start: Start) -> None:
    def serve(connection: socket.socket, _end: threading.Event) -> None:
        connection.sendall(OK)
        connection.recv(65536)
        connection.sendall(OK)

    host = start(serve)
    with client(settings(host.port)) as opened:
        assert opened.send(REQUEST, not_after=monotonic() + 60).status == 200
        with pytest.raises(CommandExpired):
            opened.send(REQUEST, not_after=monotonic())
        assert opened.send(REQUEST, not_after=monotonic() + 60).status == 200
    assert host.connections <= 2


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate"])
def test_a_packed_reply_is_asked_for_by_nobody_and_not_unpacked(start: Start, encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    host = start(say(head + bomb))
    with client(settings(host.port)) as opened, pytest.raises(ReplyLost) as caught:
        opened.send(REQUEST)
    assert encoding in caught.value.facts["reason"]
    assert b"Accept-Encoding: identity\r\n" in host.received


def test_a_path_prefix_stands_before_every_path(start: Start) -> None:
    host = start(say(OK))
    with client(structs.replace(settings(host.port), path_prefix="/site1/pbx")) as opened:
        assert opened.send(REQUEST).status == 200
    assert host.received.startswith(b"GET /site1/pbx/ipxapi/server/v1/users/api/login ")


def test_a_connection_is_as_good_for_the_next_request_as_for_the_first(start: Start) -> None:
    def serve(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(OK)
        end.wait(0.6)
        connection.recv(65536)
        connection.sendall(OK)

    host = start(serve)
    with client(settings(host.port)) as opened:
        opened.send(REQUEST, deadline_seconds=0.4)
        assert opened.send(REQUEST, deadline_seconds=5).status == 200
    assert host.connections == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "cut", "chunks", "gzip", "no HTTP", "many headers", "long header"],
)
def test_a_reply_that_is_none_is_an_error_of_the_transport(start: Start, content: bytes) -> None:
    with client(settings(start(say(content)).port)) as opened, pytest.raises(TransportError) as caught:
        opened.send(REQUEST, deadline_seconds=5)
    assert "canary" not in str(caught.value)


def test_a_reply_too_large_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_MOST_BYTES", 1000)
    host = start(say(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000))
    with client(settings(host.port)) as opened, pytest.raises(ProtocolError) as caught:
        opened.send(REQUEST)
    assert caught.value.facts["most"] == 1000


def test_a_host_that_is_not_there_is_unreachable_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with client(settings(port)) as opened, pytest.raises(HostUnreachable) as caught:
        opened.send(REQUEST)
    assert caught.value.facts["address"] == f"127.0.0.1:{port}"
    assert "refused" in caught.value.facts["reason"]


def test_nothing_of_the_environment_leads_a_request_astray(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = start(say(OK))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name, value in {
        "HOME": str(tmp_path),
        "NETRC": str(tmp_path / ".netrc"),
        "REQUESTS_CA_BUNDLE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    host = start(say(OK))
    with client(settings(host.port)) as opened:
        assert opened.send(REQUEST).status == 200
    assert b"Authorization: Basic canary\r\n" in host.received
    assert proxy.connections == 0
