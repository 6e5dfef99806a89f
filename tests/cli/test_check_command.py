"""`ipecs-mw check` on real servers: what is wrong is found, named, and has advice; nothing is changed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sites import PASSWORD, Site, is_up, kill, wait_until

from ipecs_mw.cli import cli
from ipecs_mw.seeds import shipped_strings
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.simulator.host.exchange import Exchange

Invoke = Callable[..., Result]


@pytest.fixture
def configured(site: Site, simulated: SimulatedHost, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("CANARY", PASSWORD)
    site.configure(simulated)
    return site


def check(invoke: Invoke) -> dict[str, Any]:
    """Return the findings by name."""
    return {finding["check"]: finding for finding in json.loads(invoke("check", "--format", "json").stdout)}


def errors(found: dict[str, Any]) -> list[str]:
    return [name for name, finding in found.items() if finding["level"] == "error"]


def test_all_is_well_where_all_is_there(configured: Site, simulated: SimulatedHost, invoke: Invoke) -> None:
    result = invoke("check")
    assert result.exit_code == 0, result.output
    found = check(invoke)
    assert errors(found) == []
    for name in (
        "bootstrap", "version", "replica_set", "server_clock", "write", "schema", "configuration", "texts",
        "definitions", "secret", "reachable", "certificate", "login", "smdr", "cti",
        "monitor_accepted", "presence_accepted",
    ):  # fmt: skip
        assert found[name]["level"] == "ok", found.get(name)
    assert PASSWORD not in result.output
    assert not simulated.sessions  # logged out again


def test_a_profile_that_keeps_events_longer_for_all_is_named(configured: Site, invoke: Invoke) -> None:
    assert "retention_longer" not in check(invoke)
    configured.store.database["config"].insert_one({"_id": "night", "events": {"retention_days": None}})
    found = check(invoke)["retention_longer"]
    assert found["level"] == "warning"
    assert "night" in found["text"]
    assert found["advice"]


def test_every_finding_reads_well_in_every_language(configured: Site, invoke: Invoke) -> None:
    keys = [key for key in shipped_strings()["en-GB"] if key.startswith("advice.")]
    assert all(f"check.{key.removeprefix('advice.')}" in shipped_strings()["en-GB"] for key in keys)
    for finding in check(invoke).values():
        assert finding["text"]
        assert "{" not in finding["text"]


@pytest.mark.parametrize(("licence", "told"), [("API-SMDR", "API-SMDR"), ("API-CTI", "API-CTI")])
def test_a_missing_licence_is_named(
    configured: Site, simulated: SimulatedHost, invoke: Invoke, licence: str, told: str
) -> None:
    simulated.set_licence(licence, is_there=False)
    found = check(invoke)
    assert "licence_missing" in errors(found)
    assert told in found["licence_missing"]["text"]
    assert "resources" in found["licence_missing"]["advice"]


def test_a_wrong_password_is_tried_once_and_told(
    configured: Site, simulated: SimulatedHost, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "wrong")
    result = invoke("check")
    assert result.exit_code == 1
    assert "refuses the user" in result.output


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"port": 1}, "unreachable"),
        ({"tls": {"verify": "ca"}}, "certificate_untrusted"),
        ({"tls": {"verify": "pin", "fingerprint_sha256": "ab" * 32}}, "certificate_changed"),
        ({"password": {"env": "NOT_THERE"}}, "secret_missing"),
        ({"password": {"file": "/not/there"}}, "secret_missing"),
    ],
)
def test_what_keeps_us_from_a_host_is_an_error_with_advice(
    configured: Site, simulated: SimulatedHost, invoke: Invoke, changes: dict[str, Any], name: str
) -> None:
    configured.configure(simulated, **changes)
    found = check(invoke)
    assert errors(found) == [name]
    assert found[name]["advice"]
    assert invoke("check").exit_code == 1


def test_a_broken_key_file_has_advice_of_its_own(configured: Site, invoke: Invoke) -> None:
    assert invoke("secret", "set", "host0", input=f"{PASSWORD}\n").exit_code == 0
    (configured.folder / "state" / "secret.key").write_bytes(b"abc")
    found = check(invoke)
    assert errors(found) == ["secret_locked"]
    assert "secret.key" in found["secret_locked"]["text"]
    assert "key file" in found["secret_locked"]["advice"]


def test_what_is_only_unwise_is_a_warning(configured: Site, simulated: SimulatedHost, invoke: Invoke) -> None:
    configured.configure(simulated, tls={"verify": "off"}, password=PASSWORD)
    found = check(invoke)
    assert errors(found) == []
    assert {found["certificate_unverified"]["level"], found["secret_plain"]["level"]} == {"warning"}


def test_extensions_that_the_host_refuses_are_named(
    configured: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    configured.configure(simulated, monitor=["1000-1001", "7777"])
    found = check(invoke)
    assert found["monitor_refused"]["level"] == "warning"
    assert "7777" in found["monitor_refused"]["text"]


def test_a_schema_that_is_behind_and_texts_that_are_wrong_are_told(configured: Site, invoke: Invoke) -> None:
    database = configured.store.database
    database["migrations"].delete_one({"_id": 2})
    database["languages"].update_one({"_id": "en-GB:cli.status.none"}, {"$set": {"text": "{nothing}"}})
    found = check(invoke)
    assert found["schema_pending"]["level"] == "warning"
    assert "cli.status.none" in found["texts_refused"]["text"]


def test_a_configuration_that_is_wrong_is_told_with_its_field(configured: Site, invoke: Invoke) -> None:
    configured.store.database["config"].update_one({}, {"$set": {"hosts.0.port": 99999}})
    found = check(invoke)
    assert errors(found) == ["configuration_wrong"]
    assert "hosts[0].port" in found["configuration_wrong"]["text"]


@pytest.mark.parametrize(("has_reference", "name"), [(True, "call_tracking"), (False, "call_tracking_off")])
def test_a_switch_that_is_off_at_the_host_is_seen_in_its_newest_call_record(
    configured: Site, simulated: SimulatedHost, invoke: Invoke, has_reference: bool, name: str
) -> None:
    def add(exchange: Exchange) -> None:
        record = exchange.pbx.records.add(
            call_ref=1,
            station="1000",
            trunk="001",
            began_at=datetime.now(UTC),
            duration_seconds=9,
            direction="O",
            numbers=("0123", ""),
            account="",
            cause=16,
        )
        if not has_reference:
            del record["callRefID"]

    simulated.operate(add)
    assert name in check(invoke)


@pytest.mark.parametrize(
    ("ahead", "name"), [(5, "host_clock"), (-300, "host_clock_off"), (7 * 3600, "host_zone_off")]
)
def test_the_clock_of_a_host_is_judged_by_its_newest_acd_event(
    configured: Site, invoke: Invoke, ahead: int, name: str
) -> None:
    now = datetime.now(UTC)
    event = {"_id": "x", "host": "host0", "kind": "acd", "type": "time_date", "received_at": now}
    configured.store.database["events"].insert_one({**event, "at": now + timedelta(seconds=ahead)})
    assert name in check(invoke)


def test_a_daemon_that_runs_is_asked_instead_of_logging_in(
    configured: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    configured.start()
    wait_until(lambda: is_up(configured), 60)
    instances = configured.store.database["instances"]
    wait_until(lambda: instances.find_one({"hosts.host0.monitors.presence.accepted": 10}), 60)
    simulated.set_licence("API-SMDR", is_there=False)
    beside = {"_id": "beside", "profile": "default", "state": "running"}
    standing_by = {"host0": {"state": "standing_by"}}
    instances.insert_one({**beside, "heartbeat_at": datetime.now(UTC), "hosts": standing_by})
    found = check(invoke)
    assert "login" not in found
    assert found["session_up"]["level"] == "ok"
    assert found["licence_missing"]["facts"]["licence"] == "API-SMDR"
    assert found["monitor_accepted"]["facts"]["count"] == 10
    assert found["reader"]["level"] == "ok"
    assert is_up(configured)


def test_no_mongodb_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": "mongodb://127.0.0.1:1/x"}))
    result = CliRunner().invoke(cli, ["--bootstrap", str(file), "check"])
    assert result.exit_code == 1
    assert "MongoDB does not answer" in result.output


def test_a_server_without_password_and_replica_set_is_warned_about(
    standalone_store: Any, standalone_uri: str, tmp_path: Path
) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": standalone_uri + standalone_store.database.name}))
    result = CliRunner().invoke(cli, ["--bootstrap", str(file), "check"])
    assert "standalone" in result.output
    assert "asks for no password" in result.output
    assert "ipecs-mw seed" in result.output


def test_an_account_in_use_is_told_from_a_wrong_password(
    site: Site, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", PASSWORD)
    with SimulatedHost(accounts=(Account("apiuser", PASSWORD),), is_scripted=False) as host:
        site.configure(host)
        process = site.start()
        wait_until(lambda: is_up(site), 60)
        kill(process)  # leaves its session at the host
        site.store.database["instances"].delete_many({})
        assert errors(check(invoke)) == ["account_held"]
