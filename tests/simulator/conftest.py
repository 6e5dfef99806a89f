"""A simulated host on a real TLS port, and clients of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from simulator.client import Client

from ipecs_mw.simulator import Account, SimulatedHost

PASSWORD = "secret-pass"
ACCOUNTS = (
    Account("apiuser", PASSWORD),
    Account("second", PASSWORD),
    Account("third", PASSWORD),
    Account("fourth", PASSWORD),
    Account("records", PASSWORD, resources=frozenset({"SMDR"})),
    Account("1005", "4711#", service="client", resources=frozenset()),
)


@pytest.fixture
def build_host(tmp_path: Path) -> Iterator[Callable[..., SimulatedHost]]:
    hosts: list[SimulatedHost] = []

    def build(**options: Any) -> SimulatedHost:
        host = SimulatedHost(
            **{"accounts": ACCOUNTS, "is_scripted": False, "oddities": 0.0, "speed": 1.0, **options}
        )
        host.start()
        hosts.append(host)
        return host

    yield build
    for host in hosts:
        host.stop()


@pytest.fixture
def host(build_host: Callable[..., SimulatedHost]) -> SimulatedHost:
    """A host where only what a test asks for happens."""
    return build_host()


@pytest.fixture
def new_client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def build(
        host: SimulatedHost, user: str = "apiuser", service: str = "server", password: str = PASSWORD
    ) -> Client:
        client = Client(host, tmp_path, user, service, password)
        clients.append(client)
        return client

    yield build
    for client in clients:
        client.http.close()


@pytest.fixture
def client(host: SimulatedHost, new_client: Callable[..., Client]) -> Client:
    """A client that is logged in."""
    made = new_client(host)
    made.log_in()
    return made
