"""`ipecs-mw config` on a real MongoDB."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import explain

from ipecs_mw.cli import cli
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart, ChangedMeanwhile, InvalidDocument, IpecsMwError
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.settings import DIRECTLY, save_settings
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store

Run = Callable[..., Result]


@pytest.fixture
def run(seeded: Store, mongo_uri: str, tmp_path: Path) -> Run:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))
    options = ["--bootstrap", str(file), "config"]
    return lambda *arguments, typed=None: CliRunner().invoke(cli, [*options, *arguments], input=typed)


def set_password(run: Run, secret: str) -> Result:
    return run("set", "hosts[0].password", "-", typed=f"{secret}\n")


def config_of(store: Store) -> dict[str, Any]:
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    return found


def interfere(store: Store, monkeypatch: pytest.MonkeyPatch, update: dict[str, Any], times: int = 1) -> None:
    """Change the document directly before the command's own change, the first `times` that it tries."""
    left = [update] * times

    def save(*arguments: Any, **options: Any) -> int:
        if left:
            store.database["config"].update_one({"_id": "default"}, left.pop())
        return save_settings(*arguments, **options)

    monkeypatch.setattr(sys.modules["ipecs_mw.cli.saving"], "save_settings", save)


def test_digits_are_text_where_the_setting_is_text(run: Run, seeded: Store) -> None:
    assert run("set", "numbers.country", "65").exit_code == 0
    assert run("set", "numbers.trunk_prefix", "9").exit_code == 0
    assert config_of(seeded)["numbers"] == {"country": "65", "trunk_prefix": "9"}
    assert run("set", "numbers.country", "999").exit_code != 0
    assert run("set", "events.retention_days", "30").exit_code == 0
    assert config_of(seeded)["events"]["retention_days"] == 30


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
    assert "locale: en-GB -> de-DE" in history
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


GROUPS_TWICE = '{"620": {"name": "Sales"}, "621": {}, "620": {"name": "Support"}}'


@pytest.mark.parametrize("typed", [None, GROUPS_TWICE])
def test_a_group_that_is_configured_twice_is_refused_not_lost(
    run: Run, store: Store, typed: str | None
) -> None:
    before = config_of(store)
    result = run("set", "figures.groups", "-" if typed else GROUPS_TWICE, typed=typed)
    error = result.exception
    assert isinstance(error, InvalidDocument)
    assert error.facts["path"] == "620"
    assert "Support" in explain(error)
    assert config_of(store) == before


def test_a_password_that_is_written_out_is_shown_by_no_command(run: Run) -> None:
    secret = "canary-written-out"
    assert set_password(run, secret).exit_code == 0
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
    set_password(run, "canary-kept")
    seen = tmp_path / "seen"
    body = f"open({str(seen)!r}, 'w').write(text)\ntext = text.replace('8743', '8800')"
    use_editor(tmp_path, monkeypatch, body)
    assert run("edit").exit_code == 0
    assert "canary" not in seen.read_text()
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert (found["hosts"][0]["port"], found["hosts"][0]["password"]) == (8800, "canary-kept")
    assert "Nothing has changed" in run("edit").stdout
    assert store.database["config"].find_one({"_id": "default"}) == found


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("text = text.replace('8743', '99999')", "hosts[0].port"),
        ("text = text[:-5]", "line"),
        ("text = '[]'", "$"),
        ("text = text.replace('{', '{\"calls\": {}, \"calls\": {}, ', 1)", "calls"),
        ("text = text.replace('\"main\"', '\"renamed\"')", "hosts[0].password"),
    ],
)
def test_an_edited_configuration_that_is_wrong_is_refused_and_not_written(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str
) -> None:
    set_password(run, "canary-written-out")
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
    assert run("diff").stdout.splitlines() == ["locale: en-GB -> de-DE"]
    both = ["hosts[main].port: 8743 -> 9000", "locale: en-GB -> de-DE"]
    assert sorted(run("diff", "1").stdout.splitlines()) == both
    assert run("diff", "2", "1").stdout.splitlines() == ["hosts[main].port: 9000 -> 8743"]
    assert "same content" in run("diff", "3", "3").stdout


