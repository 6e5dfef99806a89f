"""The host sends frames of long runs of one sign, up to the limit, and nothing else is held up by them."""

import pytest
from faults.oracle import Witness
from faults.recording import Rounds
from faults.test_stops import stop
from sites import is_streaming, wait_until

from ipecs_mw.clock import SystemClock

_UP_SECONDS = 60.0
_FRAME_BYTES = 1024 * 1024 - 1024
_LEASE_SECONDS = 10.0
_HEADS = (
    b'{"eventCode":',
    b'{"event":"acd","data":{"eventCode":"',
    b'{"event":"call","data":{"deviceNumber":["',
    b"",
)
_RUNS = (b" ", b"0", b'"', b"[", b":", b"\\ud83d")


@pytest.mark.fault(47, few=1, many=5)
def test_frames_of_long_runs_hold_up_neither_heartbeat_nor_events_nor_the_stop(
    witness: Witness, rounds: Rounds
) -> None:
    site, host = witness.site, witness.host
    site.configure(host)
    process = site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    instances = site.store.database["instances"]
    for _ in rounds:
        before = site.count(kind={"$in": ["undecodable", "unknown"]})
        for head in _HEADS:
            for run in _RUNS:
                host.send(head + run * ((_FRAME_BYTES - len(head)) // len(run)))
        asked_at = SystemClock().now()
        instance = wait_until(lambda at=asked_at: instances.find_one({"heartbeat_at": {"$gt": at}}), 20)
        assert (instance["heartbeat_at"] - asked_at).total_seconds() < _LEASE_SECONDS
        expected = before + len(_HEADS) * len(_RUNS)
        wait_until(
            lambda count=expected: site.count(kind={"$in": ["undecodable", "unknown"]}) == count, _UP_SECONDS
        )
        witness.await_flow()
    assert site.count(type="session_down") == 0
    host.send(b'{"eventCode":' + b" " * _FRAME_BYTES)
    assert stop(process) < 10
    site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    witness.judge()
