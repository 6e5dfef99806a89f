"""What serial numbers tell, also to the one who goes on where another stopped."""

import pytest
from support import START_AT as AT

from ipecs_mw.service.intake.continuity import Continuity


def follow(*serials: int | None, connection: int = 1) -> Continuity:
    continuity = Continuity()
    continuity.begin(connection)
    for serial in serials:
        continuity.find_missing(serial, AT)
    return continuity


def test_who_goes_on_from_a_position_sees_the_jump_behind_it() -> None:
    later = Continuity(follow(1, 2, None).position)
    later.begin(1)
    assert later.find_missing(6, AT) == (3, 5)
    assert later.find_missing(7, AT) is None


def test_going_on_from_a_position_the_next_number_and_one_that_falls_back_are_no_jump() -> None:
    for serial in (3, 2, 1):
        later = Continuity(follow(1, 2).position)
        later.begin(1)
        assert later.find_missing(serial, AT) is None


def test_another_connection_than_that_of_the_position_counts_anew() -> None:
    later = Continuity(follow(1, 2).position)
    later.begin(2)
    assert later.find_missing(6, AT) is None


def test_since_when_numbers_may_be_missing_is_known_across_a_restart_and_forgotten_with_a_connection() -> (
    None
):
    later = Continuity(follow(1, 2, None).position)
    later.begin(1)
    assert later.counted_at == AT
    assert Continuity("1:2").counted_at is None, "as an earlier version kept it"
    later.begin(2)
    assert later.counted_at is None


def test_before_the_first_number_of_a_connection_there_is_no_position() -> None:
    assert Continuity().position is None
    assert follow(None).position is None
    continuity = follow(5)
    continuity.begin(2)
    assert continuity.position is None


@pytest.mark.parametrize("position", [None, "", "1", ":", "1:", "x:2", "1:x", "\ufffd:2", "1:" + "9" * 5000])
def test_a_position_that_cannot_be_read_counts_as_none(position: str | None) -> None:
    later = Continuity(position)
    later.begin(1)
    assert later.find_missing(6, AT) is None
    assert later.find_missing(8, AT) == (7, 7)
