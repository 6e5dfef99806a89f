"""A WebSocket that a host does not open, or that must not be opened: why not, and who never sees the token."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from stream_scene import opened, wait_for_end
from tls_host import pin, settings

from ipecs_mw.errors import (
    CertificateRefused,
    HostUnreachable,
    ProtocolError,
    TokenExpired,
)
from ipecs_mw.model.configuration.settings import TlsSettings
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate
from ipecs_mw.transport import stream as module
from ipecs_mw.transport.tls import normalise_fingerprint


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n",
        b"x" * 200_000,
        b"",
    ],
)
def test_an_answer_that_opens_nothing_is_refused(certificate: Certificate, answer: bytes) -> None:
    with answering(certificate, answer) as port, pytest.raises(ProtocolError), opened(settings(port)):
        pass


@pytest.mark.parametrize("dripped", [b"HTTP/1.1 101 S", b"HTTP/1.1 401 No\r\nContent-Length: 9999\r\n\r\n"])
def test_an_answer_that_never_ends_is_given_up(
    certificate: Certificate, dripped: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPEN_TIMEOUT_SECONDS", 1.0)
    with (
        answering(certificate, dripped, is_endless=True) as port,
        pytest.raises(HostUnreachable),
        opened(settings(port)),
    ):
        pass


@contextmanager
def answering(certificate: Certificate, answer: bytes, *, is_endless: bool = False) -> Iterator[int]:
    """Give the port of a server that answers a request with these bytes, and then drips where `is_endless`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_into(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one() -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(answer)
            while is_endless:
                time.sleep(0.05)
                connection.sendall(b"x")

    thread = threading.Thread(target=serve_one)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def test_a_token_that_the_host_no_longer_knows_is_expired(host: Callable[..., Any]) -> None:
    with host(wait_for_end, status=401) as here, pytest.raises(TokenExpired), opened(here):
        pass


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_another_refusal_is_told_with_status_and_path(host: Callable[..., Any], status: int) -> None:
    with host(wait_for_end, status=status) as here, pytest.raises(ProtocolError) as caught, opened(here):
        pass
    assert caught.value.facts["status"] == status
    assert "/acd" in caught.value.facts["path"]


def test_another_certificate_than_the_pinned_one_never_sees_the_token(
    host: Callable[..., Any], certificate: Certificate
) -> None:
    other = make_certificate(["127.0.0.1"], datetime.now(UTC))
    with host(wait_for_end, shown=other) as here:
        pinned = settings(here.port, pin(certificate))
        with pytest.raises(CertificateRefused) as caught, opened(pinned):
            pass
        assert host.seen == []  # type: ignore[attr-defined]
    assert caught.value.facts["found"] == normalise_fingerprint(other.fingerprint_sha256)


def test_an_untrusted_certificate_is_refused_with_its_fingerprint(
    host: Callable[..., Any], certificate: Certificate
) -> None:
    with host(wait_for_end) as here:
        with pytest.raises(CertificateRefused) as caught, opened(settings(here.port, TlsSettings("ca"))):
            pass
        assert host.seen == []  # type: ignore[attr-defined]
    assert caught.value.facts["found"] == normalise_fingerprint(certificate.fingerprint_sha256)


def test_a_host_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(HostUnreachable), opened(settings(1)):
        pass
