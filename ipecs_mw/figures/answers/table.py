"""What a question about figures is answered with: rows, what each column holds, and what has to be said."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ipecs_mw.errors import Words

Row = Mapping[str, Any]

Unit = Literal["text", "count", "seconds", "share", "decimal", "instant", "hour", "weekday"]
"""How a value is shown: `share` is a fraction from 0 to 1, `instant` an aware UTC date.

`hour` is one of the day, from 0 to 23, and `weekday` a day of the week, from `mon` to `sun`.
"""

NAMES_OF_ROWS = frozenset({"text", "instant", "hour", "weekday"})
"""Units of what is no amount, but says what a row is of."""


class Column(Struct, frozen=True):
    """A column and where a row has its value. Its heading is the language string `figures.column.NAME`, or `head`.

    `path` goes into objects by dots, such as `service_level.value`. `has_bar` where a bar says more than a number.
    """

    name: str
    path: str
    unit: Unit = "count"
    has_bar: bool = False
    head: Words | None = None

    def read(self, row: Row) -> Any:
        """Return the value; None where there is none, as of a rate whose denominator is 0."""
        value: Any = row
        for name in self.path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def describe_table(table: "Table") -> dict[str, Any]:
    """Return a table as JSON has it: its rows, and their total."""
    items = {"items": list(table.rows)}
    return items if table.total is None else items | {"total": table.total}


class Table(Struct, frozen=True):
    """Figures as they are shown, printed, mailed and sent.

    `what` names the question (`queues`, `agents`, …; its title is the language string `figures.title.WHAT`).
    `rows` are as the contract has them in JSON, absent means absent; `total` is the same over all rows. `notes`
    are sentences: by which formula, what is not complete.
    """

    what: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: Row | None = None
    notes: Sequence[Words] = ()
