"""The daemon as a user runs it: its own process, a real MongoDB, the simulated host over TLS."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.connection import Store
from ipecs_mw.store.migrations import migrate
from ipecs_mw.store.seeding import apply, plan, read_seeds
from ipecs_mw.store.settings import save_settings

PASSWORD = "canary-password-1"
USER = "apiuser"


def wait_until(is_so: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true answer; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < until, f"not so within {seconds} s"
        time.sleep(0.05)
    return answer


@pytest.fixture
def simulated() -> Iterator[SimulatedHost]:
    """A host that sends only what a test tells it to."""
    with SimulatedHost(accounts=(Account(USER, PASSWORD),), is_scripted=False) as host:
        yield host


class Site:
    """A seeded database, a bootstrap file and a state directory; `start` runs the daemon there."""

    def __init__(self, store: Store, mongo_uri: str, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": mongo_uri}))
        migrate(store, SystemClock())
        apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")

    def configure(self, *hosts: SimulatedHost, **changes: Any) -> None:
        content = read_json("config.json")
        entry = content["hosts"][0]
        content["hosts"] = [
            {
                **entry,
                "name": f"host{index}",
                "address": host.address,
                "port": host.port,
                "user": USER,
                "password": {"env": "CANARY"},
                "tls": {"verify": "pin", "fingerprint_sha256": host.fingerprint_sha256},
                "monitor": ["1000-1009"],
                "presence": ["1000-1009"],
                **changes,
            }
            for index, host in enumerate(hosts)
        ]
        save_settings(self.store, "default", content, "test", at=SystemClock().now())

    def command(self, *arguments: str) -> list[str]:
        folder = self.folder
        options = ["--bootstrap", str(folder / "bootstrap.json"), "--state-dir", str(folder / "state")]
        return [sys.executable, "-m", "ipecs_mw", *options, *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, "CANARY": PASSWORD, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, **environment: str) -> subprocess.Popen[str]:
        with (self.folder / f"run{len(self.processes)}.log").open("w") as output:
            process = subprocess.Popen(
                self.command("run"),
                env={**os.environ, "CANARY": PASSWORD, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.processes.append(process)
        return process

    def logged(self) -> str:
        return "".join(file.read_text() for file in sorted(self.folder.glob("run*.log")))

    def count(self, **query: Any) -> int:
        return self.store.database["events"].count_documents(query)


@pytest.fixture
def site(store: Store, mongo_uri: str, tmp_path: Path) -> Iterator[Site]:
    place = Site(store, mongo_uri, tmp_path)
    yield place
    for process in place.processes:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def ring(number: int) -> str:
    data = {
        "time": "2026/11/24 10:00:00",
        "callRefID": number,
        "eventCode": 66,
        "eventString": "STATION RING",
        "sourceType": "Station",
        "sourceNumber": "1001",
        "destType": "CO",
        "destNumber": "001",
        "data1": "620",
        "data2": "620",
    }
    return json.dumps({"event": "acd", "data": data})


def is_up(site: Site, name: str = "host0") -> bool:
    instance = site.store.database["instances"].find_one({f"hosts.{name}.state": "up"})
    return instance is not None


def test_what_the_host_sends_is_in_mongodb_once_and_in_order(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site))
    for number in range(500):
        simulated.send(ring(number))
    wait_until(lambda: site.count(type="station_ring") == 500)
    found = site.store.database["events"].find({"type": "station_ring"}).sort("_id", 1)
    assert [event["call_ref"] for event in found] == list(range(500))
    event = site.store.database["events"].find_one({"type": "station_ring"})
    assert event is not None
    assert event["at"].isoformat() == "2026-11-24T02:00:00+00:00"
    assert (event["host"], event["kind"], event["code"]) == ("host0", "acd", 66)
    assert (event["stations"], event["group"]) == (["1001"], "620")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not simulated.sessions, "the account is not logged out"


def test_two_hosts_run_side_by_side_and_one_that_fails_holds_up_nothing(
    site: Site, simulated: SimulatedHost
) -> None:
    with SimulatedHost(accounts=(Account(USER, "another-password"),), is_scripted=False) as refusing:
        site.configure(simulated, refusing)
        site.start()
        wait_until(lambda: is_up(site, "host0"))
        simulated.send(ring(1))
        wait_until(lambda: site.count(host="host0", type="station_ring") == 1)
        wait_until(lambda: site.store.database["instances"].find_one({"hosts.host1.state": "needs_attention"}))
    status = site.run("status")
    assert status.returncode == 0
    assert "host1: needs attention" in status.stdout
    assert "refuses the user or the password" in status.stdout


def test_a_dropped_socket_comes_back_and_the_gap_is_recorded(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    simulated.drop(how="rst")
    wait_until(lambda: site.count(type="gap") == 1)
    simulated.send(ring(7))
    wait_until(lambda: site.count(type="station_ring") == 1)
    gap = site.store.database["events"].find_one({"type": "gap"})
    assert gap is not None
    assert gap["data"]["reason"] == "error.connection_lost"
    assert "since" in gap["data"]


def test_a_killed_daemon_frees_the_account_with_the_remembered_token(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    site.start().kill()
    first = site.start()
    wait_until(lambda: is_up(site))
    first.kill()
    first.wait(10)
    site.store.database["instances"].delete_many({})
    site.start()
    wait_until(lambda: is_up(site), 10)
    assert "session.account_freed" in site.logged() or "session.up" in site.logged()


def test_no_secret_is_in_anything_that_was_written(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site))
    simulated.send({"event": "acd", "data": {"eventCode": 86, "data1": "4711471147", "callRefID": 1}})
    simulated.send({"event": "smdr", "data": {"StationNumber": "1001", "AccountCode": "STA-P[4711471147]"}})
    wait_until(lambda: site.count(kind="smdr") == 1)
    process.terminate()
    assert process.wait(10) == 0
    written = site.logged() + json.dumps(list(site.store.database["events"].find()), default=str)
    written += json.dumps(list(site.store.database["instances"].find()), default=str)
    written += site.run("events", "--format", "jsonl", "--limit", "0").stdout + site.run("status").stdout
    assert PASSWORD not in written
    assert "4711471147" not in written


def test_an_untrusted_certificate_is_refused_with_its_fingerprint(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated, tls={"verify": "ca"})
    site.start()
    wait_until(lambda: "error.certificate_untrusted" in site.logged())
    fingerprint = simulated.fingerprint_sha256.replace(":", "").upper()
    assert fingerprint in site.logged().replace(":", "")
    assert "tls.fingerprint_sha256" in site.logged()


def test_a_second_daemon_on_the_same_state_directory_cannot_start(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    second = site.run("run")
    assert second.returncode == 3
    assert "in use by another daemon" in second.stderr
