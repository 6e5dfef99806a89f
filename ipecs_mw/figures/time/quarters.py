"""Quarter hours in UTC: what all figures are made of, since every zone's offset is a multiple of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

QUARTER = timedelta(minutes=15)
QUARTER_SECONDS = 900
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def find_quarter(at: datetime) -> datetime:
    """Return the beginning of the quarter hour of an instant."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def list_quarters(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the quarter hours that have a part in `since` ≤ t < `until`."""
    quarter = find_quarter(since)
    while quarter < until:
        yield quarter
        quarter += QUARTER


def split(since: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
    """Yield each quarter hour that a stretch of time touches, and how many seconds of it."""
    quarter = find_quarter(since)
    while quarter < until:
        end = quarter + QUARTER
        yield quarter, (min(end, until) - max(quarter, since)).total_seconds()
        quarter = end
