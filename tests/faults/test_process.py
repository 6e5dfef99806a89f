"""The daemon itself is killed, stopped or asked to stop while frames come."""

import os
import random
import signal
import time

import pytest
from faults.oracle import Witness, count_logins
from faults.recording import Rounds
from sites import is_streaming, kill, wait_until
from stopwatch import Stopwatch

_UP_SECONDS = 40.0
_TAKEN_OVER_SECONDS = 1.0
"""After this long a received frame is in the journal, as the page of reliability says."""


@pytest.mark.fault(36, few=3, many=50)
def test_a_daemon_killed_in_a_burst_doubles_nothing_and_loses_only_what_was_in_the_socket(
    witness: Witness, rounds: Rounds
) -> None:
    chance = random.Random(36)
    witness.site.configure(witness.host)
    early: set[int] = set()
    for _ in rounds:
        process = witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        first = witness.next
        witness.send(200)
        early.update(range(first, witness.next))
        time.sleep(_TAKEN_OVER_SECONDS)
        for _ in range(chance.randint(1, 12)):
            witness.send(50)
            time.sleep(chance.uniform(0.0, 0.02))
        kill(process)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    verdict = witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)
    assert not early & set(verdict.lost), "lost although the reader had had the time to take them over"


@pytest.mark.fault(37, few=2, many=20)
def test_a_daemon_asked_to_stop_in_a_burst_is_out_in_time_logged_out_and_loses_nothing_that_it_read(
    witness: Witness, rounds: Rounds
) -> None:
    chance = random.Random(37)
    witness.site.configure(witness.host)
    for _ in rounds:
        process = witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.send(chance.randint(100, 800))
        watch = Stopwatch()
        process.terminate()
        witness.send(50)
        assert process.wait(60) == 0
        assert watch.seconds < 10
        assert not witness.host.sessions, "the account is not logged out"
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.judge()


@pytest.mark.fault(17, few=1, many=5)
def test_a_daemon_paused_beyond_the_session_timer_comes_back_with_a_gap_and_no_burst(
    witness: Witness, rounds: Rounds
) -> None:
    witness.site.configure(witness.host)
    process = witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    for _ in rounds:
        witness.send(20)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            witness.host.drop(how="fin", is_drained=False)  # as a host does that hears no ping
            witness.host.expire_tokens()
            witness.send(20)
            time.sleep(2)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.await_flow()
    verdict = witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)
    assert witness.site.count(type="session_up") == len(rounds) + 1, "one new session a pause"
    assert count_logins(witness.host) == len(rounds) + 1
