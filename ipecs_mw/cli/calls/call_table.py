"""Calls as a table in words, and the columns that they have as CSV."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ipecs_mw.cli.calls.listing import Column, write_listing
from ipecs_mw.cli.calls.words import (
    Document,
    name_caller,
    name_direction,
    name_outcome,
    name_target,
    spell_seconds,
)
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

DEEPER = (
    "numbers", "segments", "records", "quality.gaps", "quality.ended_between", "first", "revision", "updated_at",
)  # fmt: skip
"""Further columns that can be chosen; what is a list of objects is JSON."""

_TABLE: Mapping[str, Column] = {
    "host": Column(0, 12, lambda call, _: escape(str(call.get("host", "")))),
    "direction": Column(0, 12, name_direction),
    "from": Column(14, 30, lambda call, _: name_caller(call)),
    "to": Column(12, 28, lambda call, _: name_target(call)),
    "outcome": Column(13, 24, name_outcome),
    "lasted": Column(7, 8, lambda call, _: spell_seconds((call.get("seconds") or {}).get("total"))),
}


def write_table(calls: Iterable[Document], texts: Texts, *, now: datetime) -> Iterator[str]:
    """Yield the lines of a table; a narrow screen has neither host nor direction."""

    def name(column: str) -> str:
        return texts.render(f"cli.calls.{column}")

    return write_listing(calls, "began_at", _TABLE, name, texts, now)
