"""The API over a database that many tests share: what one of them changes is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_scene import Served, served, served_anew

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.embedded import Embedded


@pytest.fixture(scope="session")
def api(mongo: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What all tests may ask; nobody ends it, and each changes only what it made itself."""
    with served_anew(mongo, tmp_path_factory.mktemp("api")) as place:
        yield place


@pytest.fixture
def site(migrated: Store, mongo_uri: str, tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own over an empty database, which the test may end and fill."""
    hosts = [{"name": "main", "timezone": "Asia/Singapore"}]
    migrated.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": hosts})
    with served(migrated, tmp_path / "serve", uri=mongo_uri) as process:
        yield process
