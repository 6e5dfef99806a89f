"""The handshake with hosts of long ago, and with what is no host."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from msgspec import structs
from support import START_AT
from tls_host import settings

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import HostUnreachable, ProtocolError
from ipecs_mw.model.configuration.settings import HostSettings, TlsSettings
from ipecs_mw.protocol.requests import WireRequest
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.simulator.wire.certificate import Certificate
from ipecs_mw.transport.rest import RestClient
from ipecs_mw.transport.stream import open_stream
from ipecs_mw.transport.tls import build_context, fetch_certificate, fetch_trusted

REQUEST = WireRequest("GET", "server/v1/users/api/login", {})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
ALLOWED = TlsSettings("off", allow_old=True)


def know_one_old_cipher(context: ssl.SSLContext) -> None:
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def know_tls_1_1(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def know_no_forward_secrecy(context: ssl.SSLContext) -> None:
    context.set_ciphers("AES256-GCM-SHA384:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    """One of long ago: an RSA key of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START_AT)
        .not_valid_after(START_AT + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Certificate(
        made.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, *form).decode(),
    )


@contextmanager
def old_host(certificate: Certificate, age: Callable[[ssl.SSLContext], None]) -> Iterator[int]:
    """Give the port of a host that knows nothing newer than `age` leaves it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    age(context)
    certificate.load_into(context)
    end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while not end.is_set():
                connection, _ = listening.accept()
                connection.settimeout(5)
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(OK)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            end.set()
            with suppress(OSError):
                socket.create_connection(listening.getsockname(), 1).close()
            thread.join(10)


def ask(host: HostSettings) -> int:
    with closing(RestClient(host, build_context(host), SystemClock())) as client:
        return client.send(REQUEST).status


def connect(host: HostSettings) -> None:
    open_stream(host, build_context(host), "token", SystemClock())


OLD = [know_one_old_cipher, know_tls_1_1, know_no_forward_secrecy]


@pytest.mark.parametrize("age", OLD)
@pytest.mark.parametrize("reach", [ask, connect, fetch_trusted])
def test_a_host_that_knows_only_what_is_old_is_refused_naming_the_handshake_the_ciphers_and_the_setting(
    certificate: Certificate, age: Callable[[ssl.SSLContext], None], reach: Callable[[HostSettings], object]
) -> None:
    with old_host(certificate, age) as port, pytest.raises(HostUnreachable) as caught:
        reach(settings(port))
    sentence = shipped_texts("en-GB").explain(caught.value)
    for named in ("handshake", f"127.0.0.1:{port}", "ECDHE-RSA-AES256-GCM-SHA384", "tls.allow_old"):
        assert named in sentence


@pytest.mark.parametrize("age", OLD)
def test_such_a_host_is_reached_where_its_setting_allows_it(
    certificate: Certificate, age: Callable[[ssl.SSLContext], None]
) -> None:
    with old_host(certificate, age) as port:
        allowed = settings(port, ALLOWED)
        assert ask(allowed) == 200
        assert fetch_trusted(allowed) == fetch_certificate(settings(port))
        with pytest.raises(ProtocolError):  # the handshake was good, what came was no WebSocket
            connect(allowed)
        pinned = structs.replace(ALLOWED, verify="pin", fingerprint_sha256=certificate.fingerprint_sha256)
        assert ask(settings(port, pinned)) == 200


@pytest.mark.parametrize("reach", [ask, connect, fetch_trusted])
def test_what_speaks_no_tls_is_told_as_that(reach: Callable[[HostSettings], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with closing(connection):
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(HostUnreachable) as caught:
            reach(settings(listening.getsockname()[1]))
        thread.join(10)
    assert caught.value.key == "error.handshake_without_tls"
