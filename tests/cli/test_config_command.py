"""`ipecs-mw config` on a real MongoDB."""

import json
import sys
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


def use_editor(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Make an editor that changes the text of the file it is given as the Python of `body` says."""
    script = folder / "editor.py"
    script.write_text(
        f"import sys\nfile = sys.argv[-1]\ntext = open(file).read()\n{body}\nopen(file, 'w').write(text)\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    monkeypatch.delenv("VISUAL", raising=False)


def test_an_edited_configuration_is_written_and_keeps_the_password_that_it_did_not_show(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("set", "hosts[0].password", "canary-kept")
    seen = tmp_path / "seen"
    body = f"open({str(seen)!r}, 'w').write(text)\ntext = text.replace('8743', '8800')"
    use_editor(tmp_path, monkeypatch, body)
    assert run("edit").exit_code == 0
    assert "canary" not in seen.read_text()
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert (found["hosts"][0]["port"], found["hosts"][0]["password"]) == (8800, "canary-kept")
    assert "Nothing was changed" in run("edit").stdout
    assert store.database["config"].find_one({"_id": "default"}) == found


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("text = text.replace('8743', '99999')", "hosts[0].port"),
        ("text = text[:-5]", "line"),
        ("text = '[]'", "$"),
        ("text = text.replace('\"main\"', '\"renamed\"')", "hosts[0].password"),
    ],
)
def test_an_edited_configuration_that_is_wrong_is_refused_and_not_written(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str
) -> None:
    run("set", "hosts[0].password", "canary-written-out")
    before = store.database["config"].find_one({"_id": "default"})
    use_editor(tmp_path, monkeypatch, body)
    result = run("edit")
    assert isinstance(result.exception, IpecsMwError)
    assert name in str(result.exception)
    assert store.database["config"].find_one({"_id": "default"}) == before


def test_what_somebody_else_changed_during_the_editing_is_not_overwritten(
    run: Run, store: Store, tmp_path: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import pymongo\n"
        f"config = pymongo.MongoClient({mongo_uri!r})[{store.database.name!r}]['config']\n"
        "config.update_one({'_id': 'default'}, {'$inc': {'revision': 1}, '$set': {'locale': 'ko-KR'}})\n"
        "text = text.replace('8743', '8800')"
    )
    use_editor(tmp_path, monkeypatch, body)
    result = run("edit")
    assert isinstance(result.exception, IpecsMwError)
    assert result.exception.key == "error.config_changed_meanwhile"
    assert json.loads(run("get", "hosts[0].port").stdout) == 8743


def test_two_revisions_are_compared_in_either_direction(run: Run) -> None:
    run("set", "hosts[0].port", "9000")
    run("set", "locale", "de-DE")
    assert run("diff").stdout.splitlines() == ["locale: 'en-GB' -> 'de-DE'"]
    both = ["hosts[main].port: 8743 -> 9000", "locale: 'en-GB' -> 'de-DE'"]
    assert sorted(run("diff", "1").stdout.splitlines()) == both
    assert run("diff", "2", "1").stdout.splitlines() == ["hosts[main].port: 9000 -> 8743"]
    assert "same content" in run("diff", "3", "3").stdout


def test_a_changed_password_is_told_though_neither_is_kept_or_shown(run: Run, store: Store) -> None:
    run("set", "hosts[0].password", "canary-old")
    run("set", "hosts[0].password", "canary-new")
    run("set", "locale", "de-DE")
    assert "canary" not in str(list(store.database["config_history"].find()))
    assert "hosts[main].password: '***' -> '***'" in run("history").stdout
    assert "hosts[main].password" in run("diff", "2").stdout
    assert run("diff", "3").stdout.splitlines() == ["locale: 'en-GB' -> 'de-DE'"]


def test_going_back_keeps_the_present_password_where_the_history_has_none(run: Run, store: Store) -> None:
    run("set", "hosts[0].password", "canary-old")
    run("set", "hosts[0].password", "canary-new")
    assert run("rollback", "2").exit_code == 0
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert found["hosts"][0]["password"] == "canary-new"
    assert run("rollback", "1").exit_code == 0  # which named a variable
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert found["hosts"][0]["password"] == {"env": "IPECS_PASSWORD"}


def test_passwords_that_an_older_version_wrote_to_the_history_are_masked_by_the_migration(
    store: Store,
) -> None:
    old = {"profile": "default", "revision": 1, "hosts": [{"name": "a", "password": "canary"}]}
    store.database["config_history"].insert_one(old)
    migrate(store, SystemClock())
    kept = store.database["config_history"].find_one({"revision": 1}, {"_id": 0})
    assert kept == {"profile": "default", "revision": 1, "hosts": [{"name": "a", "password": "***"}]}
