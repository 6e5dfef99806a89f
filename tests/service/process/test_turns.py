"""Which threads stand still, told by looks and not by seconds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.service.process import turns
from ipecs_mw.service.process.threads import WatchedThread
from ipecs_mw.service.process.turns import WatchedClock


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> WatchedClock:
    monkeypatch.setattr(turns, "_LOOKS", 3)
    return WatchedClock(SystemClock())


@contextmanager
def thread_that(run: object) -> Iterator[threading.Event]:
    """Run a thread named `worker` until left; it is at its work when this yields."""
    begun, leave = threading.Event(), threading.Event()
    thread = WatchedThread(target=run, args=(begun, leave), name="worker", daemon=True)  # type: ignore[arg-type]
    thread.start()
    assert begun.wait(10)
    try:
        yield leave
    finally:
        leave.set()
        thread.join(10)


def look(clock: WatchedClock, times: int) -> list[str]:
    return [standstill.thread for _ in range(times) for standstill in clock.look()[0]]


def test_a_thread_that_no_longer_asks_for_the_time_is_told_once_with_its_stack(watched: WatchedClock) -> None:
    def hang_in_here(begun: threading.Event, leave: threading.Event) -> None:
        watched.monotonic()
        begun.set()
        leave.wait()
        watched.now()
        begun.clear()

    with thread_that(hang_in_here):
        assert look(watched, 3) == []
        (standstill,) = watched.look()[0]
        assert standstill.thread == "worker"
        assert "hang_in_here" in standstill.stack
        assert look(watched, 5) == []
        assert watched.find_standing() == ["worker"]
    assert watched.look() == ([], ["worker"])
    assert watched.find_standing() == []


def test_a_thread_that_waits_by_the_clock_does_so_by_design(watched: WatchedClock) -> None:
    def rest(begun: threading.Event, leave: threading.Event) -> None:
        threading.Timer(0.05, begun.set).start()
        watched.wait(leave, None)

    with thread_that(rest):
        assert look(watched, 10) == []


def test_a_thread_that_goes_round_between_any_two_looks_does_not_stand_still(watched: WatchedClock) -> None:
    step, stepped = threading.Semaphore(0), threading.Semaphore(0)

    def go_round(begun: threading.Event, leave: threading.Event) -> None:
        begun.set()
        while not leave.is_set():
            step.acquire()
            watched.monotonic()
            stepped.release()

    with thread_that(go_round) as leave:
        for _ in range(10):
            step.release()
            stepped.acquire()
            assert look(watched, 1) == []
        leave.set()
        step.release()


def test_a_machine_that_gives_nobody_time_raises_no_alarm(watched: WatchedClock) -> None:
    """Seconds without a look do not count: whoever looks had no time either."""

    def hang(begun: threading.Event, leave: threading.Event) -> None:
        watched.monotonic()
        begun.set()
        leave.wait()

    with thread_that(hang):
        assert look(watched, 2) == []


def test_a_thread_that_ended_is_no_longer_looked_at(watched: WatchedClock) -> None:
    def end(begun: threading.Event, _leave: threading.Event) -> None:
        watched.monotonic()
        begun.set()

    with thread_that(end):
        pass
    assert look(watched, 10) == []
