"""`ipecs-mw support`: what helps is in the file, and no secret is, wherever it stood before."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sites import PASSWORD, Site, is_up, ring, wait_until

from ipecs_mw.cli import cli
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.server.embedded import Embedded

Invoke = Callable[..., Result]
CANARIES = {
    "plain": "canary-written-out",
    "variable": PASSWORD,
    "file": 'canary-"in\\a-file/ä',
    "station": "canary-of-a-station",
    "lease": "canary-token-in-a-lease",
    "token": "canary-token-in-a-file",
    "former": "canary-in-the-history",
}


def read_all(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_secret_is_in_the_file_however_many_places_held_it(
    site: Site, simulated: SimulatedHost, mongo: Embedded, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", PASSWORD)
    (site.folder / "secret").write_text(CANARIES["file"])
    (site.folder / "state").mkdir(mode=0o700)
    (site.folder / "state" / "host-x.token").write_text(json.dumps({"token": CANARIES["token"]}))
    log = site.folder / "daemon.log"
    log.write_text(
        "".join(f"a line with {secret} of long ago\n" for secret in CANARIES.values()) + "the end\n"
    )
    site.configure(simulated, password=CANARIES["former"])
    site.configure(
        simulated,
        password=CANARIES["plain"],
        accounts=[
            {"user": "1001", "password": CANARIES["station"]},
            {"user": "1002", "password": {"file": str(site.folder / "secret")}},
            {"user": "1003", "password": {"env": "CANARY"}},
        ],
    )
    database = site.store.database
    database["config"].update_one({}, {"$set": {"logging": {"file": str(log)}}})
    database["leases"].insert_one({"_id": "account:x", "note": {"token": CANARIES["lease"]}})
    file = site.folder / "support.zip"
    result = invoke("support", "--output", str(file))
    assert result.exit_code == 0, (result.output, result.exception)
    parts = read_all(file)
    whole = "".join(parts.values())
    for where, secret in CANARIES.items():
        if where != "former":  # of which nothing is known any more but what the log says
            assert secret not in whole, where
            assert json.dumps(secret)[1:-1] not in whole, where
    assert mongo.access.password not in whole
    assert CANARIES["former"] not in "".join(text for name, text in parts.items() if name != "log.txt")
    assert parts["log.txt"].rstrip().endswith("the end")
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_helps_is_in_the_file(site: Site, simulated: SimulatedHost, invoke: Invoke) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site), 60)
    simulated.send(ring(1))
    wait_until(lambda: site.count(call_ref=1), 60)
    file = site.folder / "support.zip"
    assert invoke("support", "--output", str(file)).exit_code == 0
    parts = {name: json.loads(text) for name, text in read_all(file).items()}
    assert parts["versions.json"]["packages"]["pymongo"]
    assert parts["configuration.json"][0]["hosts"][0]["name"] == "host0"
    assert parts["instances.json"][0]["hosts"]["host0"]["state"] == "up"
    assert [row[2] for row in parts["migrations.json"]] == ["done"] * len(parts["migrations.json"])
    assert "newest" in parts["database.json"]["events"]["indexes"]
    assert {"figures", "figure_days", "alarms"} <= parts["database.json"].keys()
    assert parts["database.json"]["events"]["bytes"]["documents"] > 0
    assert "host-host0.journal" in parts["state.json"]["files"]
    assert parts["readers.json"]["readers"][0]["_id"] == "calls"
    assert {event["type"] for event in parts["system-events.json"]} >= {"daemon_started", "session_up"}
    assert "session_up" in {finding["check"] for finding in parts["check.json"]}
    process.terminate()
    assert process.wait(60) == 0


def test_without_mongodb_the_file_says_so_and_holds_the_rest(tmp_path: Path) -> None:
    bootstrap, file = tmp_path / "bootstrap.json", tmp_path / "support.zip"
    bootstrap.write_text(json.dumps({"mongo_uri": "mongodb://user:canary-word@127.0.0.1:1/x"}))
    options = ["--bootstrap", str(bootstrap), "--state-dir", str(tmp_path / "none")]
    assert CliRunner().invoke(cli, [*options, "support", "--output", str(file)]).exit_code == 0
    parts = read_all(file)
    assert "canary-word" not in "".join(parts.values())
    assert "MongoDB does not answer" in parts["mongodb.txt"]
    assert json.loads(parts["check.json"])[0]["level"] == "error"
    assert json.loads(parts["versions.json"])["python"]


@pytest.mark.parametrize("sign", ["?", "/", "@", " ", "#", "+"])
@pytest.mark.parametrize("command", ["support", "check", "status", "run"])
def test_no_part_of_a_password_with_signs_of_a_uri_is_shown_by_any_command(
    tmp_path: Path, sign: str, command: str
) -> None:
    bootstrap, file = tmp_path / "bootstrap.json", tmp_path / "support.zip"
    bootstrap.write_text(json.dumps({"mongo_uri": f"mongodb://user:first-half{sign}second-half@127.0.0.1/"}))
    options = ["--bootstrap", str(bootstrap), "--state-dir", str(tmp_path / "none")]
    more = ["--output", str(file)] if command == "support" else []
    result = CliRunner().invoke(cli, [*options, command, *more])
    shown = result.output + str(result.exception) + "".join(read_all(file).values() if more else ())
    assert "half" not in shown
    assert "mongo_uri" in shown


def test_a_file_that_is_there_is_not_overwritten(site: Site, invoke: Invoke) -> None:
    file = site.folder / "kept"
    file.write_text("kept")
    result = invoke("support", "--output", str(file))
    assert isinstance(result.exception, IpecsMwError)
    assert file.read_text() == "kept"
