"""Documents as lines of CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ipecs_mw.model.writing.csv_text import guard_text, write_line
from ipecs_mw.model.writing.json_text import to_json


def write_fields(documents: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    """Yield a head and a line a document; a column is a field, or one within another: `seconds.talk`."""
    yield write_line(columns)
    for document in documents:
        yield write_line(spell(find_field(document, column)) for column in columns)


def find_field(document: Mapping[str, Any], path: str) -> Any:
    """Return the field at a path such as `seconds.talk`; None where there is none."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def spell(value: Any) -> str:
    """Return what stands in a cell: text as it is, names one after the other, all else as JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else " ".join(value) if _is_names(value) else to_json(value)
    return guard_text(text.strip('"') if isinstance(value, datetime) else text)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
