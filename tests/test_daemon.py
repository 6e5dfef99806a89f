"""The daemon as a user runs it: its own process, a real MongoDB, the simulated host over TLS."""

import json
import signal
import stat
import subprocess
import urllib.request
from pathlib import Path

from sites import PASSWORD, USER, Site, is_up, kill, ring, wait_until

from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.schema.examination import STORED
from ipecs_mw.store.server.mongod import find_free_port


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
    assert process.wait(60) == 0
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
        wait_until(
            lambda: site.store.database["instances"].find_one({"hosts.host1.state": "needs_attention"})
        )
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
    kill(site.start())
    first = site.start()
    wait_until(lambda: is_up(site))
    kill(first)
    site.store.database["instances"].delete_many({})
    site.start()
    wait_until(lambda: is_up(site), 10)
    wait_until(lambda: "session.account_freed" in site.logged())
    assert len(simulated.sessions) == 1


CODE = "4711471147"
ROOM_PASSWORD = "canary-room-7"


def find_places(site: Site, process: subprocess.Popen[str], port: int) -> dict[str, str]:
    """Return all that a running daemon shows of itself, by place; its token file alone may hold the token."""
    shown = {
        "log": site.logged(),
        "metrics": urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read().decode(),
        "health": urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60).read().decode(),
        "ps": Path(f"/proc/{process.pid}/cmdline").read_text()
        + Path(f"/proc/{process.pid}/comm").read_text(),
        "status": site.run("status", "--format", "json").stdout,
        "events": site.run("events", "--format", "jsonl", "--limit", "0").stdout,
    }
    names = set(site.store.database.list_collection_names(filter=STORED)) - {
        "leases"
    }  # the next owner needs the token
    for name in sorted(names):
        shown[f"collection {name}"] = json.dumps(list(site.store.database[name].find()), default=str)
    for file in (site.folder / "state").iterdir():
        if file.suffix != ".token":
            shown[f"state {file.name}"] = file.read_bytes().decode("latin-1")
    return shown


def test_no_secret_is_in_anything_that_was_written(site: Site, simulated: SimulatedHost) -> None:
    port = find_free_port()
    site.configure(simulated)
    changes = {"logging.level": "DEBUG", "logging.file": str(site.folder / "run9.log"), "health.port": port}
    site.store.database["config"].update_one({"_id": "default"}, {"$set": changes})
    process = site.start()
    wait_until(lambda: is_up(site))
    token_file = site.folder / "state" / "host-host0.token"
    token = wait_until(lambda: token_file.exists() and json.loads(token_file.read_text())["token"])
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    simulated.send({"event": "acd", "data": {"eventCode": 86, "data1": CODE, "callRefID": 1}})
    simulated.send({"event": "smdr", "data": {"StationNumber": "1001", "AccountCode": f"STA-P[{CODE}]"}})
    wait_until(lambda: site.count(kind="smdr") == 1)
    room = ("deviceNumber=1001", "roomIndex=1", f"roomPwd={ROOM_PASSWORD}", "roomUsage=true")
    site.run("send", "confroom.set", *room)
    requests = site.store.database["requests"]
    wait_until(lambda: requests.find_one({"state": {"$in": ["done", "failed", "unknown", "expired"]}}))
    secrets = {"password": PASSWORD, "token": token, "authorization code": CODE, "room": ROOM_PASSWORD}

    def check(shown: dict[str, str]) -> None:
        for place, text in shown.items():
            for what, secret in secrets.items():
                if what == "authorization code" and ".journal" in place:
                    continue  # frames wait there as they came
                assert secret not in text, f"{what} in {place}"

    shown = find_places(site, process, port)
    assert all(shown[place] for place in ("log", "metrics", "health", "ps", "status", "events"))
    check(shown)
    process.terminate()
    assert process.wait(60) == 0
    check(
        {"log": site.logged(), "events": json.dumps(list(site.store.database["events"].find()), default=str)}
    )


def test_an_untrusted_certificate_is_refused_with_its_fingerprint(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, tls={"verify": "ca"})
    site.start()
    wait_until(lambda: "error.certificate_untrusted" in site.logged())
    fingerprint = simulated.fingerprint_sha256.replace(":", "").upper()
    assert fingerprint in site.logged().replace(":", "")
    assert "ipecs-mw trust host0" in site.logged()


def test_a_second_daemon_on_the_same_state_directory_cannot_start(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    second = site.run("run")
    assert second.returncode == 3
    assert "uses the state directory" in second.stderr


def test_a_file_of_authorities_that_is_missing_keeps_the_daemon_from_starting(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, tls={"verify": "ca", "ca_file": "/no/such/authorities.pem"})
    refused = site.run("run")
    assert refused.returncode == 3
    assert "/no/such/authorities.pem" in refused.stderr
