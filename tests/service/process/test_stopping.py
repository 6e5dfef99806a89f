"""The one deadline of a stop."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stopwatch import Stopwatch
from support import FakeClock

import ipecs_mw
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
    watch = Stopwatch()
    ended = subprocess.run([sys.executable, "-c", HANGS, "hangs"], timeout=30, check=False)
    assert ended.returncode == 0
    assert watch.seconds < 10


def test_a_process_that_is_through_is_left_alone() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS, "ends"], timeout=30, check=False)
    assert ended.returncode == 7


def test_nothing_is_enforced_before_the_request() -> None:
    stop, over = Stop(FakeClock(is_manual=True)), threading.Event()
    stop.enforce(over)
    assert not stop.event.is_set()
    over.set()
    stop.ask()


SIGNALLED = """
import os, signal, sys, threading
from ipecs_mw.clock import SystemClock
from ipecs_mw.service.process.stopping import Stop
stop, over = Stop(SystemClock()), threading.Event()
hung_up = threading.Event()
stop.attend_signals(hung_up.set)
stop.enforce(over)
def report():
    if sys.argv[1] == "hang up":
        hung_up.wait(20)
        os._exit(40 + stop.event.is_set())
    stop.event.wait(20)
    if sys.argv[1] != "twice":
        os._exit(42)
threading.Thread(target=report).start()
print("ready", flush=True)
if sys.argv[1] == "locked":
    with stop.event._cond:  # as a main thread that is just setting the event
        threading.Event().wait(1)
    threading.Event().wait(20)
elif sys.argv[1] == "blocked":
    os.read(os.pipe()[0], 1)  # as a main thread that waits for a file
else:
    threading.Event().wait(20)
"""


def signalled(how: str, *numbers: int, before: Sequence[str] = (), **options: Any) -> int:
    """Return the exit code of a process that gets signals while its main thread is at something."""
    with subprocess.Popen(
        [*before, sys.executable, "-c", SIGNALLED, how], stdout=subprocess.PIPE, text=True, **options
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.3)  # two in one moment are one request
        return process.wait(30)


@pytest.mark.parametrize("how", ["waiting", "blocked"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_request_to_stop_whatever_the_main_thread_is_at(how: str, number: int) -> None:
    assert signalled(how, number) == 42


def test_a_signal_while_the_main_thread_holds_the_lock_that_stopping_needs_waits_for_it_and_hangs_nothing() -> (
    None
):
    assert signalled("locked", signal.SIGTERM) == 42


def test_a_second_signal_ends_the_process_at_once() -> None:
    assert signalled("twice", signal.SIGTERM, signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_hang_up_without_a_terminal_asks_for_new_log_files_and_nothing_else(is_ignored: bool) -> None:
    ignore = ["env", "--ignore-signal=HUP"] if is_ignored else []
    assert signalled("hang up", signal.SIGHUP, before=ignore, start_new_session=True) == 40


def test_no_handler_of_a_signal_takes_a_lock() -> None:
    """A handler runs at any step of the main thread, which may hold that lock: both wait for ever then."""
    package = Path(ipecs_mw.__file__).parent
    lines = [
        line.strip()
        for file in sorted(package.rglob("*.py"))
        for line in file.read_text("utf-8").splitlines()
        if "signal.signal(" in line
    ]
    harmless = ("signal.SIG_DFL)", "lambda *_: None)", "_interrupt)")  # the last one raises
    assert len(lines) == len(harmless)
    assert all(line.partition("#")[0].strip().endswith(harmless) for line in lines), lines
