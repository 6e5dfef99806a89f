"""The one deadline of a stop."""

import subprocess
import sys
import threading
import time

from support import FakeClock

from ipecs_mw.service.process.stopping import Stop

HANGS = """
import sys, threading
from ipecs_mw.clock import SystemClock
from ipecs_mw.service.process import stopping
stopping._LAST_SECONDS = 0.5
stop, over = stopping.Stop(SystemClock()), threading.Event()
stop.enforce(over)
stop.ask()
if sys.argv[1] == "ends":
    over.set()
    threading.Event().wait(1.5)
    sys.exit(7)
threading.Event().wait()
"""


def test_time_is_counted_from_the_first_request(clock: FakeClock) -> None:
    stop = Stop(clock)
    stop.ask()
    clock.advance(3)
    stop.ask()
    assert (stop.seconds_left(9), stop.seconds_left(2)) == (6, 0)
    assert stop.at(9) == clock.monotonic() + 6


def test_a_process_that_hangs_on_its_way_out_is_ended_with_0() -> None:
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", HANGS, "hangs"], timeout=30, check=False)
    assert ended.returncode == 0
    assert time.monotonic() - began < 10


def test_a_process_that_is_through_is_left_alone() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS, "ends"], timeout=30, check=False)
    assert ended.returncode == 7


def test_nothing_is_enforced_before_the_request() -> None:
    stop, over = Stop(FakeClock(is_manual=True)), threading.Event()
    stop.enforce(over)
    assert not stop.event.is_set()
    over.set()
    stop.ask()
