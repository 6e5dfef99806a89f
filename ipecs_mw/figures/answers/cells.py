"""What a cell of figures reads like to people: `70.0 %`, `04:09`, `2026-11-24 09:00`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.table import Column, Row, Table, Unit
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

NOTHING = "–"
"""What stands for a figure that there is none of, such as a rate of no calls."""


def head_cell(column: Column, texts: Texts) -> str:
    """Return the heading of a column."""
    return escape(texts.say(column.head or Words(f"figures.column.{column.name}")))


def title_table(table: Table, texts: Texts) -> str:
    """Return what a table is called."""
    return texts.render(f"figures.title.{table.what}")


def spell_cell(column: Column, row: Row, texts: Texts, zone: ZoneInfo) -> str:
    """Return a cell on one line, in the language of `texts`, instants by the clocks of `zone`."""
    value = column.read(row)
    if value is None:
        return "" if column.unit == "text" else NOTHING
    return _SPELL[column.unit](value, texts, zone)


def spell_instant(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant by the clocks of a zone, with its distance from UTC where they show that time twice."""
    local = at.astimezone(zone)
    text = f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{text} {_spell_offset(local)}" if is_twice else text


def spell_seconds(value: float) -> str:
    """Return seconds as `mm:ss`, from an hour on as `h:mm:ss`, rounded to whole ones."""
    minutes, seconds = divmod(_round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def measure_bar(column: Column, row: Row, table: Table) -> float | None:
    """Return how long a cell's bar is, from 0 to 1; None where it has none.

    A share is as long as it says, all else is compared with the largest of its column.
    """
    value = column.read(row)
    if not column.has_bar or not isinstance(value, int | float):
        return None
    if column.unit == "share":
        return min(max(float(value), 0.0), 1.0)
    most = max((each for one in table.rows if isinstance(each := column.read(one), int | float)), default=0)
    return min(max(value / most, 0.0), 1.0) if most > 0 else 0.0


def _round(value: float) -> int:
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)


def _spell_offset(local: datetime) -> str:
    offset = f"{local:%z}"
    return f"{offset[:3]}:{offset[3:5]}"


def _spell_decimal(value: float, texts: Texts, digits: int) -> str:
    return f"{value:.{digits}f}".replace(".", texts.render("figures.decimal_mark"))


_SPELL: Mapping[Unit, Callable[[Any, Texts, ZoneInfo], str]] = {
    "text": lambda value, texts, _: escape(str(texts.say(value))),
    "count": lambda value, *_: str(value),
    "seconds": lambda value, *_: spell_seconds(value),
    "share": lambda value, texts, _: f"{_spell_decimal(100 * value, texts, 1)} %",
    "decimal": lambda value, texts, _: _spell_decimal(value, texts, 2),
    "instant": lambda value, _, zone: spell_instant(value, zone),
    "hour": lambda value, *_: f"{value:02}:00",
    "weekday": lambda value, texts, _: texts.render(f"figures.weekday.{value}"),
}
