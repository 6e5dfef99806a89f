"""The API over a database that many tests share: what one of them changes is its own."""

from collections.abc import Iterator

import pytest
from api_scene import Served, served_anew

from ipecs_mw.store.server.embedded import Embedded


@pytest.fixture(scope="session")
def api(mongo: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What all tests may ask; nobody ends it, and each changes only what it made itself."""
    with served_anew(mongo, tmp_path_factory.mktemp("api")) as place:
        yield place
