"""`ipecs-mw secret`: set, rotated, and what the daemon does with it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fault_proxy import FaultProxy
from sites import PASSWORD, Site, is_up, kill, ring, wait_until

from ipecs_mw.errors import CannotStart, NoSuchName, StoreRefused
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.master_key import make_key
from ipecs_mw.store.schema.examination import STORED

Invoke = Callable[..., Result]


@pytest.fixture
def key_file(site: Site) -> Path:
    return site.folder / "state" / "secret.key"


def set_password(invoke: Invoke, *arguments: str) -> Result:
    result = invoke("secret", "set", "host0", *arguments, input=f"{PASSWORD}\n")
    assert PASSWORD not in result.output
    return result


def stored(site: Site) -> Any:
    document = site.store.database["config"].find_one({"_id": "default"})
    assert document is not None
    return document["hosts"][0]


def find_reason(site: Site) -> str:
    """Return why the host needs attention, empty while it does not."""
    wanted = {"hosts.host0.state": "needs_attention"}
    found = site.store.database["instances"].find_one(wanted, {"hosts.host0.reason": True})
    return str(found["hosts"]["host0"].get("reason", "")) if found else ""


def everything_kept(site: Site) -> bytes:
    """Return all that stands in the database, in local state and in the logs."""
    database = site.store.database
    documents = [list(database[name].find()) for name in database.list_collection_names(filter=STORED)]
    files = [file.read_bytes() for file in sorted(site.folder.rglob("*")) if file.is_file()]
    return b"\n".join([repr(documents).encode(), *files])


def test_a_password_that_is_set_lets_the_daemon_in_and_stands_nowhere(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path
) -> None:
    site.configure(simulated)
    result = set_password(invoke)
    assert result.exit_code == 0, (result.output, result.exception)
    assert str(key_file) in result.output
    assert set(stored(site)["password"]) == {"encrypted"}
    process = site.start(CANARY="")
    wait_until(lambda: is_up(site), 60)
    simulated.send(ring(4711))
    wait_until(lambda: site.count(call_ref=4711), 60)
    process.terminate()
    assert process.wait(60) == 0
    kept = everything_kept(site)
    assert b"session.up" in kept
    assert PASSWORD.encode() not in kept


def test_commands_that_log_in_by_themselves_open_the_password_too(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    set_password(invoke)
    sent = invoke("send", "--direct", "terminals.get", "startIndex=1", "count=1")
    assert sent.exit_code == 0, (sent.output, sent.exception)
    checked = json.loads(invoke("check", "--format", "json").stdout)
    assert {"secret", "login"} <= {found["check"] for found in checked if found["where"] == "host0"}


def test_a_daemon_takes_an_encrypted_password_while_it_runs_and_stays_up_while_the_key_is_rotated(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path
) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site), 60)
    set_password(invoke)
    wait_until(lambda: site.count(type="session_up") == 2, 60)
    former = key_file.read_bytes()
    result = invoke("secret", "rotate")
    assert result.exit_code == 0, (result.output, result.exception)
    assert key_file.read_bytes() != former
    simulated.send(ring(4712))
    wait_until(lambda: site.count(call_ref=4712), 60)
    assert process.poll() is None
    assert site.count(type="session_up") == 2
    process.terminate()
    process.wait(30)
    site.start(CANARY="")
    wait_until(lambda: site.count(type="session_up") == 3, 60)


def test_a_wrong_key_file_has_the_host_wait_for_the_right_one_without_a_restart(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path
) -> None:
    site.configure(simulated)
    set_password(invoke)
    right = key_file.rename(key_file.with_name("right"))
    make_key(key_file)
    process = site.start()
    reason = wait_until(lambda: find_reason(site), 60)
    assert "config/default hosts[0].password" in reason
    assert f"{key_file} holds the wrong key" in reason
    assert invoke("config", "set", "events.retention_days", "30").exit_code == 0
    wait_until(lambda: site.count(type="config_changed"), 60)  # which has nothing to do with it
    right.replace(key_file)
    wait_until(lambda: is_up(site), 60)
    assert process.poll() is None


def test_a_password_that_the_daemon_cannot_open_leaves_its_session_up_until_the_key_file_is_there(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path
) -> None:
    site.configure(simulated)
    site.start(IPECS_MW_KEY_FILE=str(site.folder / "elsewhere.key"))
    wait_until(lambda: is_up(site), 60)
    set_password(invoke)
    wait_until(lambda: site.count(type="config_refused"), 60)
    assert is_up(site)
    (site.folder / "elsewhere.key").write_bytes(key_file.read_bytes())
    wait_until(lambda: site.count(type="config_changed"), 60)
    wait_until(lambda: site.count(type="session_up") == 2, 60)
    assert site.count(type="config_refused") == 1


def test_a_start_without_mongodb_waits_with_a_clear_message_until_the_password_can_be_opened(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    set_password(invoke)
    process = site.start()
    wait_until(lambda: is_up(site), 60)
    process.terminate()
    process.wait(30)
    bootstrap = site.folder / "bootstrap.json"
    uri = json.loads(bootstrap.read_text())["mongo_uri"]
    port = int(uri.rpartition("/")[0].rpartition(":")[2])
    with FaultProxy(port) as proxy:
        proxy.is_refusing = True
        bootstrap.write_text(json.dumps({"mongo_uri": uri.replace(f":{port}/", f":{proxy.port}/")}))
        process = site.start()
        said = "hosts[0].password: MongoDB is away, and it holds the key of this encrypted secret"
        wait_until(lambda: said in site.logged(), 60)
        proxy.is_refusing = False
        wait_until(lambda: site.count(type="session_up") == 2, 60)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0


def test_a_password_is_typed_twice_and_not_shown(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        site.command("secret", "set", "host0"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        for _ in range(2):
            while not shown.endswith(b": "):
                shown += os.read(ours, 1000)
            os.write(ours, f"{PASSWORD}\n".encode())
            shown += os.read(ours, 1000)
        with suppress(OSError):  # how a terminal ends
            while more := os.read(ours, 1000):
                shown += more
        assert process.wait(60) == 0, shown
    finally:
        kill(process)
        os.close(ours)
    assert PASSWORD.encode() not in shown
    assert set(stored(site)["password"]) == {"encrypted"}


def test_the_password_of_a_station_account_is_set_by_its_user(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated, accounts=[{"user": "1001", "password": {"env": "STATION"}}])
    assert set_password(invoke, "--account", "1001").exit_code == 0
    assert set(stored(site)["accounts"][0]["password"]) == {"encrypted"}
    assert stored(site)["password"] == {"env": "CANARY"}
    result = set_password(invoke, "--account", "1002")
    assert isinstance(result.exception, NoSuchName)
    assert result.exception.facts == {"account": "1002", "host": "host0", "allowed": "1001"}


def test_the_password_of_the_mail_server_is_set_without_a_host(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    refused = invoke("secret", "set", "--mail", input="canary-mail-1\n")
    assert isinstance(refused.exception, CannotStart)
    mail = {"server": "mx", "sender": "a@b.example", "user": "u", "password": {"env": "X"}}
    assert invoke("config", "set", "mail", json.dumps(mail)).exit_code == 0
    result = invoke("secret", "set", "--mail", input="canary-mail-1\n")
    assert result.exit_code == 0, result.output
    document = site.store.database["config"].find_one({"_id": "default"})
    assert set(document["mail"]["password"]) == {"encrypted"}
    assert b"canary-mail-1" not in everything_kept(site)


@pytest.mark.parametrize("arguments", [(), ("host0", "--mail"), ("--mail", "--account", "1")])
def test_whose_password_it_is_has_to_be_clear(invoke: Invoke, site: Site, arguments: tuple[str, ...]) -> None:
    result = invoke("secret", "set", *arguments, input="x\n")
    assert result.exit_code == 2
    assert "--mail" in result.output


def test_former_revisions_keep_what_is_encrypted_and_nobody_is_shown_it(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    set_password(invoke)
    first = stored(site)["password"]
    set_password(invoke)
    second = stored(site)["password"]
    assert first != second
    shown = "".join(invoke("config", name).output for name in ("show", "history", "diff"))
    assert first["encrypted"] not in shown
    assert second["encrypted"] not in shown
    assert "hosts[host0].password.encrypted: *** -> ***" in shown
    revision = site.store.database["config"].find_one({})["revision"]  # type: ignore[index]
    assert invoke("config", "set", "hosts[0].port", "9000").exit_code == 0
    assert stored(site)["password"] == second
    assert invoke("config", "rollback", str(revision - 1)).exit_code == 0
    assert stored(site)["password"] == first


@pytest.mark.parametrize(
    ("host", "given", "key"),
    [
        ("host0", "", "error.secret_empty"),
        ("host0", "\n", "error.secret_empty"),
        ("host0", b"caf\xe9\n", "error.secret_empty"),
        ("host1", "x\n", "error.host_unknown"),
    ],
)
def test_what_cannot_be_set_changes_nothing(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path, host: str, given: Any, key: str
) -> None:
    site.configure(simulated)
    result = invoke("secret", "set", host, input=given)
    assert isinstance(result.exception, CannotStart | NoSuchName)
    assert result.exception.key == key
    assert stored(site)["password"] == {"env": "CANARY"}
    assert not key_file.exists()


def test_without_the_extra_it_is_named(site: Site, simulated: SimulatedHost, invoke: Invoke) -> None:
    site.configure(simulated)
    set_password(invoke)
    (site.folder / "hiding").mkdir()
    (site.folder / "hiding" / "pymongocrypt.py").write_text("raise ImportError")
    path = os.pathsep.join([str(site.folder / "hiding"), os.environ.get("PYTHONPATH", "")])
    result = site.run("check", "--no-login", PYTHONPATH=path)
    assert "pip install 'ipecs-mw[encryption]'" in result.stdout, result.stderr
    assert "Traceback" not in result.stderr


def test_a_service_that_may_not_have_the_memory_it_takes_is_told_what_to_allow(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    confine = "import ctypes, os, sys; sys.exit(77) if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) else 0; "
    confine += "os.execv(sys.argv[1], sys.argv[1:])"  # what systemd's MemoryDenyWriteExecute does
    site.configure(simulated)
    set_password(invoke)
    command = [sys.executable, "-c", confine, *site.command("check", "--no-login")]
    environment = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode == 77:
        pytest.skip("this kernel cannot deny such memory")
    assert "MemoryDenyWriteExecute=no" in result.stdout, result.stderr
    assert "Traceback" not in result.stderr


def test_another_password_is_told_as_a_change_and_not_shown(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    set_password(invoke)
    site.start()
    wait_until(lambda: is_up(site), 60)
    set_password(invoke)
    changed = wait_until(lambda: site.store.database["events"].find_one({"type": "config_changed"}), 60)
    assert changed["data"]["changes"] == "hosts[host0].password.encrypted: *** -> ***"


def test_without_the_extra_nothing_is_made_and_the_next_call_warns_of_the_key_file(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.configure(simulated)
    before = stored(site)
    with monkeypatch.context() as without:
        without.setattr("ipecs_mw.store.configuration.encryption.find_spec", lambda _: None)
        error = set_password(invoke).exception
    assert isinstance(error, CannotStart)
    assert error.key == "error.encryption_missing"
    assert (key_file.exists(), stored(site)) == (False, before)
    assert str(key_file) in set_password(invoke).output


def test_a_key_file_that_served_nothing_is_not_left_behind(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.configure(simulated)

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreRefused("error.mongo_refused", reason="no right")

    with monkeypatch.context() as refusing:
        refusing.setattr("ipecs_mw.store.configuration.encryption._open_encryption", refuse)
        assert isinstance(set_password(invoke).exception, StoreRefused)
    assert not key_file.exists()


def test_a_key_file_made_before_is_warned_of_with_the_first_password_that_needs_it(
    site: Site, simulated: SimulatedHost, invoke: Invoke, key_file: Path
) -> None:
    site.configure(simulated)
    make_key(key_file)
    assert str(key_file) in set_password(invoke).output
    assert str(key_file) not in set_password(invoke).output
