"""What a cell of figures reads like to people."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.figures.answers.cells import measure_bar, spell_cell, spell_instant
from ipecs_mw.figures.answers.table import Column, Table, Unit
from ipecs_mw.seeds import shipped_texts

BERLIN = ZoneInfo("Europe/Berlin")


def spell(unit: Unit, value: Any, locale: str = "en-GB") -> str:
    return spell_cell(Column("x", "x", unit), {"x": value}, shipped_texts(locale), BERLIN)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("count", 1234, "1234"),
        ("share", 0.7, "70.0 %"),
        ("share", 7 / 9, "77.8 %"),
        ("share", 1, "100.0 %"),
        ("decimal", 2.25, "2.25"),
        ("seconds", 0, "00:00"),
        ("seconds", 9.33, "00:09"),
        ("seconds", 59.5, "01:00"),
        ("seconds", 3599, "59:59"),
        ("seconds", 3600, "1:00:00"),
        ("seconds", 360000, "100:00:00"),
        ("instant", datetime(2026, 11, 24, 9, tzinfo=UTC), "2026-11-24 10:00"),
        ("instant", datetime(2026, 11, 24, 9, 0, 7, tzinfo=UTC), "2026-11-24 10:00:07"),
        ("text", "Sales\x1b[31m\n", "Sales\\x1b[31m\\n"),
        ("text", None, ""),
        ("count", None, "–"),
        ("share", None, "–"),
    ],
)
def test_a_value_reads_as_its_unit_says(unit: Unit, value: Any, text: str) -> None:
    assert spell(unit, value) == text


def test_germans_write_a_comma() -> None:
    assert spell("share", 0.7, "de-DE") == "70,0 %"
    assert spell("share", 0.7, "ko-KR") == "70.0 %"


def test_a_time_that_the_clocks_show_twice_says_which_it_is() -> None:
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    assert spell_instant(first, BERLIN) == "2026-10-25 02:30 +02:00"
    assert spell_instant(second, BERLIN) == "2026-10-25 02:30 +01:00"


def test_a_bar_is_as_long_as_the_share_or_as_compared_with_the_largest() -> None:
    count, share = Column("n", "n", has_bar=True), Column("s", "s", "share", has_bar=True)
    rows = [{"n": 5, "s": 0.5}, {"n": 20, "s": 1.2}, {"n": 0}]
    table = Table("queues", (count, share), rows)
    assert [measure_bar(count, row, table) for row in rows] == [0.25, 1.0, 0.0]
    assert [measure_bar(share, row, table) for row in rows] == [0.5, 1.0, None]
    assert measure_bar(Column("n", "n"), rows[0], table) is None
    assert measure_bar(count, rows[2], Table("queues", (count,), rows[2:])) == 0.0
