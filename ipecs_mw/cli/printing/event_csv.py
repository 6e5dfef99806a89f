"""Events as CSV: a column a fact, the same columns whatever happened."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ipecs_mw.cli.printing.output import Event
from ipecs_mw.model.writing.csv_lines import spell
from ipecs_mw.model.writing.csv_text import write_line

BASE = (
    "_id", "received_at", "at", "host", "kind", "type", "code", "call_ref", "serial", "stations", "group",
)  # fmt: skip
"""The columns of every event."""

_WHOLE = ("data", "problems", "raw", "is_repeat", "seq")
_FACT = "data."
_NAME = re.compile(r"data\.\w+")
_PARTIES = ("source_type", "source_number", "dest_type", "dest_number")
_NOTED = ("since", "until", "reason", "detail")

Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def find_columns(
    tables: Tables, *, kind: str | None = None, type_: str | None = None, code: int | None = None
) -> list[str]:
    """Return the columns of these events by the code tables; `data` is for what has none of its own."""
    acd = [row for row in tables["acd_events"] if (code is None or row["code"] == code)]
    named = [row for row in acd if row["name"] == type_]
    acd = named if type_ is not None else acd
    is_acd_alone = code is not None or bool(named)
    fields = {
        "acd": [row[wire] for row in acd for wire in ("data1", "data2") if wire in row],
        "call": tables["call_fields"],
        "smdr": [*tables["smdr_fields"], {"name": "number1"}, {"name": "number2"}],
        "system": [{"name": name} for name in _NOTED],
    }
    wanted = {"presence": "call"}.get(kind or "", kind) or ("acd" if is_acd_alone else None)
    names = [] if wanted not in (None, "acd") else list(_PARTIES)
    for of, rows in fields.items():
        if wanted in (None, of):
            for row in rows:
                names += [row["name"], *([_name_word(row["name"])] if "lookup" in row else [])]
    return [*BASE, *(f"{_FACT}{name}" for name in dict.fromkeys(names) if name not in BASE), "data"]


def find_unknown(columns: Iterable[str]) -> list[str]:
    """Return those that are no column: neither a field of every event nor `data.NAME`."""
    return [name for name in columns if name not in (*BASE, *_WHOLE) and not _NAME.fullmatch(name)]


def write_csv(events: Iterable[Event], columns: Sequence[str]) -> Iterator[str]:
    """Yield a head and a line an event; `data` holds what has no column of its own, as JSON."""
    own = {name.removeprefix(_FACT) for name in columns if name.startswith(_FACT)}
    yield write_line(columns)
    for event in events:
        data = event.get("data") or {}
        rest = {name: value for name, value in data.items() if name not in own}
        facts = {**event, "data": rest or None}
        yield write_line(
            spell(data.get(name.removeprefix(_FACT)) if name.startswith(_FACT) else facts.get(name))
            for name in columns
        )


def _name_word(name: str) -> str:
    return f"{name.removesuffix('_code')}_name"
