"""The table of the figures, as text and in docs/performance.md, with the machine that they come from."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pymongo
import websockets
from rich.console import Console
from rich.table import Table

Figure = Mapping[str, Any]

_PART = re.compile(r"(<!-- measured -->\n).*?(<!-- end of what was measured -->)", re.DOTALL)
_HEADINGS = ("Figure", "Measured", "Plain alternative", "Its figure", "Ratio", "Goal", "Reached")


def render_page(page: str, rows: Sequence[Figure]) -> str:
    """Return the page with the table and the machine as of now."""
    lines = [
        " | ".join(_HEADINGS),
        " | ".join("---" for _ in _HEADINGS),
        *(" | ".join(_cells(row)) for row in rows),
    ]
    table = "\n".join(f"| {line} |" for line in lines)
    dates = sorted({str(row["at"]) for row in rows})
    text = f"\n{table}\n\nMeasured on {' and '.join(dates)}: {describe_machine()}.\n\n"
    return _PART.sub(lambda found: found[1] + text + found[2], page)


def render_table(rows: Sequence[Figure]) -> str:
    """Return the table for a terminal."""
    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*_cells(row))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def describe_machine() -> str:
    """Return what the figures were measured on."""
    return ", ".join(
        (
            f"{_read('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
            f"{int(_read('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB of memory",
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
            f"PyMongo {pymongo.version}",
            f"websockets {websockets.__version__}",
            "MongoDB 6.0.5 (replica set of one)",
        )
    )


def _cells(row: Figure) -> tuple[str, ...]:
    unit, plain = row["unit"], row["plain"]
    return (
        row["name"],
        f"{_number(row['value'])} {unit}",
        row["plain_name"],
        "" if plain is None else f"{_number(plain)} {unit}",
        "" if row["ratio"] is None else f"{_number(row['ratio'])} ×",
        _goal(row),
        {True: "yes", False: "no", None: ""}[row["is_reached"]],
    )


def _goal(row: Figure) -> str:
    if row["goal"] is None:
        return ""
    bound = "at most" if row["is_most"] else "at least"
    return f"{bound} {row['goal']:g} {row['unit'] if row['is_absolute'] else '×'}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _read(file: str, name: str) -> str:
    """Return a value of a file of `name: value` lines."""
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "?"
