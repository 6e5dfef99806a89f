"""Threads that are to last: a defect ends none of them, and one that is gone shows."""

import threading
from itertools import pairwise

import pytest
from sites import wait_until
from support import FakeClock

from ipecs_mw.service.process.threads import LastingThreads


def test_a_defect_is_logged_and_the_work_goes_on_after_a_pause(clock: FakeClock) -> None:
    tried: list[float] = []

    def work() -> None:
        tried.append(clock.monotonic())
        if len(tried) < 3:
            raise KeyError("a defect")

    threads = LastingThreads(clock)
    thread = threads.start("leases", work, threading.Event())
    thread.join(30)
    assert [later - earlier for earlier, later in pairwise(tried)] == [5.0, 5.0]
    assert not threads.find_dead(), "its work is done"


def test_what_fails_all_the_time_ends_when_it_is_asked_to(clock: FakeClock) -> None:
    stop = threading.Event()

    def work() -> None:
        stop.set()
        raise KeyError("a defect")

    threads = LastingThreads(clock)
    thread = threads.start("leases", work, stop)
    thread.join(30)
    assert not thread.is_alive()
    assert not threads.find_dead()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_otherwise_is_dead(clock: FakeClock) -> None:
    def die() -> None:
        raise SystemExit

    threads = LastingThreads(clock)
    threads.start("leases", die, threading.Event())
    wait_until(lambda: threads.find_dead() == ["leases"], 30)
