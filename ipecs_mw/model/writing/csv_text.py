"""Lines of CSV, and cells that no spreadsheet takes for a formula."""

import csv
import io
from collections.abc import Iterable

from ipecs_mw.model.writing.plain import escape

BYTE_ORDER_MARK = "\ufeff"
"""What tells some spreadsheets that a file is UTF-8."""

_FORMULA = ("=", "+", "-", "@")


def write_line(cells: Iterable[str]) -> str:
    """Return a line of CSV without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def guard_text(text: str) -> str:
    """Return a text for a cell: on one line, every sign visible, and no formula."""
    shown = escape(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
