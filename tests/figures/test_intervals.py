"""Intervals of zones: hours that come twice, days that begin at one o'clock, zones of half an hour."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.figures.time.intervals import INTERVALS, begin_day, count_most, find_day, list_intervals
from ipecs_mw.figures.time.quarters import QUARTER, list_quarters, split


def at(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)  # type: ignore[misc, arg-type]


def show(zone: str, spans: list[tuple[datetime, datetime]]) -> list[str]:
    return [f"{since.astimezone(ZoneInfo(zone)):%H:%M%z}" for since, _ in spans]


def test_the_night_of_montreal_has_four_hours_as_in_wazo_s_tests() -> None:
    zone = "America/Montreal"
    since, until = at(zone, 2020, 10, 31, 23), at(zone, 2020, 11, 1, 2)
    spans = list(list_intervals(since, until, "1h", ZoneInfo(zone)))
    assert show(zone, spans) == ["23:00-0400", "00:00-0400", "01:00-0400", "01:00-0500"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", (2026, 10, 4), 23.5),
        ("Africa/Cairo", (2026, 4, 24), 23.0),
        ("Europe/Berlin", (2026, 10, 25), 25.0),
        ("Asia/Kathmandu", (2026, 1, 1), 24.0),
    ],
)
def test_a_day_has_the_hours_that_its_zone_gives_it(
    zone: str, day: tuple[int, int, int], hours: float
) -> None:
    here = ZoneInfo(zone)
    since = begin_day(datetime(*day, tzinfo=here).date(), here)
    until = begin_day((datetime(*day, tzinfo=here) + timedelta(days=1)).date(), here)
    assert (until - since) / timedelta(hours=1) == hours
    assert list(list_intervals(since, until, "1d", here)) == [(since, until)]


def test_a_day_without_midnight_begins_at_one_o_clock() -> None:
    zone = ZoneInfo("Africa/Cairo")
    begin = begin_day(datetime(2026, 4, 24, tzinfo=zone).date(), zone).astimezone(zone)
    assert (begin.day, begin.hour) == (24, 1)


def test_a_day_whose_midnight_falls_into_a_longer_change_of_the_clock_begins_when_that_is_over() -> None:
    zone = ZoneInfo("America/Toronto")  # 30 March 1919: from 23:30 on to 0:30
    begin = begin_day(datetime(1919, 3, 31, tzinfo=zone).date(), zone).astimezone(zone)
    assert f"{begin:%Y-%m-%d %H:%M}" == "1919-03-31 00:30"


def test_a_day_that_a_zone_left_out_is_no_interval() -> None:
    zone = ZoneInfo("Pacific/Apia")
    since, until = at("Pacific/Apia", 2011, 12, 29), at("Pacific/Apia", 2012, 1, 1)
    days = [find_day(begin, zone).day for begin, _ in list_intervals(since, until, "1d", zone)]
    assert days == [29, 31]


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize(
    "zone", ["Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "Europe/Berlin", "Pacific/Chatham"]
)
def test_intervals_have_no_holes_and_no_overlaps(zone: str, interval: str) -> None:
    random = Random(f"{zone} {interval}")
    for _ in range(20):
        since = datetime(2026, 1, 1, tzinfo=UTC) + random.randrange(40000) * QUARTER
        until = since + random.randrange(1, 4000) * QUARTER
        spans = list(list_intervals(since, until, interval, ZoneInfo(zone)))
        edges = [since, *(end for _, end in spans)]
        assert [begin for begin, _ in spans] == edges[:-1]
        assert edges[-1] == until
        assert all(begin < end for begin, end in spans)
        assert len(spans) <= count_most(since, until, interval) + 2


def test_a_stretch_is_split_exactly_at_the_boundaries() -> None:
    since, until = datetime(2026, 3, 2, 8, 14, 30, tzinfo=UTC), datetime(2026, 3, 2, 8, 45, 1, tzinfo=UTC)
    assert [seconds for _, seconds in split(since, until)] == [30.0, 900.0, 900.0, 1.0]
    assert [quarter.minute for quarter in list_quarters(since, until)] == [0, 15, 30, 45]
