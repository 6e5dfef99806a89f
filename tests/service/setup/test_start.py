"""What the daemon begins with while MongoDB cannot be used yet."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.servers import ReplicaSet
from sites import wait_until
from support import FakeClock

from ipecs_mw import logs
from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.service.setup.loading import keep_setup
from ipecs_mw.service.setup.start import begin
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.setup import read_setup
from ipecs_mw.store.schema.migrations import load_status
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


@pytest.fixture
def output() -> io.StringIO:
    lines = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=lines)
    return lines


def start(mongo_uri: str, tmp_path: Path, clock: FakeClock) -> None:
    beginning = begin(Bootstrap(tmp_path / "b.json", mongo_uri), "default", tmp_path, clock, Stop(clock))
    assert beginning is not None
    beginning.store.close()


def test_a_step_of_the_schema_that_was_cut_off_is_completed_before_anything_is_loaded(
    seeded: Store, mongo_uri: str, output: io.StringIO, tmp_path: Path, clock: FakeClock
) -> None:
    last = load_status(seeded)[-1].number
    seeded.database["migrations"].update_one({"_id": last}, {"$set": {"state": "started"}})
    start(mongo_uri, tmp_path, clock)
    assert {row.state for row in load_status(seeded)} == {"done"}
    lines = output.getvalue()
    assert 0 < lines.index("migration.applied") < lines.index("start.configuration")


def test_a_wrong_text_is_one_warning_and_the_start_goes_on(
    seeded: Store, mongo_uri: str, output: io.StringIO, tmp_path: Path, clock: FakeClock
) -> None:
    seeded.database["languages"].update_one({"_id": "en-GB:session.up"}, {"$set": {"text": "{nobody} is up"}})
    seeded.database["languages"].delete_one({"_id": "en-GB:session.down"})
    start(mongo_uri, tmp_path, clock)
    (told,) = [line for line in output.getvalue().splitlines() if "languages." in line]
    assert "WARNING" in told
    assert "languages.text_refused" in told
    assert "session.up" in told
