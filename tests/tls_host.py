"""A small host on a real TLS socket of the loopback, for tests: each connection is served as the test says."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from ipecs_mw.model.configuration.settings import HostSettings, TlsSettings
from ipecs_mw.simulator.wire.certificate import Certificate

Serve = Callable[[socket.socket, threading.Event], None]


class Host:
    """A listening TLS port; `received` is all that its clients sent, `end` is set when the test is over."""

    def __init__(self, certificate: Certificate, serve: Serve) -> None:
        self.received = bytearray()
        self.connections = 0
        self.end = threading.Event()
        self._serve = serve
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_into(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.end.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.end.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        # a client that refuses the certificate breaks off: that is what some tests are about
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secured:
            while not self.received.endswith(b"\r\n\r\n"):
                got = secured.recv(65536)
                if not got:
                    return
                self.received += got
            self._serve(secured, self.end)


def settings(port: int, tls: TlsSettings | None = None, user: str = "api") -> HostSettings:
    return HostSettings("main", "127.0.0.1", user, "secret", "UTC", port, tls=tls or TlsSettings("off"))


def pin(certificate: Certificate) -> TlsSettings:
    return TlsSettings("pin", fingerprint_sha256=certificate.fingerprint_sha256)
