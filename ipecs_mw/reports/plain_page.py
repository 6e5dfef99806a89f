"""A report as plain text: aligned columns, as wide as they need."""

import unicodedata
from collections.abc import Iterator

from ipecs_mw.reports.content import Cell, Content

_GAP = "  "
_BAR_SIGNS = 10
_WIDE = "WF"


def render_text(content: Content) -> str:
    """Return the report as text, each line ended."""
    head = f"{content.title}, {content.days}"
    lines = [head, "=" * _measure(head), *content.limits, ""]
    if content.rows:
        lines += [*align(content), ""]
    lines += [*content.notes, *([""] if content.notes else []), content.footer]
    return "".join(f"{line}\n" for line in lines)


def align(content: Content) -> Iterator[str]:
    """Yield the head, the rows, and the total below a line, in columns as wide as they need."""
    lines = [content.head, *content.rows, *([content.total] if content.total else [])]
    texts = [[_spell(cell, content, at) for at, cell in enumerate(line)] for line in lines]
    sizes = [max(_measure(line[at]) for line in texts) for at in range(len(content.head))]
    for number, (cells, line) in enumerate(zip(lines, texts, strict=True)):
        if content.total and number == len(lines) - 1:
            yield "-" * (sum(sizes) + len(_GAP) * (len(sizes) - 1))
        yield _GAP.join(map(_pad, cells, line, sizes)).rstrip()


def _spell(cell: Cell, content: Content, at: int) -> str:
    """Return a cell with its bar, or with the room of one in a column where others have one."""
    if not any(row[at].bar is not None for row in content.rows):
        return cell.text
    size = 0 if cell.bar is None else round(cell.bar * _BAR_SIGNS)
    return f"{cell.text} {'#' * size:<{_BAR_SIGNS}}"


def _pad(cell: Cell, text: str, size: int) -> str:
    room = " " * (size - _measure(text))
    return room + text if cell.is_number else text + room


def _measure(text: str) -> int:
    """Return how many places a text takes where letters are equally wide; those of East Asia take two."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in _WIDE else 1
        for sign in text
    )
