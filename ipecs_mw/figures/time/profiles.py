"""Profiles: the same hour of each day, or the same day of each week, taken together as one row."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ipecs_mw.figures.time.hours import WEEKDAYS
from ipecs_mw.figures.time.intervals import Span, count_most, list_intervals


class Profile(NamedTuple):
    """Of which intervals a profile is made, the field by which a row says which one it is, and its values."""

    interval: str
    field: str
    find: Callable[[datetime], int]
    values: Sequence[Any]


PROFILES: Mapping[str, Profile] = {
    "hour-of-day": Profile("1h", "hour", lambda local: local.hour, range(24)),
    "weekday": Profile("1d", "weekday", lambda local: local.weekday(), WEEKDAYS),
}
"""Interval of a question → the profile that it asks for."""


class Division(NamedTuple):
    """A stretch of time in intervals, and to which row each of them belongs: most have a row of their own."""

    spans: Sequence[Span]
    rows: Sequence[int]


def count_most_spans(since: datetime, until: datetime, interval: str) -> int:
    """Return about how many intervals a division has, without making them."""
    profile = PROFILES.get(interval)
    return count_most(since, until, profile.interval if profile else interval)


def divide(since: datetime, until: datetime, interval: str, zone: ZoneInfo) -> Division:
    """Return the intervals of a zone in `since` ≤ t < `until`, and the row of each: in a profile rows are shared.

    An hour that comes twice in a night belongs to its row twice, one that is left out belongs to none.
    """
    profile = PROFILES.get(interval)
    if profile is None:
        spans = list(list_intervals(since, until, interval, zone))
        return Division(spans, range(len(spans)))
    spans = list(list_intervals(since, until, profile.interval, zone))
    return Division(spans, [profile.find(begin.astimezone(zone)) for begin, _ in spans])
