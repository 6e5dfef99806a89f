"""A table of figures as reports show it, and the question that it answers."""

from datetime import UTC, datetime
from typing import Any

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Column, Table
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_strings

HOSTILE = "<img src=x onerror=alert(1)>\r\nBcc: x@example.com\u202e\x1b[31m&\ud800"
FORMULA = '=HYPERLINK("http://x")'

QUESTION = Question(
    what="queues",
    since=datetime(2026, 11, 22, 16, tzinfo=UTC),
    until=datetime(2026, 11, 23, 16, tzinfo=UTC),
    zone="Asia/Singapore",
)

COLUMNS = (
    Column("group", "group", "text"),
    Column("offered", "offered", has_bar=True),
    Column("service_level", "service_level.value", "share", has_bar=True),
    Column("asa", "asa_seconds", "seconds"),
    Column("as_of", "as_of", "instant"),
)

ROWS: list[dict[str, Any]] = [
    {
        "group": "Verkauf 영업",
        "offered": 100,
        "service_level": {"value": 0.7},
        "asa_seconds": 9.33,
        "as_of": datetime(2026, 11, 23, 1, tzinfo=UTC),
    },
    {"group": HOSTILE, "offered": 25, "service_level": {}},
    {"group": FORMULA, "offered": 0},
]


def build_table(**changes: Any) -> Table:
    found: dict[str, Any] = {
        "columns": COLUMNS,
        "rows": ROWS,
        "total": {"offered": 125, "asa_seconds": 3700},
        "notes": (Words("cli.rebuild.nothing"),),
        **changes,
    }
    return Table("queues", **found)


def speak(locale: str = "en-GB") -> Texts:
    """Return the shipped strings with headings for these columns."""
    strings = {name: dict(texts) for name, texts in shipped_strings().items()}
    for texts in strings.values():
        texts.update({f"figures.column.{column.name}": column.name.title() for column in COLUMNS})
    return Texts(locale, strings)
