"""What a report says to people, cell by cell, before it is text or HTML."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from ipecs_mw.figures.answers.cells import head_cell, measure_bar, spell_cell, title_table
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import NAMES_OF_ROWS, Column, Row, Table
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

_LIMITS = ("host", "group", "agent", "station", "hours")


class Cell(Struct, frozen=True):
    """What stands in a cell; `bar` is how long its bar is, from 0 to 1, None where it has none."""

    text: str
    is_number: bool = False
    bar: float | None = None


class Content(Struct, frozen=True):
    """A report in one language. Every text is on one line, and nothing in it is hidden."""

    name: str
    locale: str
    title: str
    days: str
    limits: Sequence[str]
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None
    notes: Sequence[str]
    footer: str

    @property
    def subject(self) -> str:
        """The report in one line."""
        return f"{self.title}, {', '.join([*self.limits, self.days])}"


def build_content(name: str, question: Question, table: Table, texts: Texts) -> Content:
    """Return what the report `name` says, in the language of `texts`."""
    zone_name = question.zone or "UTC"
    zone = ZoneInfo(zone_name)
    notes = [escape(str(texts.say(note))) for note in table.notes]
    rows = [
        [
            Cell(spell_cell(column, row, texts, zone), _is_number(column), measure_bar(column, row, table))
            for column in table.columns
        ]
        for row in table.rows
    ]
    return Content(
        name=name,
        locale=texts.locale,
        title=title_table(table, texts),
        days=_spell_days(question, zone),
        limits=[
            escape(texts.render(f"report.only.{limit}", name=getattr(question, limit)))
            for limit in _LIMITS
            if getattr(question, limit) is not None
        ],
        head=[Cell(head_cell(column, texts), _is_number(column)) for column in table.columns],
        rows=rows,
        total=None if table.total is None else _build_total(table.total, table, texts, zone),
        notes=notes if rows else [texts.render("report.nothing"), *notes],
        footer=texts.render("report.footer", name=name, zone=zone_name),
    )


def _build_total(total: Row, table: Table, texts: Texts, zone: ZoneInfo) -> Sequence[Cell]:
    """Return the cells of the total; its first one says so, where it holds nothing else.

    When the time began is the same for all, and said above.
    """
    found = [
        Cell(
            ""
            if column.unit == "instant" or column.read(total) is None
            else spell_cell(column, total, texts, zone),
            _is_number(column),
        )
        for column in table.columns
    ]
    if found and not found[0].text:
        found[0] = Cell(texts.render("report.total"))
    return found


def _is_number(column: Column) -> bool:
    return column.unit not in NAMES_OF_ROWS


def _spell_days(question: Question, zone: ZoneInfo) -> str:
    first = question.since.astimezone(zone).date()
    last = (question.until - timedelta(microseconds=1)).astimezone(zone).date()
    return f"{first}" if first == last else f"{first} – {last}"
