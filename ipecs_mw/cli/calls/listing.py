"""A table of documents with the instant first and the id last, as wide as the screen."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ipecs_mw.cli.calls.words import Document, shorten_id
from ipecs_mw.cli.printing.table import cell_len, is_narrow_screen, screen_width, write_rows
from ipecs_mw.cli.printing.words import local_time, local_zone
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

_YEAR = len("2026-")
_TIME = len("2026-11-24 10:00:00")


class Column(NamedTuple):
    """Its most cells on a narrow screen (0: not there) and on a wide one, and what stands in it."""

    narrow: int
    wide: int
    read: Callable[[Document, Texts], str]


def write_listing(
    documents: Iterable[Document],
    instant: str,
    columns: Mapping[str, Column],
    name: Callable[[str], str],
    texts: Texts,
    now: datetime,
) -> Iterator[str]:
    """Yield a head, which names the zone of the times, and a line a document.

    `instant` is the field with the time, `name` gives the head of a column. A narrow screen has no year, and of
    the id as much as the commands need.
    """
    width = screen_width()
    is_narrow = is_narrow_screen(width)
    shown = {key: column for key, column in columns.items() if column.narrow or not is_narrow}

    def spell(document: Document) -> Sequence[str]:
        time = local_time(document.get(instant))[_YEAR if is_narrow else 0 :]
        full_id = escape(str(document["_id"]))
        cells = (column.read(document, texts) for column in shown.values())
        return (time, *cells, shorten_id(full_id) if is_narrow else full_id)

    head = (f"{name('time')} ({local_zone(now)})", *map(name, shown), texts.render("cli.calls.id"))
    widest = [_TIME - _YEAR] if is_narrow else [max(_TIME, cell_len(head[0]))]
    widest += [
        column.narrow if is_narrow else max(column.wide, cell_len(title))
        for title, column in zip(head[1:], shown.values(), strict=False)
    ]
    yield from write_rows(head, map(spell, documents), width, widest=widest)
