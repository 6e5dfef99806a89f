"""What rows and totals say of their time: how much they know of it, how often it came, what is to be noted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.cells import spell_instant
from ipecs_mw.figures.answers.rows import Part
from ipecs_mw.store.figures.asking import Asked
from ipecs_mw.store.figures.day import tell_decimal
from ipecs_mw.store.figures.kept import Interval

Row = dict[str, Any]
Answer = tuple[list[Row], Row | None, list[Words]]
"""Rows, their total, and what is to be noted."""

RowPlace = tuple[int, str]
"""The number of a row's interval, and its host."""


def count_calls(row: Row) -> int:
    """Return by what the rows of most calls come first."""
    return -int(row["offered"] if "offered" in row else row.get("calls", 0))


def _frame(asked: Asked, at: int, host: str, gap: float) -> Row:
    """Return what each row says of its interval, and of how much it knows."""
    spans = asked.spans[at]
    row: Row = {"from": spans[0][0], "until": spans[-1][1]}
    if asked.profile is not None:
        row |= {asked.profile.field: asked.profile.values[at], "times": asked.count_times(spans)}
    if len(asked.places) > 1:
        row["host"] = host
    as_of = asked.places[host].as_of
    is_over = as_of is not None and as_of >= row["until"] and (at, host) not in asked.waiting
    return row | {"is_complete": is_over and not gap, "gap_seconds": gap, "as_of": as_of}


def begin_rows(
    asked: Asked, intervals: Iterable[Interval], gaps: Mapping[tuple[int, str], float], blank: Row
) -> Iterator[tuple[RowPlace, str, Part, Row]]:
    """Yield the number and host, the name and the part of each row, and the row so far, by their names.

    A row has the fields of a blank one from the start: a dict that grows to thirty fields is made four times.
    """
    for at, host, parts in intervals:
        frame = _frame(asked, at, host, gaps.get((at, host), 0.0)) | blank
        is_complete = frame["is_complete"]
        for name in sorted(parts):
            part, row = parts[name], frame.copy()
            row["is_complete"] = is_complete and part.is_complete
            yield (at, host), name, part, row


def order_rows(found: list[tuple[RowPlace, Row]]) -> list[Row]:
    """Return rows by their intervals, those of one interval by their hosts."""
    return [row for _, row in sorted(found, key=itemgetter(0))]


def put_averages(rows: Iterable[Row], name: str) -> None:
    """Say in rows of a profile how much there was each time."""
    for row in rows:
        if row.get("times"):
            row[f"average_{name}"] = round(row[name] / row["times"], 4)


def frame_total(asked: Asked, gaps: Mapping[tuple[int, str], float], *, is_complete: bool) -> Row:
    """Return what the total says of the time asked for, and of how much it knows."""
    is_over = asked.as_of is not None and asked.as_of >= asked.until and not asked.waiting
    spans = chain.from_iterable(asked.spans.values())
    return {
        "from": asked.since,
        "until": asked.until,
        **({"times": asked.count_times(spans)} if asked.profile is not None else {}),
        "is_complete": is_complete and is_over and not gaps,
        "gap_seconds": round(sum(gaps.values()), 3),
        "as_of": asked.as_of,
    }


def are_complete(rows: Sequence[Row]) -> bool:
    """Tell whether nothing is missing in any of the rows."""
    return all(row["is_complete"] for row in rows)


def note_gaps(total: Row) -> Iterator[Words]:
    """Yield what has to be said of a total that is not complete."""
    if total["gap_seconds"]:
        yield Words("figures.note.gap", seconds=round(total["gap_seconds"]))
    elif not total["is_complete"]:
        yield Words("figures.note.open")


def note_busiest(hours: Row, asked: Asked) -> Iterator[Words]:
    """Yield when the busiest hour was, by the total of hours."""
    if "busiest_from" in hours:
        at = spell_instant(hours["busiest_from"], asked.zone)
        yield Words("figures.note.busiest", at=at, erlangs=tell_decimal(hours["busiest_erlangs"]))
