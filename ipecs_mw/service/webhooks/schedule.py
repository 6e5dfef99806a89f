"""When a delivery that failed is tried again, and when no more; what an answer says of it. Pure."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
"""After the first try that fails, after the second, …; after the last that is tried the delivery is set aside."""

GIVE_UP: Final = sum(DELAYS, timedelta()) + timedelta(hours=12)
"""What is older is set aside although it was hardly tried, as with a receiver that was dead all the while."""

LONGEST_WAIT: Final = timedelta(hours=24)
_JITTER: Final = 0.1
_GONE: Final = 410


def find_next_try(
    failed: int, retry_after: timedelta | None, now: datetime, spread: float | None = None
) -> datetime | None:
    """Return when a delivery is tried again after so many tries failed; None: no more.

    Never earlier than the receiver asks for (`retry_after`), which counts up to a day. `spread`, 0 to 1, is drawn.
    """
    if failed > len(DELAYS):
        return None
    drawn = random.random() if spread is None else spread  # noqa: S311 - no secret
    delay = DELAYS[failed - 1] * (1 + _JITTER * drawn)
    return now + max(delay, min(retry_after or timedelta(), LONGEST_WAIT))


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long a receiver asks to wait: seconds, or until an instant; None where it does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < len(str(10**9)):
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(at - now, timedelta())


def is_delivered(status: int) -> bool:
    """Tell whether a status says that the receiver has the message: 2xx alone does."""
    return 200 <= status < 300


def is_gone(status: int) -> bool:
    """Tell whether a status says that the receiver wants nothing more."""
    return status == _GONE