def test_a_changed_password_is_told_though_neither_is_kept_or_shown(run: Run, store: Store) -> None:
    set_password(run, "canary-old")
    set_password(run, "canary-new")
    run("set", "locale", "de-DE")
    assert "canary" not in str(list(store.database["config_history"].find()))
    assert "hosts[main].password: *** -> ***" in run("history").stdout
    assert "hosts[main].password" in run("diff", "2").stdout
    assert run("diff", "3").stdout.splitlines() == ["locale: en-GB -> de-DE"]


def test_going_back_keeps_the_present_password_where_the_history_has_none(run: Run, store: Store) -> None:
    set_password(run, "canary-old")
    set_password(run, "canary-new")
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


def test_a_deleted_configuration_is_told_and_brought_back(run: Run, store: Store) -> None:
    run("set", "locale", "de-DE")
    store.database["config"].delete_one({"_id": "default"})
    for arguments in (("show",), ("get", "locale"), ("set", "locale", "ko-KR"), ("edit",)):
        result = run(*arguments)
        assert isinstance(result.exception, CannotStart)
        assert (result.exception.key, result.exception.facts["revision"]) == ("error.config_deleted", 2)
    assert store.database["config"].count_documents({}) == 0
    for arguments in (("history",), ("diff",)):
        result = run(*arguments)
        assert result.exit_code == 0
        assert "config rollback 2" in result.stderr
        assert "locale: en-GB -> de-DE" in result.stdout
    assert run("rollback", "2").exit_code == 0
    assert (config_of(store)["locale"], config_of(store)["revision"]) == ("de-DE", 3)
    assert run("history").stderr == ""
    run("set", "locale", "ko-KR")
    told = run("history").stdout
    assert [told.count(f"Revision {number},") for number in range(1, 5)] == [1, 1, 1, 1]


def test_a_profile_that_never_was_has_no_history(run: Run, store: Store) -> None:
    for name in ("config", "config_history"):
        store.database[name].delete_many({})
    for arguments in (("history",), ("rollback", "1"), ("show",)):
        result = run(*arguments)
        assert isinstance(result.exception, CannotStart)
        assert result.exception.key == "error.config_missing"


def test_a_setting_is_changed_beside_what_somebody_else_changes_at_the_same_moment(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(store, monkeypatch, {"$set": {"locale": "ko-KR"}, "$inc": {"revision": 1}}, times=2)
    assert run("set", "hosts[0].port", "9000").exit_code == 0
    found = config_of(store)
    assert (found["hosts"][0]["port"], found["locale"], found["revision"]) == (9000, "ko-KR", 4)


def test_a_setting_that_is_never_left_alone_is_given_up(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(store, monkeypatch, {"$inc": {"revision": 1}}, times=99)
    result = run("set", "hosts[0].port", "9000")
    assert isinstance(result.exception, ChangedMeanwhile)
    assert config_of(store)["hosts"][0]["port"] == 8743


@pytest.mark.parametrize(
    "arguments",
    [("rollback", "1"), ("set", "hosts[0].port", "9000")],
    ids=["rollback", "set of another host"],
)
def test_what_cannot_be_made_again_is_refused_where_somebody_changes_the_rest_meanwhile(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    interfere(store, monkeypatch, {"$set": {"hosts.0.name": "other"}})
    assert isinstance(run(*arguments).exception, ChangedMeanwhile)
    assert (config_of(store)["hosts"][0]["name"], config_of(store)["hosts"][0]["port"]) == ("other", 8743)


def test_an_edit_by_hand_during_the_editing_is_not_overwritten_though_it_counts_no_revision(
    run: Run, store: Store, tmp_path: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import pymongo\n"
        f"config = pymongo.MongoClient({mongo_uri!r})[{store.database.name!r}]['config']\n"
        "config.update_one({'_id': 'default'}, {'$set': {'events.retention_days': 77}})\n"
        "text = text.replace('8743', '8800')"
    )
    use_editor(tmp_path, monkeypatch, body)
    assert isinstance(run("edit").exception, ChangedMeanwhile)
    found = config_of(store)
    assert (found["events"]["retention_days"], found["hosts"][0]["port"]) == (77, 8743)


def test_an_edit_by_hand_is_told_as_such_and_stays_in_the_history(run: Run, store: Store) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {"locale": "de-DE"}})
    assert f"by {DIRECTLY}\n  locale: en-GB -> de-DE" in run("history").stdout
    run("set", "locale", "ko-KR")
    told = run("history").stdout
    assert f"by {DIRECTLY}\n  locale: en-GB -> de-DE" in told
    assert "locale: de-DE -> ko-KR" in told
    assert run("rollback", "2").exit_code == 0
    assert config_of(store)["locale"] == "de-DE"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hosts[0].password", "canary-argument"),
        ("hosts[0].password", '"canary-argument"'),
        ("hosts[0].accounts", '[{"user": "1001", "password": "canary-argument"}]'),
        ("hosts[0]", '{"name": "main", "password": "canary-argument"}'),
    ],
)
def test_a_password_on_the_command_line_is_refused(run: Run, store: Store, path: str, value: str) -> None:
    before = config_of(store)
    result = run("set", path, value)
    assert isinstance(result.exception, InvalidDocument)
    sentence = shipped_texts("en-GB").explain(result.exception)
    for name in (path, '{"env": NAME}', '{"file": PATH}', "ipecs-mw secret set", "standard input"):
        assert name in sentence
    assert "canary" not in sentence
    assert config_of(store) == before


