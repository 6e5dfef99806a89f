"""When a report is due: once each day, week or month, whatever the clocks do."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from ipecs_mw.model.configuration.report_settings import ReportSettings
from ipecs_mw.reports.schedule import Schedule, build_schedule, find_last, find_next

ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Asia/Beirut")
schedules = st.builds(
    Schedule,
    every=st.just("day"),
    on=st.just(0),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(ZONES),
) | st.one_of(
    st.builds(Schedule, st.just("week"), st.integers(0, 6), st.just(time(2, 30)), st.sampled_from(ZONES)),
    st.builds(Schedule, st.just("month"), st.integers(1, 31), st.just(time(0, 0)), st.sampled_from(ZONES)),
)
instants = st.integers(0, 22 * 365 * 86400).map(
    lambda seconds: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def plan(zone: str, **changes: Any) -> Schedule:
    content = {"name": "a", "what": "queues", "period": "yesterday", "every": "day", "to": ["a@b"], **changes}
    return build_schedule(convert(content, ReportSettings), zone)


def list_due(schedule: Schedule, since: str, count: int) -> list[str]:
    found, at = [], datetime.fromisoformat(since)
    for _ in range(count):
        at = find_next(schedule, at)
        found.append(at.astimezone(ZoneInfo(schedule.zone)).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("changes", "zone", "due"),
    [
        ({}, "Asia/Singapore", ["2026-11-25T07:00+08:00", "2026-11-26T07:00+08:00"]),
        ({"every": "week"}, "UTC", ["2026-11-30T07:00+00:00", "2026-12-07T07:00+00:00"]),
        ({"every": "week", "on": "sunday"}, "UTC", ["2026-11-29T07:00+00:00", "2026-12-06T07:00+00:00"]),
        ({"every": "month"}, "UTC", ["2026-12-01T07:00+00:00", "2027-01-01T07:00+00:00"]),
        (
            {"every": "month", "on": 31, "at": "23:59"},
            "UTC",
            [
                "2026-11-30T23:59+00:00",
                "2026-12-31T23:59+00:00",
                "2027-01-31T23:59+00:00",
                "2027-02-28T23:59+00:00",
            ],
        ),
    ],
)
def test_a_report_is_due_at_its_local_time_in_a_short_month_on_the_last_day(
    changes: dict[str, Any], zone: str, due: list[str]
) -> None:
    assert list_due(plan(zone, **changes), "2026-11-24T20:00:00+00:00", len(due)) == due


@pytest.mark.parametrize(
    ("zone", "at", "since", "due"),
    [
        (  # 02:30 comes never
            "Europe/Berlin",
            "02:30",
            "2026-03-28T00:00:00+00:00",
            ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (  # 02:30 comes twice
            "Europe/Berlin",
            "02:30",
            "2026-10-24T00:00:00+00:00",
            ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            "Africa/Cairo",
            "00:00",
            "2026-04-22T22:30:00+00:00",
            ["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"],
        ),
        (
            "Australia/Lord_Howe",
            "01:45",
            "2026-04-04T00:00:00+00:00",
            ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
        ),
    ],
)
def test_a_report_is_due_once_in_a_night_in_which_clocks_are_changed(
    zone: str, at: str, since: str, due: list[str]
) -> None:
    assert list_due(plan(zone, at=at), since, len(due)) == due


@given(schedules, instants)
def test_the_next_and_the_last_are_neighbours(schedule: Schedule, now: datetime) -> None:
    last, following = find_last(schedule, now), find_next(schedule, now)
    assert last <= now < following
    assert find_next(schedule, last) == following
    assert find_last(schedule, following) == following
    assert find_last(schedule, following - timedelta(microseconds=1)) == last


@given(schedules, instants)
def test_each_day_week_or_month_has_exactly_one(schedule: Schedule, now: datetime) -> None:
    due = [now]
    for _ in range(5):
        due.append(find_next(schedule, due[-1]))
    most = {
        "day": timedelta(hours=25),
        "week": timedelta(days=7, hours=1),
        "month": timedelta(days=31, hours=1),
    }
    least = {"day": timedelta(hours=22), "week": timedelta(days=6, hours=22), "month": timedelta(days=27)}
    steps = [later - earlier for earlier, later in pairwise(due[1:])]
    assert all(least[schedule.every] <= step <= most[schedule.every] for step in steps)
