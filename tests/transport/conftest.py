"""Hosts on real TLS sockets of the loopback."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from tls_host import Host, Serve

from ipecs_mw.simulator.certificate import Certificate, make_certificate


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_certificate(["127.0.0.1", "localhost"], datetime.now(UTC))


@pytest.fixture
def start(certificate: Certificate) -> Iterator[Callable[..., Host]]:
    """Start a host that serves as told: `start(serve)`."""
    with ExitStack() as stack:

        def begin(serve: Serve, shown: Certificate = certificate) -> Host:
            host = Host(shown, serve)
            stack.callback(host.close)
            return host

        yield begin
