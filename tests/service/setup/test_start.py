"""What the daemon begins with while MongoDB cannot be used yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.servers import ReplicaSet
from sites import wait_until
from support import FakeClock

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.service.setup.loading import keep_setup
from ipecs_mw.service.setup.start import begin
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.setup import read_setup
from ipecs_mw.store.server.connection import Store, connect


@pytest.fixture
def secondary(tmp_path: Path) -> Iterator[Bootstrap]:
    """A server that steps down for the rest of the test, named directly."""
    servers = ReplicaSet(tmp_path / "set", 1)
    servers.start()
    try:
        with servers.servers[0].client() as client:
            client.admin.command("replSetStepDown", 600, force=True)
            wait_until(lambda: not client.admin.command("hello").get("isWritablePrimary"), 30)
        uri = f"mongodb://{servers.hosts}/?directConnection=true"
        yield Bootstrap(tmp_path / "bootstrap.json", uri)
    finally:
        servers.kill()


def test_a_server_that_is_not_the_primary_is_waited_for_with_what_was_kept(
    store: Store, secondary: Bootstrap, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        connect(secondary, SystemClock())
    assert caught.value.key == "error.mongo_read_only"
    apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")
    keep_setup(read_setup(store, "default"), "default", tmp_path)
    clock = FakeClock()
    beginning = begin(secondary, "default", tmp_path, clock, Stop(clock))
    assert beginning is not None
    assert beginning.is_recalled
    beginning.store.close()
