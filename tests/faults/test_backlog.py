"""The daemon is killed over a backlog, and what the next one needs to finish it is not in the configuration."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from faults.oracle import Witness
from faults.recording import Rounds
from faults.servers import ReplicaSet, fail_point
from sites import is_streaming, kill, ring, wait_until

_UP_SECONDS = 60.0
_PRIMARY_STEPPED_DOWN = 189


@contextmanager
def refused_inserts(own_set: ReplicaSet, witness: Witness) -> Iterator[None]:
    """Have MongoDB take no event, so that nothing of what a daemon would store is there when it is dead."""
    events = witness.site.store.database["events"].full_name
    with own_set.servers[0].client() as client:
        facts = {"failCommands": ["insert"], "namespace": events, "errorCode": _PRIMARY_STEPPED_DOWN}
        fail_point(client, "failCommand", 1_000_000, **facts)
        try:
            yield
        finally:
            fail_point(client, "failCommand", 0)


def call(serial: int) -> str:
    data = {"type": "dialing", "deviceNumber": "1001", "callRefID": serial, "evtSerialNum": serial}
    return json.dumps({"event": "call", "data": data})


@pytest.mark.fault(24, 36, few=1, many=10)
def test_a_serial_number_that_jumps_where_a_killed_daemon_stopped_forwarding_is_a_gap(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    site, host = own_witness.site, own_witness.host
    site.configure(host)
    for number in rounds:
        process = site.start()
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        own_witness.await_flow()
        serial = 1000 * number
        host.send(call(serial))
        wait_until(lambda serial=serial: site.count(serial=serial) == 1, _UP_SECONDS)
        wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)
        with refused_inserts(own_set, own_witness):
            host.send(call(serial + 5))
            wait_until(lambda: own_witness.count_waiting() >= 1, _UP_SECONDS)
            kill(process)
    site.start()
    own_witness.judge(may_lose=True)
    found = site.store.database["events"].find({"data.reason": "serial_jump"}).sort("_id")
    jumps = [(gap["data"]["first_serial"], gap["data"]["last_serial"]) for gap in found]
    assert jumps == [(1000 * number + 1, 1000 * number + 4) for number in range(len(rounds))]


@pytest.mark.fault(36, few=1, many=10)
def test_what_a_killed_daemon_leaves_of_a_host_that_is_renamed_then_is_stored_by_the_next(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    site, host = own_witness.site, own_witness.host
    site.configure(host, timezone="Asia/Tokyo")
    for _ in rounds:
        process = site.start()
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        own_witness.await_flow()
        wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)  # what waits then are the 300 alone
        with refused_inserts(own_set, own_witness):
            own_witness.send(300)
            wait_until(lambda: own_witness.count_waiting() >= 300, _UP_SECONDS)
            kill(process)
        rename(own_witness, "renamed")
        process = site.start()
        wait_until(lambda: own_witness.count_rings(own_witness.next - 1) == 1, _UP_SECONDS)
        wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)
        process.terminate()
        assert process.wait(60) == 0
        rename(own_witness, "host0")
    site.start()
    verdict = own_witness.judge(may_lose=True)
    assert verdict.stored >= 300 * len(rounds)
    wanted = {"host": "host0", "type": "station_ring", "at": {"$ne": datetime(2026, 11, 24, 1, tzinfo=UTC)}}
    assert json.loads(ring(0))["data"]["time"] == "2026/11/24 10:00:00"
    assert site.count(**wanted) == 0, "read in another time zone"
    assert site.count(type="journal_orphaned", **{"data.name": "host0"}) == len(rounds)
    assert site.count(host="renamed", type="station_ring") == 0


def rename(witness: Witness, name: str) -> None:
    """Give the host another name while no daemon runs."""
    config = witness.site.store.database["config"]
    config.update_one({"_id": "default"}, {"$set": {"hosts.0.name": name}})
