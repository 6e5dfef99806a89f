"""What reads the log is killed, frozen, doubled, cut off from MongoDB: what it has made is what the log means."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from faults.recording import Rounds
from faults.servers import ReplicaSet
from pymongo import MongoClient
from reading_scene import build_log, insert, shift
from sites import PASSWORD, USER, Site, is_up, kill, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost

_UP_SECONDS = 40.0
_CATCH_UP_SECONDS = 60.0
_SPEED = 100.0  # so many seconds of the simulated day in one: about 200 events


@pytest.fixture
def host() -> Iterator[SimulatedHost]:
    """A host that plays its day."""
    with SimulatedHost(accounts=(Account(USER, PASSWORD),), speed=_SPEED, oddities=0.0) as made:
        yield made


def begin(site: Site, host: SimulatedHost) -> None:
    site.configure(host, monitor=["1000-1019"])
    site.start()
    wait_until(lambda: site.store.database["calls"].count_documents({}) > 0, _UP_SECONDS)


def find_reader(site: Site) -> dict[str, Any]:
    return site.store.database["readers"].find_one({"_id": "calls"}) or {}


def find_pid(site: Site) -> int:
    """Return the process that reads."""
    instance = site.store.database["instances"].find_one({"_id": find_reader(site)["owner"]})
    assert instance is not None
    return int(instance["pid"])


def is_caught_up(site: Site) -> bool:
    """Tell whether the reader has told of itself since the last event was stored, and is not behind."""
    last = site.store.database["events"].find_one(
        {"kind": {"$in": ["acd", "call"]}}, sort=[("received_at", -1)]
    )
    told = find_reader(site).get("hosts") or [{}]
    assert last is not None
    return not told[0].get("is_catching_up", True) and told[0]["taken_at"] >= last["received_at"]


def judge(site: Site, host: SimulatedHost) -> None:
    """End the day and all daemons in order; then hold what was read against the log."""
    is_running = any(process.poll() is None for process in site.processes)
    if is_running:
        wait_until(lambda: site.store.database["calls"].count_documents({"is_open": False}) > 10, 60)
    host.stop()
    if is_running:  # who stops while nobody reads leaves what came last to the next start
        wait_until(lambda: is_caught_up(site), _CATCH_UP_SECONDS)
    for process in site.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    check = site.run("rebuild", "--check")
    assert (check.returncode, check.stderr) == (0, ""), check.stdout


@pytest.mark.fault(52, few=2, many=50)
def test_a_reader_that_is_killed_at_any_moment_leaves_what_the_log_means(
    site: Site, host: SimulatedHost, rounds: Rounds
) -> None:
    chance = random.Random(52)
    begin(site, host)
    for number in rounds:
        time.sleep(chance.uniform(0.0, 2.0))
        kill(site.processes[-1])
        if number % 3 == 1:
            site.store.database["reader_states"].delete_many({})
        if number % 3 == 2:
            newest = site.store.database["reader_states"].find_one(sort=[("at", -1)])
            if newest is not None:
                broken = bytes(newest["data"])[:-40]
                site.store.database["reader_states"].update_one(
                    {"_id": newest["_id"]}, {"$set": {"data": broken}}
                )
        ups = site.count(type="session_up")
        site.start()
        wait_until(lambda ups=ups: site.count(type="session_up") > ups, _UP_SECONDS)
    judge(site, host)


@pytest.mark.fault(53, few=1, many=8)
def test_a_journal_that_comes_late_is_read_where_it_belongs(
    site: Site, host: SimulatedHost, mongo_uri: str, tmp_path: Path, rounds: Rounds
) -> None:
    address = site.store.client.address
    assert address is not None
    for number in rounds:
        with FaultProxy(address[1]) as proxy:
            uri = mongo_uri.replace(f":{address[1]}/", f":{proxy.port}/") + "&directConnection=true"
            first = site.beside(tmp_path / f"first{number}")
            (first.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
            begin(first, host) if number == 0 else first.start()
            wait_until(lambda: is_up(site), _UP_SECONDS)
            second = site.beside(tmp_path / f"second{number}")
            proxy.is_refusing = True
            proxy.swallow()
            time.sleep(3.0)  # events come that MongoDB does not get
            kill(first.processes[-1])
            second.start()
            ups = site.count(type="session_up")
            wait_until(lambda ups=ups: site.count(type="session_up") > ups, _UP_SECONDS + 40)
            proxy.is_refusing = False
            stored = site.store.database["events"].count_documents({})
            time.sleep(2.0)
            first.start()  # stands by, and stores what it had
            wait_until(
                lambda stored=stored: site.store.database["events"].count_documents({}) > stored + 300, 60
            )
            ups = site.count(type="session_up")
            second.processes[-1].send_signal(signal.SIGTERM)
            assert second.processes[-1].wait(30) == 0
            wait_until(lambda ups=ups: site.count(type="session_up") > ups, _UP_SECONDS)
            wait_until(lambda: site.run("rebuild", "--check").returncode == 0, _CATCH_UP_SECONDS)
            first.processes[-1].send_signal(signal.SIGTERM)
            assert first.processes[-1].wait(30) == 0
    judge(site, host)


@pytest.mark.fault(54, few=1, many=6)
def test_of_two_daemons_one_reads_and_one_that_was_frozen_writes_nothing(
    site: Site, host: SimulatedHost, tmp_path: Path, rounds: Rounds
) -> None:
    begin(site, host)
    second = site.beside(tmp_path / "second")
    second.start()
    for _ in rounds:
        wait_until(lambda: find_reader(site).get("told_at"), _UP_SECONDS)
        former, holder = find_pid(site), find_reader(site)["holder"]
        os.kill(former, signal.SIGSTOP)
        watch = Stopwatch()
        wait_until(lambda holder=holder: find_reader(site)["holder"] > holder, 60)
        assert not watch.is_over(15.0), "the other one went on too late"
        time.sleep(2.0)
        os.kill(former, signal.SIGCONT)
        time.sleep(3.0)
    for process in second.processes:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    judge(site, host)


@contextmanager
def failing(uri: str, times: int, **facts: Any) -> Iterator[None]:
    with MongoClient[Any](uri) as client:
        client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=facts)
        try:
            yield
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")


_FAILURES: tuple[dict[str, Any], ...] = (
    {"failCommands": ["insert", "update", "find"], "closeConnection": True},
    {"failCommands": ["insert", "update"], "writeConcernError": {"code": 91, "errmsg": "away"}},
    {"failCommands": ["insert", "update", "find"], "errorCode": 10107},
    {"failCommands": ["insert", "update", "find"], "blockConnection": True, "blockTimeMS": 1500},
)


@pytest.mark.fault(55, few=4, many=24)
def test_mongodb_that_fails_or_is_slow_for_the_reader_holds_up_no_event(
    site: Site, host: SimulatedHost, mongo_uri: str, rounds: Rounds
) -> None:
    begin(site, host)
    name = site.store.database.name
    for number in rounds:
        where = ("calls", "agent_states", "live", "missed", "reader_states")[number % 5]
        facts = _FAILURES[number % len(_FAILURES)]
        stored = site.count()
        with failing(mongo_uri, 6, namespace=f"{name}.{where}", **facts):
            wait_until(lambda stored=stored: site.count() > stored + 400, 30)
    wait_until(lambda: is_caught_up(site), _CATCH_UP_SECONDS)
    judge(site, host)


@pytest.mark.fault(55, few=1, many=5)
def test_a_primary_that_steps_down_leaves_what_the_log_means(
    own_site: Site, own_set: ReplicaSet, host: SimulatedHost, rounds: Rounds
) -> None:
    begin(own_site, host)
    for _ in rounds:
        own_set.servers[0].kill()
        time.sleep(1.0)
        own_set.servers[0].start()
        wait_until(own_set.find_primary, 60)
        stored = own_site.count()
        wait_until(lambda stored=stored: own_site.count() > stored + 200, 60)
    wait_until(lambda: is_caught_up(own_site), _CATCH_UP_SECONDS)
    judge(own_site, host)


@pytest.mark.fault(56, few=2, many=20)
def test_a_rebuild_beside_the_reader_may_be_interrupted_and_ends_in_what_the_log_means(
    site: Site, host: SimulatedHost, rounds: Rounds
) -> None:
    chance = random.Random(56)
    begin(site, host)
    day = build_log(1.5, 3, 3)
    # of yesterday or the day before: else what is open at its end lasts for months, by the daemon's clock
    log = shift(day, (SystemClock().now() - day[-1]["received_at"]).days - 1)
    settled_at = log[-1]["received_at"] - timedelta(
        minutes=10
    )  # of later ones more may come, so a rebuild leaves them
    past = {"host": "main", "ended_at": {"$lt": settled_at}}
    insert(site.store, log)
    calls = site.store.database["calls"]
    wait_until(lambda: calls.count_documents(past) > 300, _CATCH_UP_SECONDS)
    for number in rounds:
        calls.update_many(past, {"$set": {"outcome": "unknown"}})
        rebuild = subprocess.Popen(
            site.command("rebuild"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        time.sleep(chance.uniform(0.5, 2.0))
        rebuild.send_signal(signal.SIGKILL if number % 2 else signal.SIGINT)
        rebuild.communicate(timeout=30)
        done = site.run("rebuild", "--host", "main")
        assert done.returncode == 0, done.stderr
        assert calls.count_documents({**past, "outcome": "answered"}) > 100
    judge(site, host)
