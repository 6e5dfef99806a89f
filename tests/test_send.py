"""Commands on their way through MongoDB, the daemon and the simulated host."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from sites import PASSWORD, USER, Site, is_up, wait_until

from ipecs_mw import Client
from ipecs_mw.errors import CommandFailed, InvalidDocument, StoreUnavailable
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.mongod import find_free_port


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


def test_what_is_wrong_is_refused_by_name(running: Site) -> None:
    for arguments, names in (
        (("call.make", "deviceNumber=1001"), ("calledDN",)),
        (("call.make", "deviceNumber=abc", "calledDN=1"), ("deviceNumber", "abc", "digits")),
        (("call.make", "deviceNumber=1001", "calledDN=1", "x=1"), ("x", "calledDN")),
        (("dnd.set", "deviceNumber=1001", "DN=1001", "svcType=on"), ("svcType", "on", "enable")),
        (("login",), ("login",)),
        (("no.such",), ("no.such",)),
        (("call.answer", "deviceNumber=1001", "callRefID=999"), ("call.answer", "cti")),
    ):
        sent = running.run("send", *arguments)
        assert sent.returncode == 1, arguments
        assert [name for name in names if name not in sent.stderr] == [], (arguments, sent.stderr)


def test_a_command_that_nobody_takes_in_time_is_never_sent(
    site: Site, mongo_uri: str, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    with Client(mongo_uri) as client, pytest.raises(CommandFailed) as failure:
        client.send("call.status", deviceNumber="1001", timeout_seconds=0.2, host="host0")
    assert failure.value.state == "expired"
    assert str(failure.value) == "call.status was not sent, because no daemon with a session took it in time."


@pytest.fixture
def two_hosts(site: Site, simulated: SimulatedHost) -> Iterator[Site]:
    """A site whose configuration has two hosts, of which the second is not there; no daemon runs."""
    with SimulatedHost(accounts=(Account(USER, PASSWORD),), is_scripted=False) as other:
        site.configure(simulated, other)
        yield site


@pytest.mark.parametrize("has_daemon", [True, False])
@pytest.mark.parametrize(("host", "name"), [(None, "host_not_named"), ("mian", "request_host")])
def test_a_command_for_no_host_that_there_is_is_refused_at_once_with_the_names(
    two_hosts: Site, mongo_uri: str, host: str | None, name: str, has_daemon: bool
) -> None:
    if has_daemon:
        two_hosts.start()
        wait_until(lambda: is_up(two_hosts))
    named = ("--host", host) if host else ()
    sent = two_hosts.run("send", "call.status", "deviceNumber=1001", "--timeout", "600", *named)
    assert sent.returncode == 1
    assert "host0, host1" in sent.stderr
    with Client(mongo_uri) as client, pytest.raises(CommandFailed) as failure:
        client.send("call.status", host=host, deviceNumber="1001", timeout_seconds=600)
    error = failure.value
    assert (error.state, error.family, error.code, error.name) == ("failed", "arguments", None, name)
    assert "host0, host1" in error.text
    assert str(error) == f"call.status failed: {error.text}"
    assert two_hosts.store.database["requests"].count_documents({"state": {"$in": ["queued", "sent"]}}) == 0


def test_a_document_that_nobody_can_take_is_refused_and_holds_up_no_other(
    running: Site, mongo_uri: str
) -> None:
    requests = running.store.database["requests"]
    for odd, named in (
        ({"host": "mian"}, "host0"),
        ({"profile": "dawn"}, "default"),
        ({"state": "Queued"}, "queued"),
        ({"expires_at": "soon"}, "date"),
        ({"args": {"text": "x" * (16 * 1024 * 1024 - 300)}}, "1048576"),
    ):
        before = len(running.logged())
        written = {"host": "host0", "command": "call.status", "args": {}, "state": "queued", **odd}
        request_id = requests.insert_one(written).inserted_id
        with Client(mongo_uri) as client:
            assert client.send("call.status", host="host0", deviceNumber="1001")["data"]["state"] == "idle"
        refused = wait_until(lambda: requests.find_one({"_id": request_id, "state": "failed"}))  # noqa: B023 - at once
        assert named in refused["error"]["text"]
        wait_until(lambda: named in running.logged()[before:])  # noqa: B023 - at once


def test_a_failed_command_has_what_its_documentation_says_and_reads_as_a_sentence(
    running: Site, mongo_uri: str
) -> None:
    with Client(mongo_uri) as client, pytest.raises(CommandFailed) as failure:
        client.send("call.answer", deviceNumber="1001", callRefID=999)
    error = failure.value
    assert (error.state, error.family, error.code, error.name) == (
        "failed",
        "cti",
        106,
        "invalidConnectionIdentifier",
    )
    assert error.text == "host0: the host refused call.answer: Call reference not valid (cti error 106)."
    assert str(error) == f"call.answer failed: {error.text}"
    assert not error.may_have_acted


def test_a_client_that_finds_no_mongodb_says_so_in_a_sentence() -> None:
    with pytest.raises(StoreUnavailable) as failure:
        Client(f"mongodb://127.0.0.1:{find_free_port()}/x?serverSelectionTimeoutMS=300")
    assert str(failure.value).startswith("MongoDB does not answer: ")
    with pytest.raises(InvalidDocument) as wrong:
        Client("mongodb://")
    assert "mongo_uri" in str(wrong.value)
    assert not str(wrong.value).startswith("error.")


def test_a_command_is_for_the_daemon_of_its_profile_or_of_any(running: Site, mongo_uri: str) -> None:
    assert running.run("send", "call.status", "deviceNumber=1001").returncode == 0
    other = running.run("--profile", "night", "send", "call.status", "deviceNumber=1001", "--timeout", "0.5")
    assert other.returncode == 1
    night = {**(running.store.database["config"].find_one({"_id": "default"}) or {}), "_id": "night"}
    running.store.database["config"].insert_one(night)
    with Client(mongo_uri, profile="night") as client, pytest.raises(CommandFailed) as failure:
        client.send("call.status", host="host0", deviceNumber="1001", timeout_seconds=0.5)
    assert failure.value.state == "expired"
    with Client(mongo_uri, profile=None) as client:
        assert client.send("call.status", host="host0", deviceNumber="1001")["data"]["state"] == "idle"
    named = [
        request.get("profile") for request in running.store.database["requests"].find().sort("created_at", 1)
    ]
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
