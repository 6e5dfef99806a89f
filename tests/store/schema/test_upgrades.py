"""A database that an earlier release left is brought up to date, whatever breaks on the way."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sites import Site

import ipecs_mw
from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.events.event_query import Filter, count_events
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.examination import STORED
from ipecs_mw.store.schema.migrations import find_migrations, load_status, migrate
from ipecs_mw.store.server.connection import Store, connect

FOLDER = Path(__file__).parents[2] / "fixtures/schema"
RELEASED = sorted(int(file.stem) for file in FOLDER.glob("[0-9]*.json"))

_spec = importlib.util.spec_from_file_location("schema_dumps", FOLDER / "make.py")
assert _spec is not None
assert _spec.loader is not None
dumps = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dumps)

KILLED_AT = """
import os, signal, sys
from pymongo import monitoring

class Killer(monitoring.CommandListener):
    left = int(sys.argv[2])
    def started(self, event):
        is_write = event.command_name in ("createIndexes", "insert", "update", "findAndModify", "create")
        is_ours = next(iter(event.command.values())) not in ("migrations", "leases")
        if is_write and is_ours:
            Killer.left -= 1
            if Killer.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    def succeeded(self, event): pass
    def failed(self, event): pass

monitoring.register(Killer())
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.server.connection import open_client
from ipecs_mw.store.schema.migrations import migrate
migrate(open_client(sys.argv[1], "test"), SystemClock())
"""


def read_indexes(store: Store) -> dict[str, Any]:
    """Return collection → index → what it is, of every collection with an index of ours."""
    found = {
        name: {
            index["name"]: {key: value for key, value in index.items() if key not in ("v", "ns")}
            for index in store.database[name].list_indexes()
        }
        for name in store.database.list_collection_names(filter=STORED)
    }
    return {name: indexes for name, indexes in found.items() if len(indexes) > 1}


def bring_up_to_date(store: Store) -> list[int]:
    """Do what `migrate` and a start do; return the steps that were applied."""
    applied = migrate(store, SystemClock())
    put_right(store, SystemClock())
    return applied


@pytest.fixture
def keeps_old(store: Store) -> Iterator[None]:
    """Has the server delete nothing by its age, which it looks at once a minute: the documents here are old."""
    store.client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    yield
    store.client.admin.command("setParameter", 1, ttlMonitorEnabled=True)


@pytest.fixture
def expected(store: Store) -> dict[str, Any]:
    """The indexes of a database that begins with this version."""
    bring_up_to_date(store)
    found = read_indexes(store)
    store.client.drop_database(store.database.name)
    return found


def test_the_schemas_that_were_released_are_kept() -> None:
    assert RELEASED[:2] == [1, 2]


@pytest.mark.usefixtures("keeps_old")
@pytest.mark.parametrize("number", RELEASED)
def test_an_old_database_gets_the_indexes_of_a_new_one_and_keeps_its_documents(
    store: Store, expected: dict[str, Any], number: int
) -> None:
    dumps.load(store, number)
    assert [row.state for row in load_status(store)[:number]] == ["done"] * number
    assert bring_up_to_date(store) == [m.number for m in find_migrations() if m.number > number]
    assert read_indexes(store) == expected
    assert [host["name"] for host in store.database["config_shared"].find_one()["hosts"]] == ["main"]  # type: ignore[index]
    kept = dumps.dump(store)
    for name, documents in dumps.build_documents().items():
        ids = [document["_id"] for document in kept[name]["documents"]]
        assert ids == sorted(document["_id"] for document in documents), name
    assert kept["events"]["documents"][-2:] == dumps.build_documents()["events"][:2]
    assert count_events(store, Filter(station="1001")) == 1


def test_a_migration_that_is_killed_at_any_of_its_writes_is_completed_by_the_next(
    store: Store, mongo_uri: str, expected: dict[str, Any]
) -> None:
    """The database of the first release, and one kill at each write of the steps until none is left."""
    root = str(Path(ipecs_mw.__file__).parent.parent)
    kills = 0
    while True:
        store.client.drop_database(store.database.name)
        dumps.load(store, RELEASED[0])
        done = subprocess.run(
            [sys.executable, "-c", KILLED_AT, mongo_uri, str(kills + 1)],
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            timeout=120,
            check=False,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        assert "half-done" in {row.state for row in load_status(store)}
        store.database["leases"].update_many({}, [{"$set": {"expires_at": "$$NOW"}}])  # its 30 s are over
        bring_up_to_date(store)
        assert {row.state for row in load_status(store)} == {"done"}
        assert read_indexes(store) == expected
    assert kills >= 5


def test_no_command_touches_a_database_of_a_newer_version(site: Site) -> None:
    newer = {"_id": 9999, "name": "newer", "checksum": "x", "state": "done"}
    site.store.database["migrations"].insert_one(newer)
    before = dumps.dump(site.store)
    for command in ("run", "seed", "migrate"):
        refused = site.run(command)
        assert refused.returncode == 3, command
        assert "9999" in refused.stderr, command
    assert dumps.dump(site.store) == before


def test_seeding_after_an_update_brings_what_ships_and_leaves_the_site_s_configuration(site: Site) -> None:
    database = site.store.database
    database.client.drop_database(database.name)
    dumps.load(site.store, RELEASED[0])
    assert site.run("seed").returncode == 0
    kept = database["config"].find_one({"_id": "default"}) or {}
    assert (kept["revision"], kept["hosts"][0]["password"]) == (2, "old-canary")
    assert database["commands"].find_one({"_id": "login"}) == {"_id": "login", "edited": True}
    assert database["languages"].count_documents({}) > 1000


def test_a_copy_of_a_stopped_server_s_folder_is_a_backup(tmp_path: Path) -> None:
    def open_at(folder: str) -> Store:
        return connect(Bootstrap(tmp_path / "b.json", "", tmp_path / folder), SystemClock())

    with closing(open_at("first")) as store:
        migrate(store, SystemClock())
        apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")
        store.database["events"].insert_many(dumps.build_documents()["events"])
        before = dumps.dump(store)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    shutil.rmtree(tmp_path / "first")
    with closing(open_at("copy")) as restored:
        assert dumps.dump(restored) == before
        assert migrate(restored, SystemClock()) == []
