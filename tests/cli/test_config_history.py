"""What `ipecs-mw config` keeps of former revisions, and what it does when somebody else changes them too."""

import json
from importlib import import_module
from typing import Any

import pytest
from config_scene import Run, config_of, set_password

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart, ChangedMeanwhile, InvalidDocument
from ipecs_mw.store.configuration.settings import DIRECTLY, save_settings
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store


def interfere(store: Store, monkeypatch: pytest.MonkeyPatch, update: dict[str, Any], times: int = 1) -> None:
    """Change the document directly before the command's own change, the first `times` that it tries."""
    left = [update] * times

    def save(*arguments: Any, **options: Any) -> int:
        if left:
            store.database["config"].update_one({"_id": "default"}, left.pop())
        return save_settings(*arguments, **options)

    monkeypatch.setattr(import_module("ipecs_mw.cli.set_up.saving"), "save_settings", save)


def test_a_change_is_a_new_revision_that_can_be_taken_back(run_config: Run, store: Store) -> None:
    assert run_config("set", "hosts[0].port", "9000").exit_code == 0
    assert run_config("set", "locale", "de-DE").exit_code == 0
    assert json.loads(run_config("get", "hosts[0].port").stdout) == 9000
    history = run_config("history").stdout
    assert "port: 8743 -> 9000" in history
    assert "locale: en-GB -> de-DE" in history
    assert run_config("rollback", "1").exit_code == 0
    assert json.loads(run_config("get", "hosts[0].port").stdout) == 8743
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert found["revision"] == 4


def test_two_revisions_are_compared_in_either_direction(run_config: Run) -> None:
    run_config("set", "hosts[0].port", "9000")
    run_config("set", "locale", "de-DE")
    assert run_config("diff").stdout.splitlines() == ["locale: en-GB -> de-DE"]
    both = ["hosts[main].port: 8743 -> 9000", "locale: en-GB -> de-DE"]
    assert sorted(run_config("diff", "1").stdout.splitlines()) == both
    assert run_config("diff", "2", "1").stdout.splitlines() == ["hosts[main].port: 9000 -> 8743"]
    assert "same content" in run_config("diff", "3", "3").stdout


def test_a_changed_password_is_told_though_neither_is_kept_or_shown(run_config: Run, store: Store) -> None:
    set_password(run_config, "canary-old")
    set_password(run_config, "canary-new")
    run_config("set", "locale", "de-DE")
    assert "canary" not in str(list(store.database["config_history"].find()))
    assert "hosts[main].password: *** -> ***" in run_config("history").stdout
    assert "hosts[main].password" in run_config("diff", "2").stdout
    assert run_config("diff", "3").stdout.splitlines() == ["locale: en-GB -> de-DE"]


def test_going_back_keeps_the_present_password_where_the_history_has_none(
    run_config: Run, store: Store
) -> None:
    set_password(run_config, "canary-old")
    set_password(run_config, "canary-new")
    assert run_config("rollback", "2").exit_code == 0
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert found["hosts"][0]["password"] == "canary-new"
    assert run_config("rollback", "1").exit_code == 0  # which named a variable
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


def test_a_deleted_configuration_is_told_and_brought_back(run_config: Run, store: Store) -> None:
    run_config("set", "locale", "de-DE")
    store.database["config"].delete_one({"_id": "default"})
    for arguments in (("show",), ("get", "locale"), ("set", "locale", "ko-KR"), ("edit",)):
        result = run_config(*arguments)
        assert isinstance(result.exception, CannotStart)
        assert (result.exception.key, result.exception.facts["revision"]) == ("error.config_deleted", 2)
    assert store.database["config"].count_documents({}) == 0
    for arguments in (("history",), ("diff",)):
        result = run_config(*arguments)
        assert result.exit_code == 0
        assert "config rollback 2" in result.stderr
        assert "locale: en-GB -> de-DE" in result.stdout
    assert run_config("rollback", "2").exit_code == 0
    assert (config_of(store)["locale"], config_of(store)["revision"]) == ("de-DE", 3)
    assert run_config("history").stderr == ""
    run_config("set", "locale", "ko-KR")
    told = run_config("history").stdout
    assert [told.count(f"Revision {number},") for number in range(1, 5)] == [1, 1, 1, 1]


