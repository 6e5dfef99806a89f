"""What a person got wrong before the first connection: the sentence names the place, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ipecs_mw.cli import cli
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.server.connection import Store

SECRET = "canary-in-the-configuration"


@pytest.fixture
def run(seeded: Store, mongo_uri: str, tmp_path: Path) -> Callable[[], tuple[int, str]]:
    """Runs the daemon on a seeded database and gives the exit code and the sentence of its error."""
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps({"mongo_uri": mongo_uri}))

    def invoke() -> tuple[int, str]:
        options = ["--bootstrap", str(bootstrap), "--state-dir", str(tmp_path / "state")]
        result = CliRunner(env={"IPECS_PASSWORD": ""}).invoke(cli, [*options, "run"])
        assert isinstance(result.exception, IpecsMwError), result.output
        sentence = shipped_texts("en-GB").explain(result.exception)
        assert SECRET not in sentence + result.output
        return result.exception.exit_code, sentence

    return invoke


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"$set": {"hosts.0.port": 99999}}, ("hosts[0].port", "99999", "65535")),
        ({"$set": {"hosts.0.port": "8743"}}, ("hosts[0].port", '"8743"', "a whole number")),
        (
            {"$set": {"hosts.0.timezone": "Asia/Atlantis"}},
            ("hosts[0].timezone", "Asia/Atlantis", "Asia/Singapore"),
        ),
        ({"$set": {"hosts.0.prot": 1}}, ("hosts[0].prot", "port")),
        ({"$set": {"locales": "de-DE"}}, ("locales", "locale")),
        ({"$set": {"locale": "deutsch"}}, ("locale", "deutsch")),
        ({"$set": {"hosts": "main"}}, ("hosts", "list")),
        ({"$unset": {"hosts": 1}}, ("hosts",)),
        ({"$unset": {"hosts.0.user": 1}}, ("hosts[0].user",)),
        ({"$set": {"hosts.0.password": {"environment": SECRET}}}, ("hosts[0].password",)),
        ({"$set": {"hosts.0.password": {"env": "A", "file": "B"}}}, ("hosts[0].password", "exactly one")),
        ({"$set": {"hosts.0.tls.verify": "yes"}}, ("hosts[0].tls.verify", '"yes"', "pin")),
        ({"$set": {"hosts.0.tls.verify": "pin"}}, ("hosts[0].tls.fingerprint_sha256",)),
        ({"$set": {"hosts.0.monitor": ["1099-1000"]}}, ("hosts[0].monitor[0]", "1099-1000")),
        ({"$set": {"hosts.0.monitor": [1000]}}, ("hosts[0].monitor[0]", "1000", "an extension")),
        ({"$set": {"events.retention_days": 0}}, ("events.retention_days", "0", "24855")),
        ({"$set": {"logging.level": "LOUD"}}, ("logging.level", "LOUD", "WARNING")),
        ({"$set": {"logging.file": "/proc/no/such/file"}}, ("/proc/no/such/file", "logging.file")),
    ],
)
def test_a_wrong_configuration_is_refused_by_field_value_and_what_is_allowed(
    run: Callable[[], tuple[int, str]], store: Store, change: dict[str, Any], names: tuple[str, ...]
) -> None:
    store.database["config"].update_one({"_id": "default"}, change)
    code, sentence = run()
    assert code == 3
    for name in names:
        assert name in sentence
    assert store.database["events"].count_documents({}) == 0


def test_two_hosts_of_one_name_are_refused(run: Callable[[], tuple[int, str]], store: Store) -> None:
    config = store.database["config"].find_one({"_id": "default"})
    assert config is not None
    store.database["config"].update_one({"_id": "default"}, {"$push": {"hosts": config["hosts"][0]}})
    code, sentence = run()
    assert (code, "hosts[1].name" in sentence) == (3, True)


def test_a_secret_whose_variable_is_missing_is_named(run: Callable[[], tuple[int, str]]) -> None:
    code, sentence = run()
    assert code == 3
    assert "IPECS_PASSWORD" in sentence
    assert "hosts[0].password" in sentence


def test_a_secret_whose_file_is_missing_is_named(run: Callable[[], tuple[int, str]], store: Store) -> None:
    password = {"file": "/no/such/secret"}
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.password": password}})
    code, sentence = run()
    assert (code, "/no/such/secret" in sentence) == (3, True)


@pytest.mark.parametrize("collection", ["config", "languages", "commands", "codes"])
def test_what_was_never_seeded_says_how_to_seed(
    run: Callable[[], tuple[int, str]], store: Store, collection: str
) -> None:
    for name in (collection, "config_history"):
        store.database[name].delete_many({})
    code, sentence = run()
    assert code == 3
    assert "ipecs-mw seed" in sentence


def test_a_definition_that_leaves_the_base_uri_is_refused(
    run: Callable[[], tuple[int, str]], store: Store
) -> None:
    path = "https://elsewhere.example/{user}"
    store.database["commands"].update_one({"_id": "call.make"}, {"$set": {"path": path}})
    code, sentence = run()
    assert code == 3
    assert "call.make" in sentence
    assert "path" in sentence


def test_a_schema_of_a_newer_version_is_not_touched(run: Callable[[], tuple[int, str]], store: Store) -> None:
    newer = {"_id": 9999, "name": "future", "state": "done", "checksum": "x"}
    store.database["migrations"].insert_one(newer)
    code, sentence = run()
    assert code == 3
    assert "9999" in sentence


@pytest.mark.parametrize(
    ("field", "value"),
    [("revision", "abc"), ("updated_at", "yesterday"), ("hosts.0.password", {"file": "a\0b"})],
)
def test_what_no_setting_may_be_is_named_and_no_traceback(
    run: Callable[[], tuple[int, str]], store: Store, field: str, value: Any
) -> None:
    store.database["config"].update_one({"_id": "default"}, {"$set": {field: value}})
    code, sentence = run()
    assert code == 3
    assert field.replace(".0", "[0]") in sentence
    assert "config/default" in sentence


def test_a_deleted_configuration_is_restored_by_what_the_sentence_says(
    run: Callable[[], tuple[int, str]], store: Store
) -> None:
    store.database["config"].delete_many({})
    code, sentence = run()
    assert code == 3
    assert "config rollback 1" in sentence
    assert "seed" not in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("config", "show"),
        ("config", "set", "locale", "de-DE"),
        ("config", "host", "remove", "main"),
        ("trust", "main"),
        ("secret", "set", "main"),
        ("run",),
        ("check",),
        ("check", "--format", "json"),
        ("check", "--no-login"),
    ],
)
def test_a_profile_that_is_not_there_is_wrong_usage_that_lists_those_that_are(
    run: Callable[[], tuple[int, str]], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    options = ["--bootstrap", str(tmp_path / "bootstrap.json"), "--state-dir", str(tmp_path / "state")]
    result = CliRunner().invoke(cli, [*options, "--profile", "nosuch", *arguments])
    assert isinstance(result.exception, IpecsMwError), result.output
    assert result.exception.exit_code == 2
    assert "default" in shipped_texts("en-GB").explain(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        ["calls", "--number", ""],
        ["calls", "--station", " "],
        ["call", ""],
        ["live", "--group", ""],
        ["missed", "list", "--owner", ""],
        ["missed", "close", ""],
        ["events", "--type", ""],
        ["events", "--host", "\t"],
        ["smdr", "--number", ""],
        ["rebuild", "--host", ""],
    ],
)
def test_a_blank_name_is_wrong_usage_and_not_looked_for(words: list[str]) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "This is blank. Give a value, or leave it out." in result.output
