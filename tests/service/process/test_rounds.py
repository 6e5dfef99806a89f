"""What looks every few seconds goes on whatever becomes of MongoDB."""

import threading

from support import FakeClock

from ipecs_mw.errors import StoreError, StoreUnavailable
from ipecs_mw.service.process.rounds import take_turns


def test_after_a_failure_it_is_tried_more_seldom_and_then_as_often_as_before(clock: FakeClock) -> None:
    stop = threading.Event()
    told: list[StoreError] = []
    failures = [True] * 8 + [False] * 2

    def turn() -> float:
        if failures.pop(0):
            raise StoreUnavailable("error.mongo_away", reason="gone")
        if not failures:
            stop.set()
        return 5.0

    take_turns(turn, clock, stop, told.append)
    assert clock.waits == [1, 2, 4, 8, 16, 30, 30, 30, 5, 5]
    assert len(told) == 8
