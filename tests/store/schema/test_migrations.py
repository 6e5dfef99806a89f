"""Each migration is applied once, whatever breaks on the way."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import FakeClock

import ipecs_mw
from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.cli.context import Context
from ipecs_mw.cli.set_up.migrate import migrate as migrate_command
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart, StoreRefused
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.coordination.leases import acquire_lease
from ipecs_mw.store.schema import migrations
from ipecs_mw.store.schema.migrations import find_migrations, hold_lock, load_status, migrate
from ipecs_mw.store.server import connection
from ipecs_mw.store.server.connection import Store, connect

COUNT = 'def apply(db):\n    db["applied"].insert_one({{"step": {number}}})\n'


@pytest.fixture
def clock() -> SystemClock:
    """The real clock: a fake one that passes waits at once would have the lease renewed without a pause."""
    return SystemClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two steps that note that they were applied."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number, name in ((1, "first"), (2, "second")):
        (folder / f"{number:04d}_{name}.py").write_text(COUNT.format(number=number))
    return folder


def applied(store: Store) -> list[int]:
    return [document["step"] for document in store.database["applied"].find()]


def states(store: Store, folder: Path) -> list[tuple[int, str]]:
    return [(row.number, row.state) for row in load_status(store, folder)]


def test_all_steps_are_applied_in_order_and_recorded(store: Store, folder: Path, clock: SystemClock) -> None:
    assert states(store, folder) == [(1, "pending"), (2, "pending")]
    assert migrate(store, clock, folder) == [1, 2]
    assert applied(store) == [1, 2]
    assert states(store, folder) == [(1, "done"), (2, "done")]
    record = store.database["migrations"].find_one({"_id": 2}) or {}
    assert (record["name"], record["state"]) == ("second", "done")
    assert record["started_at"] <= record["done_at"] <= clock.now()
    assert len(record["checksum"]) == 64


def test_a_step_that_was_applied_is_not_applied_again(store: Store, folder: Path, clock: SystemClock) -> None:
    migrate(store, clock, folder)
    assert migrate(store, clock, folder) == []
    (folder / "0003_third.py").write_text(COUNT.format(number=3))
    assert migrate(store, clock, folder) == [3]
    assert applied(store) == [1, 2, 3]


def test_a_step_that_fails_stays_half_done_and_is_done_again(
    store: Store, folder: Path, clock: SystemClock
) -> None:
    (folder / "0002_second.py").write_text('def apply(db):\n    db.command("nonsense")\n')
    with pytest.raises(StoreRefused):
        migrate(store, clock, folder)
    assert states(store, folder) == [(1, "done"), (2, "half-done")]
    (folder / "0002_second.py").write_text(COUNT.format(number=2))
    assert migrate(store, clock, folder) == [2]
    assert applied(store) == [1, 2]


def test_a_runner_that_was_killed_inside_a_step_is_taken_over(
    store: Store, mongo_uri: str, folder: Path, clock: SystemClock
) -> None:
    step = folder / "0002_second.py"
    step.write_text("import os, signal\ndef apply(db):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    program = (
        "import sys; from pathlib import Path; from ipecs_mw.clock import SystemClock;"
        "from ipecs_mw.store.server.connection import open_client;"
        "from ipecs_mw.store.schema.migrations import migrate;"
        "migrate(open_client(sys.argv[1], 'test'), SystemClock(), Path(sys.argv[2]))"
    )
    root = str(Path(ipecs_mw.__file__).parent.parent)
    killed = subprocess.run(
        [sys.executable, "-c", program, mongo_uri, str(folder)],
        env={**os.environ, "PYTHONPATH": root},
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert states(store, folder) == [(1, "done"), (2, "half-done")]
    store.database["leases"].update_one({}, [{"$set": {"expires_at": "$$NOW"}}])  # its 30 s are over
    step.write_text(COUNT.format(number=2))
    assert migrate(store, clock, folder) == [2]
    assert applied(store) == [1, 2]


TAKE_OVER = """
def apply(db):
    db["applied"].insert_one({{"step": {number}}})
    db["leases"].update_one({{"_id": "migrations"}}, [{{"$set": {{
        "owner": "next", "expires_at": {{"$add": ["$$NOW", 60000]}}}}}}])
