"""`ipecs-mw config` on a real MongoDB."""

import json

import pytest
from config_scene import Run, config_of, set_password
from support import explain

from ipecs_mw.errors import CannotStart, InvalidDocument, IpecsMwError
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.server.connection import Store


def test_digits_are_text_where_the_setting_is_text(run_config: Run, seeded: Store) -> None:
    assert run_config("set", "numbers.country", "65").exit_code == 0
    assert run_config("set", "numbers.trunk_prefix", "9").exit_code == 0
    assert config_of(seeded)["numbers"] == {"country": "65", "trunk_prefix": "9"}
    assert run_config("set", "numbers.country", "999").exit_code != 0
    assert run_config("set", "events.retention_days", "30").exit_code == 0
    assert config_of(seeded)["events"]["retention_days"] == 30


def test_a_setting_is_read_with_its_default(run_config: Run) -> None:
    assert json.loads(run_config("get", "hosts[0].port").stdout) == 8743
    assert json.loads(run_config("get", "hosts[0].accounts").stdout) == []
    assert json.loads(run_config("get", "locale").stdout) == "en-GB"


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
    run_config: Run, store: Store, arguments: tuple[str, ...], names: tuple[str, ...]
) -> None:
    before = store.database["config"].find_one({"_id": "default"})
    result = run_config(*arguments)
    assert isinstance(result.exception, IpecsMwError)
    for name in names:
        assert name in str(result.exception)
    assert store.database["config"].find_one({"_id": "default"}) == before


GROUPS_TWICE = '{"620": {"name": "Sales"}, "621": {}, "620": {"name": "Support"}}'


@pytest.mark.parametrize("typed", [None, GROUPS_TWICE])
def test_a_group_that_is_configured_twice_is_refused_not_lost(
    run_config: Run, store: Store, typed: str | None
) -> None:
    before = config_of(store)
    result = run_config("set", "figures.groups", "-" if typed else GROUPS_TWICE, typed=typed)
    error = result.exception
    assert isinstance(error, InvalidDocument)
    assert error.facts["path"] == "620"
    assert "Support" in explain(error)
    assert config_of(store) == before


def test_a_password_that_is_written_out_is_shown_by_no_command(run_config: Run) -> None:
    secret = "canary-written-out"
    assert set_password(run_config, secret).exit_code == 0
    assert run_config("set", "locale", "ko-KR").exit_code == 0
    shown = [
        run_config(*arguments).output
        for arguments in (("show",), ("history",), ("get", "hosts"), ("get", "hosts[0].password"))
    ]
    assert secret not in "".join(shown)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hosts[0].password", "canary-argument"),
        ("hosts[0].password", '"canary-argument"'),
        ("hosts[0].accounts", '[{"user": "1001", "password": "canary-argument"}]'),
        ("hosts[0]", '{"name": "main", "password": "canary-argument"}'),
    ],
)
def test_a_password_on_the_command_line_is_refused(
    run_config: Run, store: Store, path: str, value: str
) -> None:
    before = config_of(store)
    result = run_config("set", path, value)
    assert isinstance(result.exception, InvalidDocument)
    sentence = shipped_texts("en-GB").explain(result.exception)
    for name in (path, '{"env": NAME}', '{"file": PATH}', "ipecs-mw secret set", "standard input"):
        assert name in sentence
    assert "canary" not in sentence
    assert config_of(store) == before


@pytest.mark.parametrize("form", [{"env": "OTHER"}, {"file": "/run/secrets/ipecs"}])
def test_where_a_password_is_may_be_said_on_the_command_line(
    run_config: Run, store: Store, form: dict[str, str]
) -> None:
    assert run_config("set", "hosts[0].password", json.dumps(form)).exit_code == 0
    assert config_of(store)["hosts"][0]["password"] == form


def test_a_value_is_read_from_standard_input(run_config: Run, store: Store) -> None:
    assert run_config("set", "locale", "-", typed="de-DE\n").exit_code == 0
    assert run_config("set", "events", "-", typed='{"retention_days":\n 30}\n').exit_code == 0
    assert run_config("set", "hosts[0].password", "-", typed="12345\n").exit_code == 0
    found = config_of(store)
    assert (found["locale"], found["events"], found["hosts"][0]["password"]) == (
        "de-DE",
        {"retention_days": 30},
        "12345",
    )
    empty = run_config("set", "hosts[0].password", "-", typed="\n").exception
    assert isinstance(empty, CannotStart)
    assert empty.key == "error.secret_empty"


def test_what_diff_and_history_print_is_what_get_and_set_read(run_config: Run, store: Store) -> None:
    run_config("set", "hosts[main].accounts", '[{"user": "1001", "password": {"env": "A"}}]')
    for path, value in (
        ("hosts[main].tls.ca_file", "/etc/ca.pem"),
        ("hosts[main].accounts[1001].password", '{"file": "/x"}'),
        ("events.retention_days_by_kind.call", "7"),
        ("hosts[0].version", "v2"),
    ):
        assert run_config("set", path, value).exit_code == 0
        printed = run_config("diff").stdout.partition(": ")[0]
        assert run_config("get", path).exit_code == 0
        assert path.replace("[0]", "[main]").startswith(printed) or printed.startswith(path)
        assert printed in run_config("history").stdout
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
def test_a_path_that_is_not_there_is_wrong_usage_that_names_what_is(
    run_config: Run, path: str, names: str
) -> None:
    error = run_config("get", path).exception
    assert isinstance(error, IpecsMwError)
    assert (error.exit_code, names in explain(error)) == (2, True)


def test_values_are_shown_in_words_and_as_set_reads_them(run_config: Run) -> None:
    run_config("set", "hosts[main].tls", '{"verify": "off"}')
    shown = run_config("diff").stdout
    assert "hosts[main].tls.verify: ca -> off" in shown
    assert "hosts[main].tls.ca_file: null -> (not set)" in shown
    assert "None" not in shown
    run_config("set", "hosts[main].user", '"123"')
    assert 'user: apiuser -> "123"' in run_config("diff").stdout


def test_a_phone_system_is_added_and_dropped_after_a_question(run_config: Run, store: Store) -> None:
    settings = [
        "address=192.0.2.20",
        "user=other",
        "timezone=Europe/Berlin",
        'password={"env": "B"}',
        "tls.verify=off",
    ]
    assert run_config("host", "add", "branch", *settings).exit_code == 0
    assert [host["name"] for host in config_of(store)["hosts"]] == ["main", "branch"]
    assert config_of(store)["hosts"][1]["tls"] == {"verify": "off"}
    for arguments in (
        ("host", "remove", "branch"),
        ("set", "hosts", "[]"),
        ("rollback", "1"),
        ("set", "hosts[branch].name", "other"),
    ):
        refused = run_config(*arguments, typed="n\n")
        assert (refused.exit_code, "branch" in refused.stderr) == (1, True), arguments
        assert len(config_of(store)["hosts"]) == 2
    assert run_config("host", "remove", "branch", typed="y\n").exit_code == 0
    assert [host["name"] for host in config_of(store)["hosts"]] == ["main"]
    assert run_config("set", "hosts", "[]", "--yes").exit_code == 0
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
    run_config: Run, store: Store, arguments: tuple[str, ...], code: int, names: tuple[str, ...]
) -> None:
    before = config_of(store)
    result = run_config("host", *arguments)
    told, found = result.output, result.exit_code
    if isinstance(result.exception, IpecsMwError):
        told, found = explain(result.exception), result.exception.exit_code
    assert found == code
    for name in names:
        assert name in told
    assert "canary" not in told
    assert config_of(store) == before
