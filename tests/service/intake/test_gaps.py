"""A gap covers all that is missing, whatever the clocks did meanwhile."""

from datetime import timedelta

import pytest
from support import FakeClock

from ipecs_mw.service.intake.gaps import Moment, bound_gap

LOST_SECONDS = 600.0


def lose(clock: FakeClock, jump: float) -> tuple[Moment, Moment]:
    """Return when a loss began and ended in whose middle the clock was set."""
    since = Moment.read(clock)
    clock.advance(LOST_SECONDS / 2)
    clock.jump(jump)
    clock.advance(LOST_SECONDS / 2)
    return since, Moment.read(clock)


@pytest.mark.parametrize("jump", [-86400, -3600, -600, -599, -300, -1, 0, 1, 300, 3600, 86400])
def test_a_gap_is_as_long_as_the_loss_by_the_clock_before_and_by_the_clock_after(
    clock: FakeClock, jump: float
) -> None:
    since, until = lose(clock, jump)
    began_at, ended_at = bound_gap(since, until)
    lost = timedelta(seconds=LOST_SECONDS)
    for first_at, last_at in ((since.at, since.at + lost), (until.at - lost, until.at)):
        assert began_at is None or began_at <= first_at
        assert ended_at >= last_at


def test_without_a_jump_a_gap_is_no_longer_than_the_loss(clock: FakeClock) -> None:
    since, until = lose(clock, 0)
    assert bound_gap(since, until) == (since.at, until.at)


@pytest.mark.parametrize("jump", [-3600, -LOST_SECONDS])
def test_a_beginning_that_is_not_before_the_end_is_left_out(clock: FakeClock, jump: float) -> None:
    assert bound_gap(*lose(clock, jump))[0] is None


def test_of_a_former_run_only_the_wall_clock_counts(clock: FakeClock) -> None:
    since, until = lose(clock, -300)
    assert bound_gap(Moment(since.at), until) == (since.at, until.at)
    assert bound_gap(Moment(until.at), until) == (None, until.at)
    assert bound_gap(None, until) == (None, until.at)
