"""Servers, hosts and sites that the tests of faults break."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from databases import READY
from faults.oracle import Witness
from faults.servers import ReplicaSet
from sites import PASSWORD, USER, Site, make_ready

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.server.connection import Store, connect


@pytest.fixture(scope="session")
def own_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """A replica set of one that these tests may kill, as long as they start it again."""
    made = ReplicaSet(tmp_path_factory.mktemp("own"), 1)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """A replica set of three members."""
    made = ReplicaSet(tmp_path_factory.mktemp("three"), 3)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def build_site(tmp_path: Path, host: SimulatedHost) -> Iterator[Callable[..., Site]]:
    """Builds sites on a database of any connection string; what they started is ended before the host is."""
    places: list[Site] = []
    with ExitStack() as stack:

        def build(uri: str, folder: Path | None = None) -> Site:
            bootstrap = Bootstrap(path=tmp_path / "bootstrap.json", mongo_uri=uri)
            store = stack.enter_context(closing(connect(bootstrap, SystemClock())))
            if not store.database.name.startswith(READY):
                make_ready(store)
            place = Site(store, uri, folder or tmp_path)
            places.append(place)
            return place

        yield build
        for place in places:
            place.stop()


@pytest.fixture
def site(seeded: Store, mongo_uri: str, build_site: Callable[..., Site]) -> Site:
    """A site on the server that all tests share."""
    return build_site(mongo_uri)


@pytest.fixture
def own_site(own_set: ReplicaSet, build_site: Callable[..., Site]) -> Site:
    """A site on the server that may be killed."""
    return build_site(own_set.make_uri(f"test_{uuid.uuid4().hex[:12]}"))


@pytest.fixture
def sent_log(tmp_path: Path) -> Path:
    return tmp_path / "sent.jsonl"


@pytest.fixture
def host(sent_log: Path) -> Iterator[SimulatedHost]:
    """A host that sends only what a test tells it to, and keeps a record of it."""
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False, sent_log=sent_log) as made:
        yield made


@pytest.fixture
def witness(site: Site, host: SimulatedHost, sent_log: Path) -> Witness:
    """Frames and their judge, on the server that all tests share."""
    return Witness(site, host, sent_log)


@pytest.fixture
def own_witness(own_site: Site, host: SimulatedHost, sent_log: Path) -> Witness:
    """Frames and their judge, on the server that may be killed."""
    return Witness(own_site, host, sent_log)
