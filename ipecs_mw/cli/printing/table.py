"""Rows as aligned lines: as wide as the screen, or as the text where there is none, written as they are read."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rich.cells import cell_len, set_cell_size

__all__ = ["AHEAD", "cell_len", "is_narrow_screen", "screen_width", "write_rows"]

AHEAD = 100
"""So many rows are read before the first is written, to know how wide the columns are."""

_GAP = "  "
_CUT = "…"
_NARROWEST = 40
_WIDE = 110


def screen_width() -> int | None:
    """Return the cells of a line: what COLUMNS says, else the terminal's; None where nothing limits it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(int(columns), _NARROWEST)
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, _NARROWEST)
    except (OSError, ValueError, AttributeError):  # a file or a pipe
        return None


def is_narrow_screen(width: int | None) -> bool:
    """Return whether a line has no room for everything."""
    return width is not None and width < _WIDE


def write_rows(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None,
    *,
    widest: Sequence[int],
    is_live: bool = False,
) -> Iterator[str]:
    """Yield the head and a line a row, whose last cell has what the others leave; what is cut ends in `…`.

    The columns are as wide as the first rows need, at most `widest`; live, where nobody can look ahead, as
    `widest` says. Without `width` nothing is cut.
    """
    rest = iter(rows)
    ahead = [] if is_live else list(islice(rest, AHEAD))
    needed = [max(cell_len(row[at]) for row in (head, *ahead)) for at in range(len(widest))]
    sizes = list(widest) if is_live else [min(pair) for pair in zip(needed, widest, strict=True)]
    left = None if width is None else max(width - sum(sizes) - len(_GAP) * len(sizes), 1)
    for row in chain([head], ahead, rest):
        cells = [_fit(cell, size, is_cut=width is not None) for cell, size in zip(row, sizes, strict=False)]
        last = row[-1] if left is None or cell_len(row[-1]) <= left else _cut(row[-1], left)
        line = _GAP.join((*cells, last)).rstrip()
        yield line if width is None or cell_len(line) <= width else _cut(line, width)


def _fit(cell: str, size: int, *, is_cut: bool) -> str:
    if cell_len(cell) <= size:
        return cell + " " * (size - cell_len(cell))
    return _cut(cell, size) if is_cut else cell


def _cut(cell: str, size: int) -> str:
    return set_cell_size(cell, size - 1).rstrip() + _CUT if size > 1 else _CUT
