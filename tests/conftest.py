"""Real MongoDB servers for the tests, each started at most once a session."""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from databases import READY, SMALL_LOG, Pool
from faults.recording import (  # noqa: F401 - hooks and a fixture of pytest
    pytest_collection_modifyitems,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    rounds,
)
from pymongo import MongoClient
from sites import PASSWORD, USER, Site, make_ready, make_schema
from support import FakeClock

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded, open_embedded
from ipecs_mw.store.server.mongod import ADDRESS, find_free_port, start_mongod

# a busy machine is no reason to fail
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# what the tests start inherits both: a run in the background is as one at a terminal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# no test trusts the authorities of the machine, and to read them takes longer than the rest of a TLS context
os.environ["SSL_CERT_FILE"] = os.devnull

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 8 * 1024**3

if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
    # a disk is what most tests would wait for, and what they write need not outlive the machine
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


_HEAVY = {"site", "own_site", "own_set", "three", "standalone_store", "load"}
"""Fixtures of tests that take seconds."""


@pytest.hookimpl(specname="pytest_collection_modifyitems")
def pytest_put_the_longest_first(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker, which gets an equal part of the list, begin with its part of what takes long."""
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    light, heavy = ([], [])
    for item in items:
        (light if _HEAVY.isdisjoint(getattr(item, "fixturenames", ())) else heavy).append(item)
    items[:] = [
        item
        for worker in range(workers)
        for part in (heavy, light)
        for item in part[len(part) * worker // workers : len(part) * (worker + 1) // workers]
    ]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when told."""
    return FakeClock()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A replica set of one with authentication; failpoints (`failCommand`) are allowed."""
    parameters = (
        "enableTestCommands=1",
        "scramSHA256IterationCount=5000",
    )  # the least; each client counts them
    options = [*SMALL_LOG, *(word for parameter in parameters for word in ("--setParameter", parameter))]
    with open_embedded(tmp_path_factory.mktemp("mongo"), SystemClock(), options=options) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def pools(mongo: Embedded) -> Iterator[dict[str, Pool]]:
    """Fixture → the databases that it gives out."""
    with MongoClient[dict[str, Any]](mongo.uri) as client:
        ways = {"migrated": make_schema, "seeded": make_ready}
        yield {name: Pool(client, mongo.access.make_uri, way) for name, way in ways.items()}


@pytest.fixture
def database_name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that no other test uses meanwhile; a database of that name is there where the test wants it ready."""
    for kind in ("seeded", "migrated"):
        if kind in request.fixturenames:
            pool = request.getfixturevalue("pools")[kind]
            ready = pool.take()
            yield ready.name
            pool.give_back(ready)
            return
    yield f"test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def mongo_uri(mongo: Embedded, database_name: str) -> str:
    """The connection string of this test's own database; `store` drops it afterwards."""
    return mongo.access.make_uri(database_name)


@pytest.fixture
def store(mongo_uri: str, tmp_path: Path) -> Iterator[Store]:
    """An open, empty database of this test's own."""
    bootstrap = Bootstrap(path=tmp_path / "bootstrap.json", mongo_uri=mongo_uri)
    with closing(connect(bootstrap, SystemClock())) as opened:
        yield opened
        if not opened.database.name.startswith(READY):
            opened.client.drop_database(opened.database.name)


@pytest.fixture
def migrated(store: Store) -> Store:
    """A database of this test's own with the schema; a `store` of the same test is this one."""
    return store


@pytest.fixture
def seeded(store: Store) -> Store:
    """A database of this test's own with the schema and what ships; a `store` of the same test is this one."""
    return store


@pytest.fixture(scope="session")
def standalone_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that is no replica set and asks for no password: no change streams; what is old goes at once."""
    directory = tmp_path_factory.mktemp("standalone")
    (directory / "data").mkdir()
    port = find_free_port()
    options = ["--port", str(port), *SMALL_LOG, "--setParameter", "ttlMonitorSleepSecs=1"]
    assert start_mongod(directory, options, seconds=60) == 0
    yield f"mongodb://{ADDRESS}:{port}/"
    os.kill(int((directory / "data" / "mongod.lock").read_text()), signal.SIGTERM)


@pytest.fixture
def standalone_store(standalone_uri: str, database_name: str, tmp_path: Path) -> Iterator[Store]:
    """As `store`, on the standalone server."""
    bootstrap = Bootstrap(path=tmp_path / "bootstrap.json", mongo_uri=standalone_uri + database_name)
    with closing(connect(bootstrap, SystemClock())) as opened:
        yield opened
        opened.client.drop_database(opened.database.name)


@pytest.fixture
def simulated() -> Iterator[SimulatedHost]:
    """A host that sends only what a test tells it to."""
    with SimulatedHost(accounts=(Account(USER, PASSWORD),), is_scripted=False) as host:
        yield host


@pytest.fixture
def site(seeded: Store, mongo_uri: str, tmp_path: Path) -> Iterator[Site]:
    place = Site(seeded, mongo_uri, tmp_path)
    yield place
    place.stop()
