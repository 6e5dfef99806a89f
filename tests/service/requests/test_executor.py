"""When the executor looks at the queue and has call records read."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.requests.executor import Executor


class Played:
    """An executor whose parts note what they are told; `on_wait` is called with each wait, before it ends."""

    def __init__(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.looked_at: list[float] = []
        self.read_at: list[float] = []
        self.stop = threading.Event()
        self.on_wait: Callable[[], None] = lambda: None
        self._clock = clock
        wait = clock.wait

        def wait_and_play(event: threading.Event, seconds: float | None) -> bool:
            told = wait(event, seconds)
            self.on_wait()
            return told

        monkeypatch.setattr(clock, "wait", wait_and_play)
        parts: dict[str, Any] = {
            "session": SimpleNamespace(is_up=True, note=lambda: None),
            "records": SimpleNamespace(
                begin=lambda: self.read_at.append(clock.monotonic()), step=lambda: False
            ),
            "lost_calls": SimpleNamespace(begin=lambda: None, step=lambda: False),
            "worker": SimpleNamespace(
                serve=self._serve, expire=lambda: None, resolve=lambda: None, give_up=lambda: None
            ),
            "store": SimpleNamespace(has_change_streams=True),
        }
        has_store = threading.Event()
        has_store.set()
        host = HostSettings("main", "127.0.0.1", "api", "secret", "UTC")
        self.executor = Executor(host, **parts, has_store=has_store, clock=clock, stop=self.stop)

    def _serve(self) -> bool:
        self.looked_at.append(self._clock.monotonic())
        return False

    def run(self, seconds: float, on_wait: Callable[[], None] = lambda: None) -> None:
        ends_at = self._clock.monotonic() + seconds

        def play() -> None:
            on_wait()
            if self._clock.monotonic() >= ends_at:
                self.stop.set()

        self.on_wait = play
        self.executor.run()


@pytest.fixture
def played(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(clock, monkeypatch)


def test_a_request_that_is_told_just_as_the_wait_ends_is_looked_for_at_once(
    played: Played, clock: FakeClock
) -> None:
    told_at: list[float] = []

    def tell_once() -> None:
        if len(played.looked_at) == 1 and not told_at and clock.monotonic() > 1001:
            told_at.append(clock.monotonic())
            played.executor.on_request()

    played.run(4, tell_once)
    assert told_at
    assert played.looked_at[1] == told_at[0]


def test_a_host_that_leaves_numbers_out_all_the_time_has_its_records_read_every_10_s(
    played: Played, clock: FakeClock
) -> None:
    began_at = clock.monotonic()
    played.run(31, played.executor.on_gap)
    assert [at - began_at for at in played.read_at] == [0.5, 10.5, 20.5, 30.5]


def test_a_session_that_is_up_has_its_records_read_at_once(played: Played, clock: FakeClock) -> None:
    played.executor.on_gap()
    played.run(1)
    played.stop.clear()
    played.executor.on_up()
    played.run(1)
    assert len(played.read_at) == 2
