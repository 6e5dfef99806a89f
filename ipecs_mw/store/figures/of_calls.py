"""Answers of call accounting, summed from the calls themselves each time."""

from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from typing import Any

from ipecs_mw.errors import Words
from ipecs_mw.figures.counting.accounting import (
    count_dids,
    count_numbers,
    count_stations,
    count_trunks,
    find_cost,
    sum_by,
)
from ipecs_mw.figures.counting.sums import Columns, Sums, add_all
from ipecs_mw.figures.time.quarters import find_quarter
from ipecs_mw.model.numbering.extensions import expand_numbers
from ipecs_mw.store.figures.asking import Asked
from ipecs_mw.store.figures.day import tell_trunks
from ipecs_mw.store.figures.frames import Answer, Row, count_calls, frame_total, note_busiest, note_gaps
from ipecs_mw.store.figures.of_kept import answer_hours
from ipecs_mw.store.server.failures import store_errors

_CALLED = ("number", "did", "group", "station")

_CALL_FIELDS = dict.fromkeys(
    (
        "host", "direction", "began_at", "ended_at", "answered_at", "caller", "dialed", "trunks", "segments.kind",
        "segments.station", "segments.from", "segments.until", "records.cost_amount", "records.station_number",
        "records.duration_seconds", "seconds.talk", "seconds.total", "outcome",
    ),
    1,
)  # fmt: skip


def _list_calls(asked: Asked) -> Iterator[Mapping[str, Any]]:
    question = asked.question
    query: Row = {"began_at": {"$gte": asked.since, "$lt": asked.until}}
    wanted = {"host": question.host, "groups": question.group, "stations": question.station}
    query |= {name: {"$eq": value} for name, value in wanted.items() if value is not None}
    with store_errors():
        found = asked.store.database["calls"].find(query, _CALL_FIELDS, batch_size=5000)
        for call in found:
            if asked.is_wanted is None or asked.is_wanted(find_quarter(call["began_at"])):
                yield call


def _lasts_any(asked: Asked) -> bool:
    """Tell whether a call of the time asked about still lasts, so that what it counts is not final."""
    with store_errors():
        span = {"$gte": asked.since, "$lt": asked.until}
        query = {"host": {"$in": [*asked.places]}, "days": None, "began_at": span}
        return asked.store.database["calls"].find_one(query, {"_id": 1}, hint="by_day") is not None


def _answer_counts(name: str, count: Callable[[Mapping[str, Any]], Any]) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        found = sum_by(((call["host"], of), sums) for call in _list_calls(asked) for of, sums in count(call))
        return _describe_counts(asked, name, found, has_hosts=len(asked.places) > 1)

    return answer


def _describe_counts(
    asked: Asked, name: str, found: Mapping[tuple[str, str], Sums], *, has_hosts: bool
) -> Answer:
    gaps, seconds = asked.find_gaps(), asked.count_seconds(asked.since, asked.until)
    rows: list[Row] = [
        ({"host": host} if has_hosts else {}) | {name: of} | _describe_count(found[host, of], seconds)
        for host, of in sorted(found)
    ]
    rows.sort(key=count_calls)
    whole = add_all(Columns([*found.values()]))
    total = frame_total(asked, gaps, is_complete=not _lasts_any(asked)) | _describe_count(whole, seconds)
    return rows, total if rows else None, [*note_gaps(total)]


def _describe_count(sums: Sums, seconds: float) -> Row:
    names = ("calls", "incoming", "outgoing", "internal", "answered", "unanswered")
    row: Row = {name: int(sums.get(name, 0)) for name in names}
    row |= {name: round(sums.get(name, 0), 3) for name in ("talk_seconds", "seconds")}
    row["cost"] = round(sums.get("cost", 0), 4)
    row["erlangs"] = round(sums.get("seconds", 0) / seconds, 4) if seconds else 0.0
    return row


def _answer_trunks(asked: Asked) -> Answer:
    """Return figures of trunks as the others, and say of all trunks together how busy they were."""
    rows, total, notes = _answer_counts("trunk", count_trunks)(asked)
    if total is None or asked.question.station is not None or asked.question.group is not None:
        return rows, total, notes
    _, hours, _ = answer_hours(asked.ask(what="hours", interval="1h"))
    if hours is None:
        return rows, total, notes
    total |= {name: hours[name] for name in _OF_ALL_TRUNKS if name in hours}
    return rows, total, [*tell_trunks(hours), *note_busiest(hours, asked), *notes]


_OF_ALL_TRUNKS = ("trunks_at_once", "all_busy_seconds", "erlangs", "busiest_from", "busiest_erlangs")


def _answer_departments(asked: Asked) -> Answer:
    """Return what the stations of each department make together."""
    holders = {
        station: department
        for department, numbers in asked.settings.figures.departments.items()
        for station in expand_numbers(numbers)
    }
    found = sum_by(
        (("", holders[station]), sums)
        for call in _list_calls(asked)
        for station, sums in count_stations(call)
        if station in holders
    )
    rows, total, notes = _describe_counts(asked, "department", found, has_hosts=False)
    return rows, total, notes if holders else [Words("figures.note.no_departments"), *notes]


def _answer_calls(asked: Asked) -> Answer:
    """Return the longest calls, or the dearest."""
    order = asked.question.order
    found = (_describe_call(call, has_hosts=len(asked.places) > 1) for call in _list_calls(asked))
    rows = nsmallest(asked.question.top or 20, found, key=lambda row: (-float(row[order]), row["from"]))
    return rows, None, []


def _describe_call(call: Mapping[str, Any], *, has_hosts: bool) -> Row:
    sides = {side: call.get(side) or {} for side in ("caller", "dialed")}
    row: Row = {
        "id": call["_id"],
        **({"host": call["host"]} if has_hosts else {}),
        "from": call["began_at"],
        "direction": call.get("direction", "unknown"),
        "caller": sides["caller"].get("number") or sides["caller"].get("station"),
        "called": next((sides["dialed"][name] for name in _CALLED if name in sides["dialed"]), None),
        "seconds": (call.get("seconds") or {}).get("talk", 0.0),
        "cost": find_cost(call),
    }
    return {name: value for name, value in row.items() if value is not None}


ANSWERS: Mapping[str, Callable[[Asked], Answer]] = {
    "stations": _answer_counts("station", count_stations),
    "departments": _answer_departments,
    "trunks": _answer_trunks,
    "dids": _answer_counts("did", count_dids),
    "numbers": _answer_counts("number", count_numbers),
    "calls": _answer_calls,
}
"""What is counted from calls → what answers."""
