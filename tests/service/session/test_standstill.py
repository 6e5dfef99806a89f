"""Whether a gap begins early enough after the process stood still."""

from datetime import timedelta

from support import FakeClock

from ipecs_mw.service.session.standstill import Standstill


def test_after_short_turns_a_gap_begins_with_the_last_frame(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    for _ in range(5):
        clock.advance(0.5)
        standstill.turn()
    assert standstill.bound(clock.now()) == clock.now()


def test_right_after_a_standstill_a_gap_begins_where_that_began(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began_at = clock.now()
    clock.advance(7)
    standstill.turn()
    clock.advance(1)
    standstill.turn()
    assert standstill.bound(clock.now()) == began_at
    assert standstill.bound(began_at - timedelta(seconds=1)) == began_at - timedelta(seconds=1)


def test_of_several_standstills_in_a_row_the_first_counts(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began_at = clock.now()
    for _ in range(2):
        clock.advance(3)
        standstill.turn()
    assert standstill.bound(clock.now()) == began_at


def test_what_counts_is_when_the_last_frame_came_however_late_its_loss_is_noticed(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    began_at = clock.now()
    clock.advance(15)
    standstill.turn()
    heard_at = clock.now()
    for _ in range(60):
        clock.advance(0.5)
        standstill.turn()
    assert standstill.bound(heard_at) == began_at
    assert standstill.bound(clock.now()) == clock.now(), (
        "a frame that came long after it is as young as it looks"
    )


def test_a_standstill_of_an_earlier_connection_does_not_count(clock: FakeClock) -> None:
    standstill = Standstill(clock)
    standstill.begin()
    clock.advance(7)
    standstill.turn()
    standstill.begin()
    assert standstill.bound(clock.now()) == clock.now()
