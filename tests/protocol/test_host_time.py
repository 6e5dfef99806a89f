"""The host's local time in UTC, also in the two nights when its clock is set."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.protocol.host_time import to_utc

ZURICH = ZoneInfo("Europe/Zurich")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "received", "expected"),
    [
        ("2026/01/15 12:00:00", "2026-01-15 11:00", "2026-01-15 11:00"),
        ("2026/07/15 12:00:00", "2026-07-15 10:00", "2026-07-15 10:00"),
        ("2026-07-15 12:00", "2026-07-15 10:00", "2026-07-15 10:00"),
        # autumn: 02:00 to 03:00 comes twice
        ("2026/10/25 01:59:59", "2026-10-25 00:00:00", "2026-10-24 23:59:59"),
        ("2026/10/25 02:30:00", "2026-10-25 00:30:01", "2026-10-25 00:30:00"),
        ("2026/10/25 02:30:00", "2026-10-25 01:30:01", "2026-10-25 01:30:00"),
        ("2026/10/25 02:30:00", "2026-10-25 09:00:00", "2026-10-25 01:30:00"),
        ("2026/10/25 03:00:00", "2026-10-25 02:00:00", "2026-10-25 02:00:00"),
        # spring: 02:00 to 03:00 does not come at all, whatever a host's clock says
        ("2026/03/29 01:59:59", "2026-03-29 00:59:59", "2026-03-29 00:59:59"),
        ("2026/03/29 02:30:00", "2026-03-29 01:30:00", "2026-03-29 01:30:00"),
        ("2026/03/29 02:30:00", "2026-03-29 00:30:00", "2026-03-29 00:30:00"),
        ("2026/03/29 03:00:00", "2026-03-29 01:00:00", "2026-03-29 01:00:00"),
    ],
)
def test_a_local_time_is_the_reading_nearer_to_its_reception(text: str, received: str, expected: str) -> None:
    assert to_utc(text, ZURICH, utc(received)) == utc(expected)


NO_TIMES = """
now
12:00
2026-02-30 12:00
2026/01/01 25:00:00
26/01/01 12:00
2026-01-01 12:00+25:00
01/02/2026 12:00
28/11/26 23:05:22
2026/01/01 13:00 PM
2026/01-01 12:00
0000-00-00 00:00
""".splitlines()


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_local_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        to_utc(text, ZURICH, utc("2026-01-01 12:00"))


def test_a_time_that_is_padded_without_end_is_refused_and_not_remembered() -> None:
    padded = "2026/03/02" + " " * 100_000 + "08:00:00"
    with pytest.raises(ValueError, match="2026/03/02") as caught:
        to_utc(padded, ZoneInfo("UTC"), datetime(2026, 3, 2, tzinfo=UTC))
    assert len(str(caught.value)) < 100
    at = to_utc(" 2026/03/02  08:00:00 " + " " * 1000, ZoneInfo("UTC"), datetime(2026, 3, 2, tzinfo=UTC))
    assert at == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("28/11/26 23:05:22", "dmy", "2026-11-28 22:05:22"),
        ("28.11.2026 23:05", "dmy", "2026-11-28 22:05"),
        ("28.11.26. 23:05", "dmy", "2026-11-28 22:05"),
        ("11/28/2026 23:05:22", "mdy", "2026-11-28 22:05:22"),
        ("11/28/26 11:05:22 PM", "mdy", "2026-11-28 22:05:22"),
        ("26-11-28 23:05", "ymd", "2026-11-28 22:05"),
        ("2026-11-28 23:05", "mdy", "2026-11-28 22:05"),
        ("2026-11-28 12:05 am", None, "2026-11-27 23:05"),
        ("2026-11-28 12:05PM", None, "2026-11-28 11:05"),
        ("2026.11.28 23:05:22", None, "2026-11-28 22:05:22"),
        ("2026-11-28T23:05:22.123", None, "2026-11-28 22:05:22"),
        ("2026-11-28T23:05:22+09:00", None, "2026-11-28 14:05:22"),
        ("2026-11-28 23:05:22 -0330", None, "2026-11-29 02:35:22"),
        ("28/11/2026 23:05Z", "dmy", "2026-11-28 23:05"),
    ],
)
def test_a_date_is_read_as_the_administrator_chose(text: str, order: str | None, expected: str) -> None:
    assert to_utc(text, ZURICH, utc("2026-11-28 22:00"), order) == utc(expected)


@pytest.mark.parametrize("order", ["ymd", "dmy", "mdy"])
def test_a_date_that_does_not_fit_the_order_is_refused(order: str) -> None:
    for text in ("31/31/31 12:00", "1/1/1 12:00", "111/1/11 12:00", "11/28/2026", "12:00 28/11/2026"):
        with pytest.raises(ValueError, match=r".*"):
            to_utc(text, ZURICH, utc("2026-11-28 22:00"), order)


def test_no_host_fills_the_memory_with_padding() -> None:
    for length in (0, 1, 30, 100_000):
        text = "2026-01-15 12:00" + " " * length
        assert to_utc(text, ZURICH, utc("2026-01-15 11:00")) == utc("2026-01-15 11:00")
    with pytest.raises(ValueError, match=r"2026-01-15 {30}"):
        to_utc("2026-01-15" + " " * 100_000 + "12:00", ZURICH, utc("2026-01-15 11:00"))
