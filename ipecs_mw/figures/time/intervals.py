"""Intervals of a zone: quarters and hours by its clock, days, weeks and months by its calendar.

A day has 23, 23½, 24, 24½ or 25 hours, and may begin at one o'clock where midnight does not exist. An hour that
comes twice is two intervals.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from ipecs_mw.figures.time.periods import find_instant, next_month
from ipecs_mw.figures.time.quarters import QUARTER, list_quarters

Span = tuple[datetime, datetime]

_MINUTES: Mapping[str, int] = {"15m": 15, "30m": 30, "1h": 60}
_MONDAY = 0


def find_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the day of an instant by the zone's calendar."""
    return at.astimezone(zone).date()


def begin_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day of a zone, in UTC; that of the next where the zone left it out."""
    return find_instant(day, time(), zone)


def next_day(day: date) -> date:
    """Return the day after a day."""
    return day + timedelta(days=1)


def _next_week(day: date) -> date:
    return day + timedelta(days=7 - (day.weekday() - _MONDAY))


_NEXT: Mapping[str, Callable[[date], date]] = {
    "1d": next_day,
    "1w": _next_week,
    "1M": next_month,
}
"""How the first day of the next interval follows from any day of one."""

INTERVALS: Sequence[str] = (*_MINUTES, *_NEXT, "all")


def count_most(since: datetime, until: datetime, interval: str) -> int:
    """Return about how many intervals there are, without making them."""
    days = (until - since) / timedelta(days=1)
    each = {"15m": 1 / 96, "30m": 1 / 48, "1h": 1 / 24, "1d": 1.0, "1w": 7.0, "1M": 28.0}
    return 1 if interval == "all" else int(days / each[interval]) + 2


def list_intervals(since: datetime, until: datetime, interval: str, zone: ZoneInfo) -> Iterator[Span]:
    """Yield the intervals of a zone that have a part in `since` ≤ t < `until`, cut to it, in UTC.

    `since` and `until` stand at quarters of an hour.
    """
    if since >= until:
        return
    if interval == "all":
        yield since, until
    elif interval in _MINUTES:
        yield from _list_short(since, until, _MINUTES[interval], zone)
    else:
        yield from pairwise(_list_edges(since, until, _NEXT[interval], zone))


def _list_short(since: datetime, until: datetime, minutes: int, zone: ZoneInfo) -> Iterator[Span]:
    def name(quarter: datetime) -> tuple[date, int, timedelta | None]:
        local = quarter.astimezone(zone)
        of_day = local.hour * 60 + local.minute
        return local.date(), of_day // minutes, local.utcoffset()

    for _, quarters in groupby(list_quarters(since, until), name):
        of_one = list(quarters)
        yield of_one[0], of_one[-1] + QUARTER


def _list_edges(
    since: datetime, until: datetime, step: Callable[[date], date], zone: ZoneInfo
) -> Iterator[datetime]:
    yield since
    edge, day = since, find_day(since, zone)
    while True:
        day = step(day)
        following = begin_day(day, zone)
        if following >= until:
            yield until
            return
        if following > edge:
            yield following
        edge = following
