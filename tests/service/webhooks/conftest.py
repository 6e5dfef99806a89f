"""A database with webhooks, and a receiver of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hook_receiver import Receiver, serve_hooks
from hook_scene import Scene, open_scene

from ipecs_mw.store.server.connection import Store


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serve_hooks() as served:
        yield served


@pytest.fixture
def scene(migrated: Store, tmp_path: Path) -> Iterator[Scene]:
    with open_scene(migrated, tmp_path) as opened:
        yield opened
