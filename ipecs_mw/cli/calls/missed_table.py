"""Missed calls as a table in words, and their columns as CSV."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ipecs_mw.calls.documents.missed import NOT_MISSED
from ipecs_mw.cli.calls.listing import Column, write_listing
from ipecs_mw.cli.calls.words import Document
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

_BY_ITSELF = ("callback", "called_again", NOT_MISSED)


def name_standing(item: Document, texts: Texts) -> str:
    """Return how an item stands: who sees to it, or by what or whom it was closed."""
    if item.get("state") != "closed":
        return escape(str(item.get("owner") or texts.render("cli.missed.open")))
    by = str(item.get("closed_by", ""))
    return (
        texts.render(f"cli.missed.{by}") if by in _BY_ITSELF else texts.render("cli.missed.by", by=escape(by))
    )


_TABLE: Mapping[str, Column] = {
    "host": Column(0, 12, lambda item, _: escape(str(item.get("host", "")))),
    "number": Column(15, 20, lambda item, _: escape(str(item.get("number", "")))),
    "name": Column(8, 20, lambda item, _: escape(str(item.get("name", "")))),
    "group": Column(6, 8, lambda item, _: escape(str(item.get("group", "")))),
    "count": Column(5, 6, lambda item, _: str(item.get("count", ""))),
    "attempts": Column(0, 8, lambda item, _: str(item.get("attempts", 0) or "")),
    "standing": Column(12, 24, name_standing),
    "note": Column(0, 30, lambda item, _: escape(str(item.get("note", "")))),
}


def write_table(items: Iterable[Document], texts: Texts, *, now: datetime) -> Iterator[str]:
    """Yield the lines of a table; a narrow screen has neither host nor attempts nor note."""

    def name(column: str) -> str:
        return texts.render(f"cli.missed.{column}")

    return write_listing(items, "last_at", _TABLE, name, texts, now)
