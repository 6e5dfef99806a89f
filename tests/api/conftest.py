"""The API over a database that many tests share: what one of them changes is its own."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import serving
from api_scene import Served, fill, served
from sites import make_ready

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded


@pytest.fixture(scope="session")
def api(mongo: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What all tests may ask; nobody ends it, and each changes only what it made itself."""
    folder = tmp_path_factory.mktemp("api")
    name = f"api_{uuid.uuid4().hex[:12]}"
    uri = mongo.access.make_uri(name)
    (folder / "admin.json").write_text(json.dumps({"mongo_uri": uri}))
    bootstrap = Bootstrap(path=folder / "admin.json", mongo_uri=uri)
    with closing(connect(bootstrap, SystemClock())) as store:
        make_ready(store)
        fill(store)
        with served(store, folder) as place:
            yield place
        store.client.drop_database(name)


@pytest.fixture
def site(migrated: Store, mongo_uri: str, tmp_path: Path) -> Iterator[serving.Served]:
    """A server of this test's own over an empty database, which the test may end and fill."""
    hosts = [{"name": "main", "timezone": "Asia/Singapore"}]
    migrated.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": hosts})
    with serving.served(mongo_uri, tmp_path) as process:
        yield process
