"""Requests of webhooks to receivers that fail in every way."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hook_receiver import Said, serve_hooks
from support import explain

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import WebhookNotSent
from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate
from ipecs_mw.transport.addresses import may_reach
from ipecs_mw.transport.tls import build_context_of
from ipecs_mw.transport.webhook import MOST_BYTES, Answer, Receiver

Talk = Callable[[socket.socket, threading.Event], None]


def send(url: str, *, seconds: float = 5.0, allow_private: bool = True, ca_file: str | None = None) -> Answer:
    receiver = Receiver(lambda: build_context_of(TlsSettings(ca_file=ca_file)), SystemClock())
    try:
        return receiver.send(
            "POST", url, {"webhook-id": "msg_1"}, b"{}", seconds=seconds, allow_private=allow_private
        )
    finally:
        receiver.close()


def fail(url: str, **options: Any) -> WebhookNotSent:
    with pytest.raises(WebhookNotSent) as caught:
        send(url, **options)
    assert explain(caught.value)
    return caught.value


def _read_request(client: socket.socket) -> None:
    """Read all of it: who closes before that resets the connection, and his answer may be lost."""
    read = b""
    while not read.endswith(b"\r\n\r\n{}"):
        more = client.recv(65536)
        if not more:
            return
        read += more


@contextmanager
def serve(talk: Talk, certificate: Certificate | None = None) -> Iterator[int]:
    """Give the port of a server that talks as told with each client."""
    end = threading.Event()
    threads = []

    def handle(client: socket.socket) -> None:
        client.settimeout(10)
        with suppress(OSError), client, wrap(client) as secured:
            _read_request(secured)
            talk(secured, end)

    def wrap(client: socket.socket) -> AbstractContextManager[socket.socket]:
        if certificate is None:
            return nullcontext(client)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_into(context)
        return context.wrap_socket(client, server_side=True)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threads.append(threading.Thread(target=handle, args=(client,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listening.getsockname()[1]
        finally:
            end.set()
            listening.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def drip(client: socket.socket, end: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while not end.wait(0.2):
        client.sendall(b".")


def drip_the_head(client: socket.socket, end: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while not end.wait(0.2):
        client.sendall(b"x")


def go_on_for_ever(client: socket.socket, end: threading.Event) -> None:
    while not end.is_set():
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def hang(_: socket.socket, end: threading.Event) -> None:
    end.wait(10)


@pytest.mark.parametrize("talk", [drip, drip_the_head, go_on_for_ever, hang])
def test_a_receiver_that_never_ends_is_left_when_the_time_is_over(talk: Talk) -> None:
    with serve(talk) as port:
        error = fail(f"http://127.0.0.1:{port}/", seconds=1.0)
    assert error.key == "error.webhook_slow"


def test_a_receiver_that_resets_or_speaks_something_else_is_told() -> None:
    def reset(client: socket.socket, _: threading.Event) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()

    for talk in (reset, lambda client, _: client.sendall(b"SSH-2.0-x\r\n"), lambda client, _: client.close()):
        with serve(talk) as port:
            assert fail(f"http://127.0.0.1:{port}/").key == "error.webhook_broken"
    assert fail(f"http://127.0.0.1:{port}/").key == "error.webhook_broken"


def test_an_answer_of_ten_megabytes_is_cut_and_a_redirect_is_not_followed() -> None:
    with serve_hooks() as receiver:
        receiver.answer = lambda _: Said(body=b"x" * 10_000_000)
        assert len(send(receiver.url).body) == MOST_BYTES
        receiver.answer = lambda _: Said(307, headers={"location": f"{receiver.url}/elsewhere"})
        assert send(f"{receiver.url}/first").status == 307
        assert [told.path for told in receiver.told] == ["/", "/first"]


def test_a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_opened_anew() -> None:
    peers = set()

    def answer_once(client: socket.socket, _: threading.Event) -> None:
        peers.add(client.getpeername())
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    with serve(answer_once) as port:
        receiver = Receiver(lambda: build_context_of(TlsSettings()), SystemClock())
        for _ in range(3):
            url = f"http://127.0.0.1:{port}/"
            assert receiver.send("POST", url, {}, b"{}", seconds=5, allow_private=True).body == b"ok"
        receiver.close()
    assert len(peers) == 3


def make_authority(folder: Path, names: list[str], at: datetime) -> tuple[Certificate, str]:
    certificate = make_certificate(names, at)
    file = folder / "ca.pem"
    file.write_text(certificate.pem)
    return certificate, str(file)


def answer_well(client: socket.socket, _: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_certificate_has_to_be_trusted_and_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    good, ca_file = make_authority(tmp_path, ["localhost"], now)
    with serve(answer_well, good) as port:
        assert send(f"https://localhost:{port}/", ca_file=ca_file).status == 204
        assert fail(f"https://127.0.0.1:{port}/", ca_file=ca_file).key == "error.webhook_certificate"
        assert fail(f"https://localhost:{port}/").key == "error.webhook_certificate"
    old, ca_file = make_authority(tmp_path, ["localhost"], now - timedelta(days=20_000))
    with serve(answer_well, old) as port:
        assert fail(f"https://localhost:{port}/", ca_file=ca_file).key == "error.webhook_certificate"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
        "http://169.254.169.254/latest", "http://2130706433/", "http://127.1/", "http://[fe80::1]/",
    ],
)  # fmt: skip
def test_nothing_inside_is_reached_unless_it_is_allowed(url: str) -> None:
    assert fail(url, allow_private=False).key == "error.webhook_inside"


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "fe80::1", "224.0.0.1", "0.0.0.0", "::"]
)
def test_what_gives_out_keys_is_never_reached(address: str) -> None:
    assert not may_reach(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1", "fec0::1"],
)  # fmt: skip
def test_a_private_address_is_reached_only_where_that_is_allowed(address: str) -> None:
    assert not may_reach(address, allow_private=False)
    assert may_reach(address, allow_private=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_an_address_outside_is_reached(address: str) -> None:
    assert may_reach(address, allow_private=False)


def test_a_name_that_leads_inside_the_second_time_is_not_asked_for_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver of this machine is what would have to lie, so it is stood in for."""
    asked = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != "rebinding.test":
            return real(host, port, *arguments, **options)
        asked.append(host)
        inside = len(asked) > 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if inside else "192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with serve_hooks() as receiver:
        fail(f"http://rebinding.test:{receiver.port}/", seconds=1.0, allow_private=False)
        assert len(asked) == 1
        fail(f"http://rebinding.test:{receiver.port}/", seconds=1.0, allow_private=False)
        assert not receiver.told


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "http://", "http://u:p@a/", "http://a b/", "http://a:99999/", "file:///etc"]
)
def test_what_is_no_url_is_not_asked_for(url: str) -> None:
    assert fail(url).key == "error.webhook_no_url"
