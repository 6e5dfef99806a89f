"""When a report is due: once each day, week or month, whatever clocks are changed that night."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from ipecs_mw.figures.time.periods import find_instant
from ipecs_mw.model.configuration.report_settings import Every, ReportSettings

_DAY = timedelta(days=1)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Schedule(Struct, frozen=True):
    """`on` is a weekday from 0, Monday, or a day of the month from 1; `at` is by the clocks of `zone`."""

    every: Every
    on: int
    at: time
    zone: str

    def spell(self) -> str:
        """Return it as one word, for comparing."""
        return f"{self.every} {self.on} {self.at:%H:%M} {self.zone}"


def build_schedule(report: ReportSettings, zone: str) -> Schedule:
    """Return when a report is sent; `zone` is the one that counts for it."""
    on = report.on if report.on is not None else {"day": 0, "week": "monday", "month": 1}[report.every]
    number = on if isinstance(on, int) else _WEEKDAYS.index(on)
    return Schedule(report.every, number, time.fromisoformat(report.at), zone)


def find_next(schedule: Schedule, after: datetime) -> datetime:
    """Return the first instant after `after` at which a report is due, in UTC."""
    zone = ZoneInfo(schedule.zone)
    days = _list_days(schedule, after.astimezone(zone).date() - _DAY, _DAY)
    return next(due for day in days if (due := find_instant(day, schedule.at, zone)) > after)


def find_last(schedule: Schedule, now: datetime) -> datetime:
    """Return the last instant at which a report was due, `now` included, in UTC."""
    zone = ZoneInfo(schedule.zone)
    days = _list_days(schedule, now.astimezone(zone).date() + _DAY, -_DAY)
    return next(due for day in days if (due := find_instant(day, schedule.at, zone)) <= now)


def _list_days(schedule: Schedule, day: date, step: timedelta) -> Iterator[date]:
    """Yield the days of the schedule from one on."""
    while True:
        if _is_day(schedule, day):
            yield day
        day += step


def _is_day(schedule: Schedule, day: date) -> bool:
    if schedule.every == "week":
        return day.weekday() == schedule.on
    if schedule.every == "month":
        is_last = (day + _DAY).month != day.month
        return day.day == schedule.on or (is_last and schedule.on > day.day)
    return True
