"""Clocks that jump, that differ, and that go on while a process stands still: alone, and while events are lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness
from faults.recording import Rounds
from sites import PASSWORD, Site, is_streaming, kill, wait_until

_UP_SECONDS = 60.0
_HOUR = 3600
_JUMPY = """
import os, pathlib
from datetime import timedelta
from ipecs_mw.clock import SystemClock
now, file = SystemClock.now, pathlib.Path(os.environ["JUMP"])
SystemClock.now = lambda clock: now(clock) + timedelta(seconds=float(file.read_text() or 0))
from ipecs_mw.cli import main
main()
"""


class Clock:
    """The wall clock of one daemon: off by as many seconds as it is set to; `start` runs the daemon."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._file = site.folder / "jump"
        self.set(0)

    def set(self, seconds: float) -> None:
        """Put the clock so far ahead of the real time from now on."""
        scratch = self._file.with_suffix(".new")
        scratch.write_text(str(seconds))
        scratch.replace(self._file)

    def start(self) -> subprocess.Popen[str]:
        site = self._site
        site.await_notice()
        options = site.command("run")[3:]
        with (site.folder / f"run{len(site.processes)}.log").open("w") as output:
            environment = {**os.environ, "CANARY": PASSWORD, "JUMP": str(self._file)}
            command = [sys.executable, "-c", _JUMPY, *options]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, text=True)
        site.processes.append(process)
        return process


def begin(witness: Witness, clock: Clock, **changes: Any) -> subprocess.Popen[str]:
    witness.site.configure(witness.host, **changes)
    process = clock.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()
    return process


def trickle(witness: Witness, seconds: float) -> None:
    """Send frames one by one for so long."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        witness.send()
        time.sleep(0.2)


def find_gaps(site: Site, **query: Any) -> list[dict[str, Any]]:
    return [event["data"] for event in site.store.database["events"].find({"type": "gap", **query})]


@pytest.mark.fault(41, few=2, many=40)
def test_a_clock_that_jumps_an_hour_changes_neither_timers_nor_order(
    witness: Witness, rounds: Rounds
) -> None:
    clock = Clock(witness.site)
    begin(witness, clock, silence_seconds=60)
    for number in rounds:
        witness.host.beat()  # from now on the host is asked once it is silent for so long
        witness.await_flow()
        clock.set((_HOUR, 0, -_HOUR, 0)[number % 4])
        time.sleep(2)  # by a timer of the wall clock it would be asked within this time
        witness.send(100)
        witness.await_flow()
    assert "session.silent" not in witness.site.logged()
    assert witness.judge().gaps == 0
    assert witness.site.count(type="session_up") == 1
    found = list(witness.site.store.database["events"].find({"type": "station_ring"}).sort("_id", 1))
    seqs = [event["seq"] for event in found]
    assert seqs == sorted(seqs)
    instants = [event["received_at"] for event in found]
    assert instants != sorted(instants), "the clock did not jump"


@pytest.mark.parametrize(
    ("before", "after"), [(0, -_HOUR), (_HOUR, 0), (0, _HOUR), (-_HOUR, 0), (3, 0), (0, -3)]
)
@pytest.mark.fault(41, 48, few=1, many=5)
def test_a_clock_that_jumps_while_events_are_lost_leaves_a_gap_that_covers_them_all(
    witness: Witness, before: int, after: int, rounds: Rounds
) -> None:
    clock = Clock(witness.site)
    with FaultProxy(witness.host.port) as proxy:
        clock.set(before)
        begin(witness, clock, port=proxy.port)
        for _ in rounds:
            clock.set(before)
            witness.await_flow()
            proxy.is_refusing = True
            proxy.cut()
            trickle(witness, 3)
            clock.set(after)
            trickle(witness, 2)
            proxy.is_refusing = False
            wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
            witness.await_flow()
        verdict = witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)
    for gap in find_gaps(witness.site):
        assert gap.get("since", "") < gap["until"]


@pytest.mark.parametrize("ahead", [_HOUR, 4, -_HOUR])
@pytest.mark.fault(48, few=1, many=3)
def test_who_takes_over_from_a_daemon_whose_clock_differs_covers_all_that_was_lost(
    witness: Witness, tmp_path: Path, ahead: int, rounds: Rounds
) -> None:
    second = witness.site.beside(tmp_path / "second")
    try:
        first_clock, second_clock = Clock(witness.site), Clock(second)
        first_clock.set(ahead)
        begin(witness, first_clock)
        for _ in rounds:
            second_clock.start()
            wait_until(lambda: "session.standing_by" in second.logged(), _UP_SECONDS)
            time.sleep(3)  # until the lease tells when the host was heard last
            kill(witness.site.processes[-1])
            wait_until(lambda: not is_streaming(witness.host), _UP_SECONDS)
            while not is_streaming(witness.host):
                trickle(witness, 0.5)
            witness.await_flow()
            second.processes[-1].terminate()
            assert second.processes[-1].wait(60) == 0
            first_clock.start()
            wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
            witness.await_flow()
        witness.check_covered()
    finally:
        second.stop()


@pytest.mark.parametrize("jump", [-_HOUR, 0, _HOUR])
@pytest.mark.fault(48, few=1, many=3)
def test_a_process_that_stood_still_while_its_clock_was_set_covers_what_it_missed(
    witness: Witness, jump: int, rounds: Rounds
) -> None:
    clock = Clock(witness.site)
    process = begin(witness, clock)
    for _ in rounds:
        clock.set(0)
        witness.await_flow()
        process.send_signal(signal.SIGSTOP)
        try:
            trickle(witness, 4)
            clock.set(jump)
            witness.host.drop(how="rst", is_drained=False)
            trickle(witness, 2)
        finally:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.await_flow()
    witness.judge(may_lose=True)