@pytest.mark.parametrize("form", [{"env": "OTHER"}, {"file": "/run/secrets/ipecs"}])
def test_where_a_password_is_may_be_said_on_the_command_line(
    run: Run, store: Store, form: dict[str, str]
) -> None:
    assert run("set", "hosts[0].password", json.dumps(form)).exit_code == 0
    assert config_of(store)["hosts"][0]["password"] == form


def test_a_value_is_read_from_standard_input(run: Run, store: Store) -> None:
    assert run("set", "locale", "-", typed="de-DE\n").exit_code == 0
    assert run("set", "events", "-", typed='{"retention_days":\n 30}\n').exit_code == 0
    assert run("set", "hosts[0].password", "-", typed="12345\n").exit_code == 0
    found = config_of(store)
    assert (found["locale"], found["events"], found["hosts"][0]["password"]) == (
        "de-DE",
        {"retention_days": 30},
        "12345",
    )
    empty = run("set", "hosts[0].password", "-", typed="\n").exception
    assert isinstance(empty, CannotStart)
    assert empty.key == "error.secret_empty"


@pytest.mark.parametrize(("field", "value"), [("revision", "abc"), ("updated_at", "2026-11-24")])
def test_bookkeeping_that_somebody_wrote_is_named_by_every_command(
    run: Run, store: Store, field: str, value: str
) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {field: value}})
    for arguments in (("history",), ("diff",), ("set", "locale", "de-DE"), ("rollback", "1")):
        result = run(*arguments)
        assert isinstance(result.exception, InvalidDocument), arguments
        assert (result.exception.facts["path"], result.exception.facts["value"]) == (field, json.dumps(value))


def test_what_diff_and_history_print_is_what_get_and_set_read(run: Run, store: Store) -> None:
    run("set", "hosts[main].accounts", '[{"user": "1001", "password": {"env": "A"}}]')
    for path, value in (
        ("hosts[main].tls.ca_file", "/etc/ca.pem"),
        ("hosts[main].accounts[1001].password", '{"file": "/x"}'),
        ("events.retention_days_by_kind.call", "7"),
        ("hosts[0].version", "v2"),
    ):
        assert run("set", path, value).exit_code == 0
        printed = run("diff").stdout.partition(": ")[0]
        assert run("get", path).exit_code == 0
        assert path.replace("[0]", "[main]").startswith(printed) or printed.startswith(path)
        assert printed in run("history").stdout
    assert config_of(store)["hosts"][0]["accounts"][0]["password"] == {"file": "/x"}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("hosts[nosuch].port", "main"),
        ("hosts[main].nosuch", "address"),
        ("hosts[7]", "main"),
        ("lokale", "locale"),
    ],
)
def test_a_path_that_is_not_there_is_wrong_usage_that_names_what_is(run: Run, path: str, names: str) -> None:
    error = run("get", path).exception
    assert isinstance(error, IpecsMwError)
    assert (error.exit_code, names in explain(error)) == (2, True)


