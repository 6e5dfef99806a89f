"""A table of figures as CSV, for spreadsheets and programs: values as they are, a column by its name."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.csv_text import guard_text, write_line


def write_table(table: Table, texts: Texts, zone: ZoneInfo) -> Iterator[str]:
    """Yield a head and a line a row, without the total: shares from 0 to 1, instants by the clocks of `zone`."""
    yield write_line(column.name for column in table.columns)
    for row in table.rows:
        yield write_line(_spell(column.read(row), texts, zone) for column in table.columns)


def _spell(value: Any, texts: Texts, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, int | float):
        return str(value)
    return guard_text(str(texts.say(value)))
