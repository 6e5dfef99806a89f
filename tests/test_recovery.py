"""What breaks while frames come: what the daemon had read is stored, each frame once and in order."""

import os
import signal
import time

import pytest
from sites import Site, is_streaming, is_up, kill, ring, wait_until

from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.server.connection import Store


def stored(site: Site) -> list[int]:
    found = site.store.database["events"].find({"type": "station_ring"}, {"call_ref": 1}).sort("_id", 1)
    return [event["call_ref"] for event in found]


@pytest.fixture
def mongod_pid(store: Store) -> int:
    return int(store.client.admin.command("serverStatus")["pid"])


def test_frames_that_come_while_mongodb_is_stopped_are_stored_afterwards(
    site: Site, simulated: SimulatedHost, mongod_pid: int
) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    os.kill(mongod_pid, signal.SIGSTOP)
    try:
        for number in range(2000):
            simulated.send(ring(number))
        time.sleep(3)
    finally:
        os.kill(mongod_pid, signal.SIGCONT)
    wait_until(lambda: site.count(type="station_ring") >= 2000, 40)
    assert stored(site) == list(range(2000))


def test_a_daemon_that_is_asked_to_stop_while_mongodb_hangs_stops_in_time_and_keeps_the_rest(
    site: Site, simulated: SimulatedHost, mongod_pid: int
) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site))
    os.kill(mongod_pid, signal.SIGSTOP)
    try:
        for number in range(500):
            simulated.send(ring(number))
        time.sleep(1)
        process.terminate()
        assert process.wait(12) == 0
    finally:
        os.kill(mongod_pid, signal.SIGCONT)
    site.start()
    wait_until(lambda: site.count(type="station_ring") >= 500, 40)
    assert stored(site) == list(range(500))


def test_a_daemon_killed_in_a_burst_loses_and_doubles_nothing_that_it_had_read(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    number = 0
    for _ in range(4):
        process = site.start()
        wait_until(lambda: is_streaming(simulated))
        for _ in range(300):
            simulated.send(ring(number))
            number += 1
        wait_until(lambda number=number: number - 1 in stored(site))
        for _ in range(20):  # on its way when it dies
            simulated.send(ring(number))
            number += 1
        kill(process)
    process = site.start()
    wait_until(lambda: is_streaming(simulated))
    simulated.send(ring(number))
    wait_until(lambda: number in stored(site))
    process.terminate()
    assert process.wait(12) == 0
    found = stored(site)
    assert len(found) == len(set(found)), "stored twice"
    assert found == sorted(found), "out of order"
    assert len(found) >= 0.9 * number, (len(found), number)
    gaps = list(site.store.database["events"].find({"type": "gap"}))
    restarts = [gap for gap in gaps if gap["data"]["reason"] == "daemon.ended"]
    assert len(restarts) == 4, [gap["data"] for gap in gaps]
    assert all(gap["data"]["since"] < gap["data"]["until"] for gap in gaps)


def test_numbers_that_the_host_refuses_are_named_once_however_often_the_connection_drops(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, monitor=["1000", "1998-1999"])
    site.start()
    for number in range(1, 4):
        wait_until(lambda number=number: site.count(type="monitor_started") >= 2 * number)
        simulated.drop()
    refused = [line for line in site.logged().splitlines() if "monitor.numbers_refused" in line]
    assert len(refused) == 1
    assert "1998-1999" in refused[0]