def test_values_are_shown_in_words_and_as_set_reads_them(run: Run) -> None:
    run("set", "hosts[main].tls", '{"verify": "off"}')
    shown = run("diff").stdout
    assert "hosts[main].tls.verify: ca -> off" in shown
    assert "hosts[main].tls.ca_file: null -> (not set)" in shown
    assert "None" not in shown
    run("set", "hosts[main].user", '"123"')
    assert 'user: apiuser -> "123"' in run("diff").stdout


def test_the_same_value_again_makes_no_revision(run: Run, store: Store) -> None:
    before = config_of(store)
    for arguments in (("set", "locale", "en-GB"), ("set", "hosts[main].port", "8743"), ("rollback", "1")):
        result = run(*arguments)
        assert (result.exit_code, "Nothing has changed" in result.stdout) == (0, True)
    assert config_of(store) == before
    assert store.database["config_history"].count_documents({}) == 1


def test_an_edit_in_mongodb_has_no_number_before_it_is_counted(run: Run, store: Store) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 99999}})
    assert "No revision yet" in run("history").stdout
    assert "hosts[main].port: 8743 -> 99999" in run("diff").stdout
    assert run("rollback", "2").exception is not None
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 9000}})
    assert "99999" not in run("history").stdout
    run("set", "locale", "de-DE")
    told = run("history").stdout
    assert ("No revision yet" in told, told.count("Revision ")) == (False, 3)
    assert "8743 -> 9000" in run("diff", "1", "2").stdout


def test_a_phone_system_is_added_and_dropped_after_a_question(run: Run, store: Store) -> None:
    settings = [
        "address=192.0.2.20",
        "user=other",
        "timezone=Europe/Berlin",
        'password={"env": "B"}',
        "tls.verify=off",
    ]
    assert run("host", "add", "branch", *settings).exit_code == 0
    assert [host["name"] for host in config_of(store)["hosts"]] == ["main", "branch"]
    assert config_of(store)["hosts"][1]["tls"] == {"verify": "off"}
    for arguments in (
        ("host", "remove", "branch"),
        ("set", "hosts", "[]"),
        ("rollback", "1"),
        ("set", "hosts[branch].name", "other"),
    ):
        refused = run(*arguments, typed="n\n")
        assert (refused.exit_code, "branch" in refused.stderr) == (1, True), arguments
        assert len(config_of(store)["hosts"]) == 2
    assert run("host", "remove", "branch", typed="y\n").exit_code == 0
    assert [host["name"] for host in config_of(store)["hosts"]] == ["main"]
    assert run("set", "hosts", "[]", "--yes").exit_code == 0
    assert config_of(store)["hosts"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        (("add", "main", "address=192.0.2.20"), 3, ("hosts[1].name", "hosts[1].user", "hosts[1].timezone")),
        (("add", "branch", "address"), 2, ("KEY=VALUE",)),
        (("add", "branch", "password=canary-argument"), 3, ("password",)),
        (("remove", "nosuch"), 2, ("main",)),
    ],
)
def test_a_phone_system_that_cannot_be_added_or_dropped_is_told(
    run: Run, store: Store, arguments: tuple[str, ...], code: int, names: tuple[str, ...]
) -> None:
    before = config_of(store)
    result = run("host", *arguments)
    told, found = result.output, result.exit_code
    if isinstance(result.exception, IpecsMwError):
        told, found = explain(result.exception), result.exception.exit_code
    assert found == code
    for name in names:
        assert name in told
    assert "canary" not in told
    assert config_of(store) == before
