"""Office hours and shifts: which quarter hours are inside, by the clock of a zone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ipecs_mw.model.configuration.figure_settings import Hours

WEEKDAYS: Sequence[str] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a week, by the names that the configuration has for them."""
_DAY = timedelta(days=1)

OUTSIDE, OFFICE = "outside", "office"


def is_inside(hours: Hours, quarter: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a quarter hour belongs to hours; those that end before they begin go on after midnight."""
    local = quarter.astimezone(zone)
    time = f"{local:%H:%M}"
    today, yesterday = WEEKDAYS[local.weekday()], WEEKDAYS[(local - _DAY).weekday()]
    if hours.begin < hours.end:
        return today in hours.days and hours.begin <= time < hours.end
    return (today in hours.days and time >= hours.begin) or (yesterday in hours.days and time < hours.end)


def find_filter(
    name: str | None, office: Hours | None, shifts: Mapping[str, Hours], zone: ZoneInfo
) -> Callable[[datetime], bool] | None:
    """Return what tells whether a quarter hour is wanted; None where all are. Raises KeyError for no such name."""
    if name is None:
        return None
    if name == OUTSIDE:
        return lambda quarter: office is None or not is_inside(office, quarter, zone)
    hours = office if name == OFFICE else shifts[name]
    if hours is None:
        raise KeyError(name)
    return lambda quarter: is_inside(hours, quarter, zone)
