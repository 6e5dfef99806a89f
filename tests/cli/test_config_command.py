"""`ipecs-mw config` on a real MongoDB."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ipecs_mw.cli import cli
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.store.connection import Store
from ipecs_mw.store.migrations import migrate
from ipecs_mw.store.seeding import apply, plan, read_seeds

Run = Callable[..., Result]


@pytest.fixture
def run(store: Store, mongo_uri: str, tmp_path: Path) -> Run:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))
    migrate(store, SystemClock())
    apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")
    return lambda *arguments: CliRunner().invoke(cli, ["--bootstrap", str(file), "config", *arguments])


def test_a_setting_is_read_with_its_default(run: Run) -> None:
    assert json.loads(run("get", "hosts[0].port").stdout) == 8743
    assert json.loads(run("get", "hosts[0].accounts").stdout) == []
    assert json.loads(run("get", "locale").stdout) == "en-GB"


def test_a_change_is_a_new_revision_that_can_be_taken_back(run: Run, store: Store) -> None:
    assert run("set", "hosts[0].port", "9000").exit_code == 0
    assert run("set", "locale", "de-DE").exit_code == 0
    assert json.loads(run("get", "hosts[0].port").stdout) == 9000
    history = run("history").stdout
    assert "port: 8743 -> 9000" in history
    assert "locale: 'en-GB' -> 'de-DE'" in history
    assert run("rollback", "1").exit_code == 0
    assert json.loads(run("get", "hosts[0].port").stdout) == 8743
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert found["revision"] == 4


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("set", "hosts[0].port", "99999"), ("hosts[0].port", "99999", "65535")),
        (("set", "hosts[0].prot", "1"), ("hosts[0].prot", "port")),
        (("set", "hosts[7].port", "1"), ("hosts[7].port",)),
        (("get", "hosts[0].nothing"), ("hosts[0].nothing", "address")),
        (("rollback", "99"), ("99",)),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    run: Run, store: Store, arguments: tuple[str, ...], names: tuple[str, ...]
) -> None:
    before = store.database["config"].find_one({"_id": "default"})
    result = run(*arguments)
    assert isinstance(result.exception, IpecsMwError)
    for name in names:
        assert name in str(result.exception)
    assert store.database["config"].find_one({"_id": "default"}) == before


def test_a_password_that_is_written_out_is_shown_by_no_command(run: Run) -> None:
    secret = "canary-written-out"
    assert run("set", "hosts[0].password", secret).exit_code == 0
    assert run("set", "locale", "ko-KR").exit_code == 0
    shown = [
        run(*arguments).output
        for arguments in (("show",), ("history",), ("get", "hosts"), ("get", "hosts[0].password"))
    ]
    assert secret not in "".join(shown)