def test_a_profile_that_never_was_has_no_history(run_config: Run, store: Store) -> None:
    for name in ("config", "config_history"):
        store.database[name].delete_many({})
    for arguments in (("history",), ("rollback", "1"), ("show",)):
        result = run_config(*arguments)
        assert isinstance(result.exception, CannotStart)
        assert result.exception.key == "error.config_missing"


def test_a_setting_is_changed_beside_what_somebody_else_changes_at_the_same_moment(
    run_config: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(store, monkeypatch, {"$set": {"locale": "ko-KR"}, "$inc": {"revision": 1}}, times=2)
    assert run_config("set", "hosts[0].port", "9000").exit_code == 0
    found = config_of(store)
    assert (found["hosts"][0]["port"], found["locale"], found["revision"]) == (9000, "ko-KR", 4)


def test_a_setting_that_is_never_left_alone_is_given_up(
    run_config: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(store, monkeypatch, {"$inc": {"revision": 1}}, times=99)
    result = run_config("set", "hosts[0].port", "9000")
    assert isinstance(result.exception, ChangedMeanwhile)
    assert config_of(store)["hosts"][0]["port"] == 8743


@pytest.mark.parametrize(
    "arguments",
    [("rollback", "1"), ("set", "hosts[0].port", "9000")],
    ids=["rollback", "set of another host"],
)
def test_what_cannot_be_made_again_is_refused_where_somebody_changes_the_rest_meanwhile(
    run_config: Run, store: Store, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    interfere(store, monkeypatch, {"$set": {"hosts.0.name": "other"}})
    assert isinstance(run_config(*arguments).exception, ChangedMeanwhile)
    assert (config_of(store)["hosts"][0]["name"], config_of(store)["hosts"][0]["port"]) == ("other", 8743)


def test_an_edit_by_hand_is_told_as_such_and_stays_in_the_history(run_config: Run, store: Store) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {"locale": "de-DE"}})
    assert f"by {DIRECTLY}\n  locale: en-GB -> de-DE" in run_config("history").stdout
    run_config("set", "locale", "ko-KR")
    told = run_config("history").stdout
    assert f"by {DIRECTLY}\n  locale: en-GB -> de-DE" in told
    assert "locale: de-DE -> ko-KR" in told
    assert run_config("rollback", "2").exit_code == 0
    assert config_of(store)["locale"] == "de-DE"


@pytest.mark.parametrize(("field", "value"), [("revision", "abc"), ("updated_at", "2026-11-24")])
def test_bookkeeping_that_somebody_wrote_is_named_by_every_command(
    run_config: Run, store: Store, field: str, value: str
) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {field: value}})
    for arguments in (("history",), ("diff",), ("set", "locale", "de-DE"), ("rollback", "1")):
        result = run_config(*arguments)
        assert isinstance(result.exception, InvalidDocument), arguments
        assert (result.exception.facts["path"], result.exception.facts["value"]) == (field, json.dumps(value))


def test_the_same_value_again_makes_no_revision(run_config: Run, store: Store) -> None:
    before = config_of(store)
    for arguments in (("set", "locale", "en-GB"), ("set", "hosts[main].port", "8743"), ("rollback", "1")):
        result = run_config(*arguments)
        assert (result.exit_code, "Nothing has changed" in result.stdout) == (0, True)
    assert config_of(store) == before
    assert store.database["config_history"].count_documents({}) == 1


def test_an_edit_in_mongodb_has_no_number_before_it_is_counted(run_config: Run, store: Store) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 99999}})
    assert "No revision yet" in run_config("history").stdout
    assert "hosts[main].port: 8743 -> 99999" in run_config("diff").stdout
    assert run_config("rollback", "2").exception is not None
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 9000}})
    assert "99999" not in run_config("history").stdout
    run_config("set", "locale", "de-DE")
    told = run_config("history").stdout
    assert ("No revision yet" in told, told.count("Revision ")) == (False, 3)
    assert "8743 -> 9000" in run_config("diff", "1", "2").stdout
