"""What looks every few seconds goes on whatever becomes of MongoDB."""

import threading

from support import FakeClock

from ipecs_mw.errors import StoreError, StoreUnavailable
from ipecs_mw.service.reports.turns import take_turns


def test_after_a_failure_it_is_tried_more_seldom_and_then_as_often_as_before(clock: FakeClock) -> None:
    stop = threading.Event()
    told: list[StoreError] = []
    failures = [True] * 8 + [False] * 2

    def turn() -> None:
        if failures.pop(0):
            raise StoreUnavailable("error.mongo_away", reason="gone")
        if not failures:
            stop.set()

    take_turns(turn, 1.0, clock, stop, told.append)
    assert clock.waits == [2, 4, 8, 16, 32, 60, 60, 60, 1, 1]
    assert len(told) == 8
