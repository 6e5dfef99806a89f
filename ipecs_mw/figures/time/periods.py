"""Periods of whole days by the calendar of a zone → the instants between which they are."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ipecs_mw.model.figure_names import Period

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_SECOND = timedelta(seconds=1)
_MOMENT = timedelta(microseconds=1)


def find_span(period: Period, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """Return (since, until) of a period as seen from `now`, aware and in UTC: since ≤ instant < until.

    A period that is not over ends where it will end. Days have 23 to 25 hours where clocks are changed.
    """
    first, after = _DAYS[period](now.astimezone(zone).date())
    return find_instant(first, time(), zone), find_instant(after, time(), zone)


def choose_span(
    period: Period | None, since: datetime | None, until: datetime | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Return from when until when: as given, else a period, else today.

    Up to now where only `since` is given; the day up to `until` where only that is.
    """
    if until is not None and since is None:
        return find_span("today", zone, until - _MOMENT)[0], until
    begin, end = find_span(period or "today", zone, now)
    return since or begin, until or (now if since else end)


def find_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when the clocks of a zone come to `at` on a day, in UTC.

    That is the first time where they show it twice, and where they leave it out, the moment at which they pass it.
    """
    wanted = datetime.combine(day, at)
    found = wanted.replace(tzinfo=zone).astimezone(UTC)
    if _read_clock(found, zone) == wanted:
        return found
    before, passed = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC), found
    while passed - before > _SECOND:
        middle = before + (passed - before) // 2
        middle = middle.replace(microsecond=0)
        if _read_clock(middle, zone) < wanted:
            before = middle
        else:
            passed = middle
    return passed


def _read_clock(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _begin_week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _begin_month(day: date) -> date:
    return day.replace(day=1)


def next_month(day: date) -> date:
    """Return the first day of the month after that of a day."""
    return _begin_month(_begin_month(day) + timedelta(days=31))


_DAYS: Mapping[Period, Callable[[date], tuple[date, date]]] = {
    "today": lambda day: (day, day + _DAY),
    "yesterday": lambda day: (day - _DAY, day),
    "this-week": lambda day: (_begin_week(day), _begin_week(day) + _WEEK),
    "last-week": lambda day: (_begin_week(day) - _WEEK, _begin_week(day)),
    "this-month": lambda day: (_begin_month(day), next_month(day)),
    "last-month": lambda day: (_begin_month(_begin_month(day) - _DAY), _begin_month(day)),
    "this-year": lambda day: (date(day.year, 1, 1), date(day.year + 1, 1, 1)),
}
"""Period → its first day and the first day after it, of any day."""
