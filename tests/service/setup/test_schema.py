"""The database is put right while the daemon runs, whatever somebody does to it."""

import io
import threading
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw import logs
from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.setup.schema import SchemaKeeper
from ipecs_mw.store.schema.comparison import describe_differences
from ipecs_mw.store.schema.retention import Retention, find_differences
from ipecs_mw.store.server.connection import Store


@pytest.fixture
def output() -> io.StringIO:
    lines = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=lines)
    return lines


@pytest.fixture
def keeper(store: Store) -> SchemaKeeper:
    """One that has looked once, at an empty database."""
    found = SchemaKeeper(store, "default", Retention, SystemClock(), threading.Event())
    found.look()
    return found


def differences(store: Store) -> str:
    return describe_differences(find_differences(store))


def test_an_empty_database_is_made_as_it_should_be(store: Store, keeper: SchemaKeeper) -> None:
    assert differences(store) == ""


def test_what_is_dropped_while_it_runs_is_made_again_and_told(
    store: Store, output: io.StringIO, keeper: SchemaKeeper
) -> None:
    output.truncate(0)
    store.database["events"].drop()
    store.database["events"].insert_one({"_id": "new"})
    keeper.look()
    assert differences(store) == ""
    assert output.getvalue().count("schema.mended") == 1
    assert "events.retention (index)" in output.getvalue()
    keeper.look()
    assert output.getvalue().count("schema.mended") == 1
    assert "schema.left" not in output.getvalue()


def test_a_database_that_is_gone_is_made_again(store: Store, keeper: SchemaKeeper) -> None:
    store.client.drop_database(store.database.name)
    keeper.look()
    assert differences(store) == ""
    assert store.database["migrations"].count_documents({"state": "done"})


def test_a_version_that_says_otherwise_is_left_alone_while_it_runs(
    store: Store, keeper: SchemaKeeper
) -> None:
    store.database.command("collMod", "config", validator={"hosts": 1})
    keeper.look()
    assert differences(store) == "config (validator)"


def test_what_cannot_be_put_right_is_told_once(
    store: Store, output: io.StringIO, keeper: SchemaKeeper
) -> None:
    history = store.database["config_history"]
    history.drop_indexes()
    history.insert_many([{"profile": "p", "revision": 1}, {"profile": "p", "revision": 1}])
    for _ in range(3):
        keeper.look()
    assert output.getvalue().count("schema.left") == 1
    history.delete_many({})
    keeper.look()
    assert "schema.mended" in output.getvalue().splitlines()[-1]
    assert differences(store) == ""


def test_it_looks_once_a_minute_and_a_newer_schema_is_told_and_touched_by_nothing(
    store: Store, output: io.StringIO, clock: FakeClock
) -> None:
    newer = {"_id": 9999, "name": "newer", "checksum": "x", "state": "done"}
    store.database["migrations"].insert_one(newer)
    stop = threading.Event()

    class Ending(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> Any:
            if len(self.waits) == 3:
                stop.set()
            return super().wait(event, seconds)

    ending = Ending()
    SchemaKeeper(store, "default", Retention, ending, stop).run()
    assert ending.waits == [60.0] * 4
    assert output.getvalue().count("schema.not_compared") == 1
    assert "9999" in output.getvalue()
    assert "requests" not in store.database.list_collection_names()
