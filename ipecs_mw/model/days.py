"""Days in UTC: what lasted is found again by the days that it touched."""

from datetime import UTC, datetime, timedelta

_DAY = timedelta(days=1)


def begin_utc_day(at: datetime) -> datetime:
    """Return the first instant of the day of an instant, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def list_days(since: datetime, until: datetime) -> list[datetime]:
    """Return the days that a stretch of time touches, each by its first instant."""
    days = [begin_utc_day(since)]
    while (day := days[-1] + _DAY) < until:
        days.append(day)
    return days
