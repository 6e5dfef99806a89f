"""Periods by the calendar of a zone, on nights in which clocks are changed too."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipecs_mw.figures.time.periods import find_instant, find_span
from ipecs_mw.model.figure_names import Period

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "America/Nuuk",
    "America/Asuncion",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/New_York",
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(0, 27 * 365 * 86400).map(
    lambda seconds: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
PERIODS: tuple[Period, ...] = (
    "today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-year",
)  # fmt: skip
PAIRS: tuple[tuple[Period, Period], ...] = (
    ("yesterday", "today"), ("last-week", "this-week"), ("last-month", "this-month"),
)  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("period", "since", "until"),
    [
        ("today", "2026-11-24T00:00+08:00", "2026-11-25T00:00+08:00"),
        ("yesterday", "2026-11-23T00:00+08:00", "2026-11-24T00:00+08:00"),
        ("this-week", "2026-11-23T00:00+08:00", "2026-11-30T00:00+08:00"),
        ("last-week", "2026-11-16T00:00+08:00", "2026-11-23T00:00+08:00"),
        ("this-month", "2026-11-01T00:00+08:00", "2026-12-01T00:00+08:00"),
        ("last-month", "2026-10-01T00:00+08:00", "2026-11-01T00:00+08:00"),
        ("this-year", "2026-01-01T00:00+08:00", "2027-01-01T00:00+08:00"),
    ],
)
def test_a_period_is_whole_days_of_the_zone_and_weeks_begin_on_monday(
    period: Period, since: str, until: str
) -> None:
    now = at("2026-11-23T20:00+00:00")  # a Tuesday morning in Singapore already
    found = find_span(period, ZoneInfo("Asia/Singapore"), now)
    assert found == (at(since), at(until))
    assert all(each.tzinfo is UTC for each in found)


@pytest.mark.parametrize(
    ("zone", "day", "since", "hours"),
    [
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00+00:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30+00:00", 23.5),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00+00:00", 23),  # begins at one o'clock
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00+00:00", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00+00:00", 25),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00+00:00", 25),  # midnight comes twice
        ("Asia/Kathmandu", "2026-10-25", "2026-10-24T18:15+00:00", 24),
    ],
)
def test_a_day_has_as_many_hours_as_the_clocks_give_it(zone: str, day: str, since: str, hours: float) -> None:
    noon = datetime.combine(date.fromisoformat(day), time(12), ZoneInfo(zone))
    found = find_span("today", ZoneInfo(zone), noon)
    assert found == (at(since), at(since) + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("zone", "local", "found"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00+00:00"),  # never: when they pass it
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30+00:00"),  # twice: the first
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30+00:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45+00:00"),
        ("Africa/Cairo", "2026-04-24T00:30", "2026-04-23T22:00+00:00"),
        ("America/Toronto", "1919-03-31T00:10", "1919-03-31T04:30+00:00"),  # 23:30 became 00:30
        ("Pacific/Apia", "2011-12-30T07:00", "2011-12-30T10:00+00:00"),  # a day that there was not
    ],
)
def test_a_local_time_that_comes_twice_or_never_is_one_instant(zone: str, local: str, found: str) -> None:
    wanted = datetime.fromisoformat(local)
    assert find_instant(wanted.date(), wanted.time(), ZoneInfo(zone)) == at(found)


@given(instants, zones, st.sampled_from(PAIRS))
def test_the_last_period_ends_where_this_one_begins(
    now: datetime, zone: ZoneInfo, pair: tuple[Period, Period]
) -> None:
    last, this = (find_span(period, zone, now) for period in pair)
    assert last[1] == this[0]
    assert last[0] <= last[1] < this[1]


@given(instants, zones, st.sampled_from(PERIODS))
def test_a_period_has_exactly_the_instants_of_its_days(now: datetime, zone: ZoneInfo, period: Period) -> None:
    since, until = find_span(period, zone, now)
    if period.startswith(("today", "this")):
        assert since <= now < until
    days = {instant.astimezone(zone).date() for instant in (since, until - timedelta(seconds=1))}
    assert (since - timedelta(seconds=1)).astimezone(zone).date() < min(days)
    assert until.astimezone(zone).date() > max(days)
    assert find_span(period, zone, now) == find_span(period, zone, now.astimezone(zone))


@given(st.dates(date(2010, 1, 2), date(2037, 12, 30)), st.times(), zones)
def test_the_clocks_have_not_come_to_a_time_before_its_instant(
    day: date, wanted: time, zone: ZoneInfo
) -> None:
    wanted = wanted.replace(microsecond=0)
    found = find_instant(day, wanted, zone)
    naive = datetime.combine(day, wanted)
    assert found.astimezone(zone).replace(tzinfo=None) >= naive
    assert (found - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < naive
