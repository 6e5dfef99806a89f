"""Whether a gap begins early enough after the process stood still."""

from datetime import timedelta

import pytest
from support import FakeClock

from ipecs_mw.service.intake.gaps import Moment
from ipecs_mw.service.session.standstill import Standstill


def test_after_short_turns_a_gap_begins_with_the_last_frame(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    for _ in range(5):
        clock.advance(0.5)
        assert not standstill.turn()
    assert standstill.bound(Moment.read(clock)) == Moment.read(clock)


def test_right_after_a_standstill_a_gap_begins_where_that_began(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began = Moment.read(clock)
    clock.advance(7)
    assert standstill.turn()
    clock.advance(1)
    assert not standstill.turn()
    assert standstill.bound(Moment.read(clock)) == began
    before = Moment(began.at - timedelta(seconds=1), began.monotonic - 1)
    assert standstill.bound(before) == before


def test_of_several_standstills_in_a_row_the_first_counts(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began = Moment.read(clock)
    for _ in range(2):
        clock.advance(3)
        standstill.turn()
    assert standstill.bound(Moment.read(clock)) == began


def test_what_counts_is_when_the_last_frame_came_however_late_its_loss_is_noticed(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began = Moment.read(clock)
    clock.advance(15)
    standstill.turn()
    heard = Moment.read(clock)
    for _ in range(60):
        clock.advance(0.5)
        standstill.turn()
    assert standstill.bound(heard) == began
    assert standstill.bound(Moment.read(clock)) == Moment.read(clock), (
        "a frame that came long after it is as young as it looks"
    )


@pytest.mark.parametrize("seconds", [-3600, 3600, -5])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_clock_that_is_set_in_or_after_a_standstill_does_not_hide_it(
    clock: FakeClock, seconds: float, is_after: bool
) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began = Moment.read(clock)
    clock.advance(7)
    if not is_after:
        clock.jump(seconds)
    standstill.turn()
    if is_after:
        clock.jump(seconds)
    assert standstill.bound(Moment.read(clock)) == began


def test_a_standstill_of_an_earlier_connection_does_not_count(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    clock.advance(7)
    standstill.turn()
    standstill.begin()
    assert standstill.bound(Moment.read(clock)) == Moment.read(clock)
