"""The names by which figures are asked for: what of, in which intervals, of which period."""

from typing import Literal

What = Literal[
    "queues", "agents", "stations", "departments", "trunks", "dids", "numbers", "hours", "calls", "day"
]

Interval = Literal["15m", "30m", "1h", "1d", "1w", "1M", "all"]

Period = Literal["today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-year"]
"""A span of whole days by the calendar of a zone; weeks begin on Monday."""
