"""The host's local time → UTC.

Hosts send local time with no zone (interface notes, "Clocks"), so the zone comes from the configuration. In the
hour that a clock repeats in autumn both readings are possible; the one nearer to the time of reception is taken.
The administrator chose the order of day, month and year: without being told, only a year of four digits in front
is understood. A half of the day and an offset from UTC are taken where they stand.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_LONGEST = 40
_CENTURY = 2000
_TIME = re.compile(
    r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})\.?(?:[ ]{1,8}|[ ]?T)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?"
    r"[ ]?([AaPp]\.?[Mm]\.?)?[ ]?(Z|[+-]\d{1,2}(?::?\d{2})?)?",
    re.ASCII,
)


def to_utc(text: str, zone: ZoneInfo, received_at: datetime, order: str | None = None) -> datetime:
    """Return the instant of a date with its time; raise ValueError for anything else.

    `order` is `ymd`, `dmy` or `mdy` where the host's is known.
    """
    early, late = read_instants(text, zone, order)
    return early if early is late or abs(received_at - early) <= abs(received_at - late) else late


def read_instants(text: str, zone: ZoneInfo, order: str | None) -> tuple[datetime, datetime]:
    """Return both instants that a date with its time can be, nearly always the same; raise ValueError."""
    text = text.strip()
    if len(text) > _LONGEST:  # what is kept for the next time is not to fill the memory
        raise ValueError(text[:_LONGEST])
    return _both_readings(text, zone, order)


@lru_cache(maxsize=4096)
def _both_readings(text: str, zone: ZoneInfo, order: str | None) -> tuple[datetime, datetime]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day = _read_date((found[1], found[3], found[4]), order)
    local = datetime(
        year, month, day, _read_hour(found[5], found[8]), int(found[6]), int(found[7] or 0), tzinfo=zone
    )
    if found[9]:
        local = local.replace(tzinfo=_read_offset(found[9]))
    early, late = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    return early, early if early == late else late


def _read_date(parts: tuple[str, ...], order: str | None) -> tuple[int, int, int]:
    if len(parts[0]) == 4:
        order = "ymd"
    elif order is None:
        raise ValueError(parts)
    at = dict(zip(order, parts, strict=True))
    if len(at["y"]) not in (2, 4) or max(len(at["m"]), len(at["d"])) > 2:
        raise ValueError(parts)
    year = int(at["y"])
    return year if len(at["y"]) == 4 else _CENTURY + year, int(at["m"]), int(at["d"])


def _read_hour(text: str, half: str | None) -> int:
    hour = int(text)
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(text)
    return hour % 12 + (12 if half[0] in "Pp" else 0)


def _read_offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2] if len(digits) > 2 else digits), int(digits[2:] or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
