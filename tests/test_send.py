"""Commands on their way through MongoDB, the daemon and the simulated host."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from sites import PASSWORD, USER, Site, is_up, wait_until

from ipecs_mw import Client
from ipecs_mw.errors import CommandFailed
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.server.connection import Store


@pytest.fixture
def running(site: Site, simulated: SimulatedHost) -> Site:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    return site


def test_a_command_from_the_shell_gets_the_hosts_reply(running: Site) -> None:
    sent = running.run("send", "call.status", "deviceNumber=1001")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["data"]["state"] == "idle"


def test_a_command_from_python_gets_the_same_reply_quickly(running: Site, mongo_uri: str) -> None:
    with Client(mongo_uri) as client:
        seconds = []
        for _ in range(30):
            began = perf_counter()
            assert client.send("call.status", deviceNumber="1001")["data"]["state"] == "idle"
            seconds.append(perf_counter() - began)
    assert median(seconds) < 0.25, "it waits for a tick somewhere"


def test_a_document_from_any_client_is_carried_out_and_its_events_arrive(running: Site, store: Store) -> None:
    requests = store.database["requests"]
    now = datetime.now(UTC)
    request = {
        "host": "host0",
        "command": "call.make",
        "args": {"deviceNumber": "1001", "calledDN": "1002"},
        "state": "queued",
        "created_at": now,
        "expires_at": now + timedelta(seconds=20),
        "created_by": "a test",
    }
    request_id = requests.insert_one(request).inserted_id
    done = wait_until(
        lambda: requests.find_one(
            {"_id": request_id, "state": {"$ne": "queued"}, "ended_at": {"$exists": True}}
        )
    )
    assert done["state"] == "done", done
    ref = int(done["result"]["data"]["callRefID"])
    wait_until(lambda: running.count(call_ref=ref, type="ringing", stations="1002") == 1)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("call.make", "deviceNumber=1001"), ("calledDN",)),
        (("call.make", "deviceNumber=abc", "calledDN=1"), ("deviceNumber", "abc", "digits")),
        (("call.make", "deviceNumber=1001", "calledDN=1", "x=1"), ("x", "calledDN")),
        (("dnd.set", "deviceNumber=1001", "DN=1001", "svcType=on"), ("svcType", "on", "enable")),
        (("login",), ("login",)),
        (("no.such",), ("no.such",)),
        (("call.answer", "deviceNumber=1001", "callRefID=999"), ("call.answer", "cti")),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    running: Site, arguments: tuple[str, ...], names: tuple[str, ...]
) -> None:
    sent = running.run("send", *arguments)
    assert sent.returncode == 1
    for name in names:
        assert name in sent.stderr


def test_a_command_that_nobody_takes_in_time_is_never_sent(
    site: Site, mongo_uri: str, simulated: SimulatedHost
) -> None:
    with Client(mongo_uri) as client, pytest.raises(CommandFailed) as failure:
        client.send("call.status", deviceNumber="1001", timeout_seconds=0.2, host="nowhere")
    assert failure.value.facts["state"] == "expired"


def test_a_command_is_for_the_daemon_of_its_profile_or_of_any(running: Site, mongo_uri: str) -> None:
    assert running.run("send", "call.status", "deviceNumber=1001").returncode == 0
    other = running.run("--profile", "night", "send", "call.status", "deviceNumber=1001", "--timeout", "0.5")
    assert other.returncode == 1
    with Client(mongo_uri, profile="night") as client, pytest.raises(CommandFailed) as failure:
        client.send("call.status", host="host0", deviceNumber="1001", timeout_seconds=0.5)
    assert failure.value.facts["state"] == "expired"
    with Client(mongo_uri, profile=None) as client:
        assert client.send("call.status", host="host0", deviceNumber="1001")["data"]["state"] == "idle"
    named = [request.get("profile") for request in running.store.database["requests"].find().sort("_id", 1)]
    assert named == ["default", "night", "night", None]


def test_monitoring_more_than_a_hundred_numbers_is_split_and_joined(running: Site, mongo_uri: str) -> None:
    with Client(mongo_uri) as client:
        reply = client.send("monitor.start", deviceNumber="1000-1149")
    assert len(reply["result"]) == 150


def test_a_room_password_stays_in_no_collection(
    running: Site, mongo_uri: str, store: Store, tmp_path: Path
) -> None:
    with Client(mongo_uri) as client:
        client.send("confroom.set", deviceNumber="1001", roomIndex=1, roomPwd="87654321", roomUsage="true")
    assert "87654321" not in json.dumps(list(store.database["requests"].find()), default=str)
    assert "87654321" not in running.logged()


def test_a_command_goes_directly_where_no_daemon_runs_and_is_refused_where_one_does(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    sent = site.run("send", "call.status", "deviceNumber=1001", "--direct")
    assert json.loads(sent.stdout)["data"]["state"] == "idle", sent.stderr
    assert not simulated.sessions
    site.start()
    wait_until(lambda: is_up(site))
    refused = site.run("send", "call.status", "deviceNumber=1001", "--direct")
    assert refused.returncode == 1
    assert "Already Login" in refused.stderr
    assert is_up(site)


def test_clickcall_goes_by_the_account_of_its_station(
    site: Site, simulated: SimulatedHost, mongo_uri: str
) -> None:
    station = Account("1001", "station-secret-1", service="client")
    with SimulatedHost(accounts=(Account(USER, PASSWORD), station), is_scripted=False) as host:
        site.configure(host, accounts=[{"user": "1001", "password": {"env": "STATION"}}])
        site.start(STATION="station-secret-1")
        wait_until(lambda: is_up(site))
        with Client(mongo_uri) as client:
            assert client.send("clickcall", From="1001", To="1002") is None
            with pytest.raises(CommandFailed) as failure:
                client.send("clickcall", From="1009", To="1002")
    assert "1009" in failure.value.facts["text"]
    assert "station-secret-1" not in site.logged()


def test_a_secret_argument_is_read_from_standard_input(running: Site, store: Store) -> None:
    arguments = ("confroom.set", "deviceNumber=1001", "roomIndex=1", "roomUsage=true", "roomPwd=-")
    sent = subprocess.run(
        running.command("send", *arguments),
        input="4711\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    wanted = {"args.roomPwd": "***", "args.roomIndex": "1"}
    assert wait_until(lambda: store.database["requests"].find_one(wanted))
    assert "4711" not in sent.stdout + sent.stderr
