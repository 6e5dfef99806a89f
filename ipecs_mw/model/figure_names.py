"""The names by which figures are asked for: what of, in which intervals, of which period."""

from collections.abc import Collection, Mapping
from typing import Literal

What = Literal[
    "queues", "agents", "stations", "departments", "trunks", "dids", "numbers", "hours", "calls", "day"
]

Interval = Literal["15m", "30m", "1h", "1d", "1w", "1M", "all", "hour-of-day", "weekday"]
"""`hour-of-day` and `weekday` have a row for each hour of the day, or day of the week, all days together."""

Period = Literal["today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-year"]
"""A span of whole days by the calendar of a zone; weeks begin on Monday."""

BY_INTERVAL: Collection[What] = frozenset({"queues", "agents", "hours", "day"})
"""What has a row for each interval; all else is of the whole time that is asked for."""

_OF_CALLS = frozenset({"host", "group", "station"})

LIMITS: Mapping[What, Collection[str]] = {
    "queues": {"host", "group"},
    "day": {"host", "group"},
    "agents": {"host", "group", "agent", "station"},
    "hours": {"host"},
    "stations": _OF_CALLS,
    "departments": _OF_CALLS,
    "trunks": _OF_CALLS,
    "dids": _OF_CALLS,
    "numbers": _OF_CALLS,
    "calls": _OF_CALLS,
}
"""What → by what it can be narrowed down to one of these."""