"""


def test_a_runner_that_has_lost_the_lock_while_it_stood_still_neither_marks_nor_goes_on(
    store: Store, folder: Path, clock: SystemClock
) -> None:
    (folder / "0001_first.py").write_text(TAKE_OVER.format(number=1))
    with pytest.raises(CannotStart) as caught:
        migrate(store, clock, folder)
    assert caught.value.key == "error.migration_lost"
    assert states(store, folder) == [(1, "half-done"), (2, "pending")]
    assert applied(store) == [1]
    assert (store.database["leases"].find_one({"_id": "migrations"}) or {})["owner"] == "next"


def test_the_record_of_the_runner_that_took_over_stays(
    store: Store, folder: Path, clock: SystemClock
) -> None:
    taken = '    db["migrations"].update_one({"_id": 1}, {"$set": {"by": "next"}})\n'
    (folder / "0001_first.py").write_text(COUNT.format(number=1) + taken)
    with pytest.raises(CannotStart) as caught:
        migrate(store, clock, folder)
    assert caught.value.key == "error.migration_lost"
    record = store.database["migrations"].find_one({"_id": 1}) or {}
    assert (record["by"], record["state"]) == ("next", "started")


def test_a_step_that_another_runner_has_done_meanwhile_is_not_begun_again(
    store: Store, folder: Path, clock: SystemClock
) -> None:
    done = '    db["migrations"].insert_one({"_id": 2, "state": "done", "by": "next", "checksum": "x"})\n'
    (folder / "0001_first.py").write_text(COUNT.format(number=1) + done)
    with pytest.raises(CannotStart):
        migrate(store, clock, folder)
    assert applied(store) == [1]
    assert (store.database["migrations"].find_one({"_id": 2}) or {})["by"] == "next"


def test_a_lock_is_known_to_be_lost_before_the_first_step(store: Store, folder: Path) -> None:
    with hold_lock(store, SystemClock(), threading.Event()) as lock:
        lock.check()
        store.database["leases"].update_one({"_id": "migrations"}, {"$set": {"owner": "next"}})
        with pytest.raises(CannotStart):
            lock.check()
    assert store.database["leases"].count_documents({"_id": "migrations", "owner": "next"}) == 1


def test_a_newer_schema_is_refused_with_its_number(store: Store, folder: Path, clock: SystemClock) -> None:
    migrate(store, clock, folder)
    (folder / "0002_second.py").unlink()
    with pytest.raises(CannotStart) as caught:
        migrate(store, clock, folder)
    assert caught.value.key == "error.schema_newer"
    assert (caught.value.facts["number"], caught.value.facts["name"]) == (2, "second")
    assert states(store, folder) == [(1, "done"), (2, "unknown")]


def test_a_step_that_was_changed_after_it_was_applied_is_refused(
    store: Store, folder: Path, clock: SystemClock
) -> None:
    migrate(store, clock, folder)
    (folder / "0001_first.py").write_text("def apply(db): ...\n")
    with pytest.raises(CannotStart) as caught:
        migrate(store, clock, folder)
    assert caught.value.key == "error.migration_changed"
    assert states(store, folder) == [(1, "changed"), (2, "done")]


@pytest.mark.parametrize("name", ["0003-third.py", "3_third.py", "0004_fourth.py", "0002_twice.py"])
def test_a_file_that_does_not_fit_in_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(CannotStart, match=r"error\.migration_name"):
        find_migrations(folder)


def test_runners_at_the_same_time_apply_each_step_once(store: Store, folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: migrate(store, SystemClock(), folder), range(4)))
    assert sorted(results, reverse=True) == [[1, 2], [], [], []]
    assert applied(store) == [1, 2]


def test_a_lock_that_stays_held_is_given_up_on(store: Store, folder: Path) -> None:
    acquire_lease(store, "migrations", "somebody", 600)
    with pytest.raises(CannotStart) as caught:
        migrate(store, FakeClock(), folder)
    assert caught.value.key == "error.migration_locked"
    assert applied(store) == []


def test_a_step_may_take_longer_than_an_operation(
    mongo_uri: str, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "def apply(db):\n    list(db['applied'].find({'$where': 'sleep(1500) || true'}))\n"
    (folder / "0001_first.py").write_text(slow)
    store.database["applied"].insert_one({"step": 0})
    monkeypatch.setattr(connection, "OPERATION_SECONDS", 1.0)
    hasty = connect(Bootstrap(folder, mongo_uri), SystemClock())
    try:
        assert migrate(hasty, SystemClock(), folder) == [1, 2]
    finally:
        hasty.close()


def test_the_shipped_steps_can_be_repeated(store: Store, clock: SystemClock) -> None:
    migrate(store, clock)
    indexes = {name: store.database[name].index_information() for name in ("events", "requests")}
    for migration in find_migrations():
        migrations._load_apply(migration)(store.database)
    assert {name: store.database[name].index_information() for name in indexes} == indexes


def test_the_event_log_keeps_a_year_and_has_an_index_for_every_filter(
    store: Store, clock: SystemClock
) -> None:
    migrate(store, clock)
    indexes = store.database["events"].index_information()
    assert indexes["retention"]["expireAfterSeconds"] == 365 * 86400
    for field in ("host", "kind", "type", "code", "stations", "call_ref"):
        plan = (
            store.database["events"]
            .find({field: "x" if field in ("host", "kind", "type", "stations") else 1})
            .sort([("received_at", -1), ("_id", -1)])
            .explain()["queryPlanner"]["winningPlan"]
        )
        assert f"by_{field}" in str(plan)
        assert "'SORT'" not in str(plan)


def test_the_command_applies_and_shows_the_steps(mongo_uri: str, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text(f'{{"mongo_uri": "{mongo_uri}"}}')
    context = Context(str(file), "default", None, shipped_texts(), SystemClock())
    runner = CliRunner()
    before = runner.invoke(migrate_command, ["--status"], obj=context)
    assert "0001  events" in before.output
    assert load_status(store)[0].state == "pending"
    assert runner.invoke(migrate_command, [], obj=context).exit_code == 0
    assert {row.state for row in load_status(store)} == {"done"}
