"""Frames come in storms, and a long backlog waits at the start."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faults.oracle import Witness
from faults.recording import IS_FULL, Rounds
from faults.servers import ReplicaSet
from faults.test_backlog import refused_inserts
from sites import is_streaming, ring, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, open_journal

_UP_SECONDS = 60.0
_MOST_MEMORY_KIB = 150 * 1024


def begin(witness: Witness) -> subprocess.Popen[str]:
    witness.site.configure(witness.host)
    process = witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()
    return process


def read_memory_kib(process: subprocess.Popen[str], name: str = "VmHWM") -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


@pytest.mark.fault(38, few=1, many=5)
def test_a_storm_is_stored_in_order_with_little_memory(witness: Witness, rounds: Rounds) -> None:
    process = begin(witness)
    for _ in rounds:
        witness.send(10_000)
        witness.await_flow(180)
    assert witness.judge(seconds=180).gaps == 0
    assert witness.site.count(type="session_up") == 1
    assert read_memory_kib(process) < _MOST_MEMORY_KIB


@pytest.mark.fault(38)
def test_a_backlog_delays_no_start_and_drains_with_little_memory(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    witness = own_witness
    entries, padding = (
        (1_000_000, 0) if IS_FULL else (1_000, 100_000)
    )  # all of it would be more than the memory that is left
    state = witness.site.folder / "state"
    state.mkdir(mode=0o700)
    journal, _ = open_journal(state / "host-host0.journal", SystemClock())
    connection = journal.begin_connection()
    at = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    for first in range(0, entries, 100):
        numbers = range(first, first + 100)
        frames = [ring(number).encode() + b" " * padding for number in numbers]
        journal.append(Arrival(connection, at, "frame", frame) for frame in frames)
    journal.close()
    witness.site.configure(witness.host)
    with refused_inserts(own_set, witness):
        watch = Stopwatch()
        process = witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        assert watch.seconds < 20
        assert witness.count_waiting() >= entries
    wait_until(lambda: witness.site.count() >= entries, max(60, entries / 500))
    found = (
        witness.site.store.database["events"].find({"type": "station_ring"}, {"call_ref": 1}).sort("_id", 1)
    )
    assert all(event["call_ref"] == number for number, event in enumerate(found))
    assert witness.site.count(type="station_ring") == entries
    assert read_memory_kib(process) < _MOST_MEMORY_KIB
