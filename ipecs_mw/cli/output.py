"""Events as table, JSON, JSON lines or CSV."""

import base64
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ipecs_mw.cli.words import describe_event, local_time, name_event
from ipecs_mw.model.plain import escape, escape_json
from ipecs_mw.model.texts import Texts

Event = Mapping[str, Any]
Writer = Callable[[Iterable[Event], Texts], Iterator[str]]

_CSV_COLUMNS = (
    "_id", "received_at", "at", "host", "kind", "type", "code", "call_ref", "serial", "stations", "group", "data",
)  # fmt: skip
_COLUMNS = ("time", "host", "event", "call", "stations", "group", "details")
_FORMULA = ("=", "+", "-", "@")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON: instants in ISO 8601 with their zone, bytes in Base64."""
    return escape_json(json.dumps(value, default=_encode, ensure_ascii=False, indent=indent))


def write_jsonl(events: Iterable[Event], _texts: Texts) -> Iterator[str]:
    """Yield a line of JSON an event."""
    for event in events:
        yield to_json(event)


def write_json(events: Iterable[Event], _texts: Texts) -> Iterator[str]:
    """Yield one JSON array, an event a line, without holding them all."""
    opening = "["
    for event in events:
        yield f"{opening}{to_json(event)}"
        opening = ","
    yield "]" if opening == "," else "[]"


def write_csv(events: Iterable[Event], _texts: Texts) -> Iterator[str]:
    """Yield lines of CSV; what a spreadsheet would take for a formula is quoted with an apostrophe."""
    yield ",".join(_CSV_COLUMNS)
    for event in events:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(_cell(event.get(name)) for name in _CSV_COLUMNS)
        yield line.getvalue()


def write_lines(events: Iterable[Event], texts: Texts) -> Iterator[str]:
    """Yield a line of words an event: the table of `--follow`."""
    for event in events:
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(_row(event, texts), _WIDTHS, strict=True)
        ).rstrip()


def write_table(events: Iterable[Event], texts: Texts) -> Iterator[str]:
    """Yield a table in words, as wide as the terminal or the text needs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(texts.render(f"cli.events.{name}"), no_wrap=name != "details")
    for event in events:
        table.add_row(*(Text(cell) for cell in _row(event, texts)))
    console = Console(file=io.StringIO(), width=None if Console().is_terminal else 220)
    with console.capture() as captured:
        console.print(table)
    yield captured.get().rstrip("\n")


WRITERS: dict[str, Writer] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
}

_WIDTHS = (19, 10, 26, 8, 12, 6, 0)


def _row(event: Event, texts: Texts) -> tuple[str, ...]:
    return (
        local_time(event.get("received_at")),
        escape(str(event.get("host", ""))),
        escape(name_event(event, texts)),
        str(event.get("call_ref", "")),
        escape(", ".join(event.get("stations") or ())),
        escape(str(event.get("group", ""))),
        describe_event(event),
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else " ".join(value) if _is_names(value) else to_json(value)
    text = escape(text.strip('"') if isinstance(value, datetime) else text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _encode(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
