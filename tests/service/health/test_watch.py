"""The watch inside tells of each standstill once when it begins and once when it ends."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import wait_until

from ipecs_mw import logs, outside
from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.health.watch import Watch
from ipecs_mw.service.process import turns
from ipecs_mw.service.process.threads import LastingThreads
from ipecs_mw.service.process.turns import WatchedClock


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.setattr(outside, "_asked", {})  # what an earlier test asked for may never come
    stream = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=stream)
    yield stream
    logs.configure(shipped_texts("en-GB"), stream=io.StringIO())


def test_a_thread_that_hangs_is_told_with_its_stack_and_when_it_goes_on(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_LOOKS", 2)
    clock, stop = WatchedClock(SystemClock()), threading.Event()
    watch, begun, leave = Watch(clock, stop), threading.Event(), threading.Event()

    def wait_for_a_dead_disk() -> None:
        clock.monotonic()
        begun.set()
        leave.wait()

    thread = LastingThreads(clock).start("session-main", wait_for_a_dead_disk, stop)
    assert begun.wait(10)
    for _ in range(6):
        watch.look()
    assert lines.getvalue().count("thread.stalled") == 1
    assert "wait_for_a_dead_disk" in lines.getvalue()
    assert watch.find_hung() == [{"reason": "thread_stalled", "thread": "session-main"}]
    leave.set()
    thread.join(10)
    watch.look()
    watch.look()
    assert lines.getvalue().count("thread.resumed") == 1
    assert watch.find_hung() == watch.find_amiss() == []


def test_what_does_not_answer_is_told_until_it_does(
    lines: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "password"
    os.mkfifo(pipe)
    monkeypatch.setattr(outside.find_silent, "__defaults__", (0.05,))
    watch = Watch(WatchedClock(SystemClock()), threading.Event())
    with pytest.raises(TimeoutError):
        outside.read_file(pipe, seconds=0.1)
    for _ in range(3):
        watch.look()
    assert lines.getvalue().count("outside.silent") == 1
    assert [finding["what"] for finding in watch.find_amiss()] == [str(pipe)]
    assert watch.find_hung() == []
    pipe.write_bytes(b"late")
    wait_until(lambda: not outside.find_silent())
    watch.look()
    watch.look()
    assert lines.getvalue().count("outside.answered") == 1
