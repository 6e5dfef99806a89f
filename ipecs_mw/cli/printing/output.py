"""What is printed as JSON: one value, or events one after the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ipecs_mw.cli.printing.streams import has_every_sign
from ipecs_mw.model.writing import json_text
from ipecs_mw.model.writing.plain import escape_json

Event = Mapping[str, Any]

FORMS = ("table", "json", "jsonl", "csv")
"""The forms in which events are printed."""


Write = Callable[[Iterable[Event]], Iterator[str]]
"""What makes lines of documents."""


def write_as(form: str, documents: Iterable[Event], *, table: Write, csv: Write) -> Iterator[str]:
    """Return the lines of documents in one of `FORMS`."""
    writers: Mapping[str, Write] = {"table": table, "csv": csv, "json": write_json, "jsonl": write_jsonl}
    return writers[form](documents)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON: instants in ISO 8601 with their zone, bytes in Base64, every sign such that stdout has it."""
    return escape_json(json_text.to_json(value, is_ascii=not has_every_sign(), indent=indent))


def write_jsonl(events: Iterable[Event]) -> Iterator[str]:
    """Yield a line of JSON an event."""
    for event in events:
        yield to_json(event)


def write_json(events: Iterable[Event]) -> Iterator[str]:
    """Yield one JSON array, an event a line, without holding them all."""
    opening = "["
    for event in events:
        yield f"{opening}{to_json(event)}"
        opening = ","
    yield "]" if opening == "," else "[]"
