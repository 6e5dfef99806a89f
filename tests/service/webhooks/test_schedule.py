"""When a delivery is tried again, and a receiver that is dead at all."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ipecs_mw.service.webhooks.breaker import Breaker
from ipecs_mw.service.webhooks.schedule import GIVE_UP, find_next_try, read_retry_after

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOURS = (2, 5, 10, 14, 20, 24)


def test_tries_are_5_s_5_min_30_min_2_5_10_14_20_and_24_h_apart_and_then_there_is_none() -> None:
    expected = [5, 300, 1800, *(hours * 3600 for hours in HOURS)]
    found = [find_next_try(failed, None, NOW, spread=0.0) for failed in range(1, 10)]
    assert [at and (at - NOW).total_seconds() for at in found] == expected
    assert find_next_try(10, None, NOW) is None
    assert timedelta(seconds=sum(expected) * 1.1) < GIVE_UP


def test_a_wait_is_drawn_and_never_shorter_than_the_receiver_asks_for_up_to_a_day() -> None:
    drawn = [find_next_try(2, None, NOW) for _ in range(50)]
    assert all(at is not None and 300 <= (at - NOW).total_seconds() <= 330 for at in drawn)
    assert len(set(drawn)) > 1
    assert find_next_try(1, timedelta(hours=3), NOW) == NOW + timedelta(hours=3)
    assert find_next_try(1, timedelta(days=30), NOW) == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120), (" 7 ", 7), (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0), ("", None), ("soon", None), ("-5", None),
        ("9" * 400, None), ("Tue, 99 Foo 2026 99:99:99 GMT", None), ("²", None),
    ],
)  # fmt: skip
def test_what_a_receiver_says_of_the_next_try_is_seconds_or_an_instant(
    said: str, seconds: int | None
) -> None:
    found = read_retry_after({"retry-after": said}, NOW)
    assert (None if found is None else found.total_seconds()) == seconds


def test_a_receiver_is_dead_after_five_failures_and_tried_more_and_more_seldom() -> None:
    breaker = Breaker()
    assert [breaker.note_failure(0.0) for _ in range(5)] == [False] * 4 + [True]
    waits = []
    now = 0.0
    for _ in range(9):
        waits.append(breaker.seconds_left(now))
        now += waits[-1]
        assert breaker.seconds_left(now) == 0
        assert not breaker.note_failure(now)
    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert max(waits) == 300.0
    assert breaker.note_success()
    assert not breaker.is_open
    assert breaker.seconds_left(now) == 0
