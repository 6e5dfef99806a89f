"""The host's local time → UTC.

Hosts send local time with no zone (interface notes, "Clocks"), so the zone comes from the configuration. In the
hour that a clock repeats in autumn both readings are possible; the one nearer to the time of reception is taken.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_LONGEST = 40
_TIME = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*")


def to_utc(text: str, zone: ZoneInfo, received_at: datetime) -> datetime:
    """Return the instant of `YYYY/MM/DD hh:mm:ss` or `YYYY-MM-DD hh:mm`; raise ValueError for anything else."""
    text = text.strip()
    if len(text) > _LONGEST:  # what is kept for the next time is not to fill the memory
        raise ValueError(text[:_LONGEST])
    early, late = _both_readings(text, zone)
    return early if early == late or abs(received_at - early) <= abs(received_at - late) else late


@lru_cache(maxsize=4096)
def _both_readings(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    local = datetime(*(int(part or 0) for part in found.groups()), tzinfo=zone)  # type: ignore[arg-type, misc]
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
