"""The tables that answer questions about figures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import chain
from operator import itemgetter
from typing import Any

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.cells import spell_instant
from ipecs_mw.figures.answers.columns import list_columns
from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.rows import (
    Part,
    merge,
    name_reasons,
    put_agents,
    put_queues,
    put_revisions,
    put_rule,
)
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.figures.counting.accounting import (
    count_dids,
    count_numbers,
    count_stations,
    count_trunks,
    find_cost,
    sum_by,
)
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import Sums, add_all, prune
from ipecs_mw.figures.time.quarters import find_quarter
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.numbering.extensions import expand_numbers
from ipecs_mw.store.figures.asking import Asked, check_names, note_progress
from ipecs_mw.store.figures.day import tell_day, tell_decimal, tell_trunks
from ipecs_mw.store.figures.kept import Interval, sum_kept
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Row = dict[str, Any]
Answer = tuple[list[Row], Row | None, list[Words]]
_Place = tuple[int, str]
_OF_PERSONS = ("states", "not_ready")
_CALLED = ("number", "did", "group", "station")

_CALL_FIELDS = dict.fromkeys(
    (
        "host", "direction", "began_at", "ended_at", "answered_at", "caller", "dialed", "trunks", "segments.kind",
        "segments.station", "segments.from", "segments.until", "records.cost_amount", "records.station_number",
        "records.duration_seconds", "seconds.talk", "seconds.total", "outcome",
    ),
    1,
)  # fmt: skip


def ask(store: Store, settings: Settings, question: Question) -> Table:
    """Return the table that answers a question.

    Raises NoSuchName for a formula, host, group, agent or hours that there are not, and for too many rows;
    StoreError.
    """
    check_names(store, settings, question)
    asked = Asked(store, settings, question)
    rows, total, notes = _ANSWERS[question.what](asked)
    if question.top is not None:
        rows = sorted(rows, key=_count_of)[: question.top] if question.what != "calls" else rows
    columns = list_columns(question.what, rows)
    return Table(question.what, columns, rows, total, [*notes, *note_progress(asked)])


def _count_of(row: Row) -> int:
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


def _begin_rows(
    asked: Asked, intervals: Iterable[Interval], gaps: Mapping[tuple[int, str], float]
) -> Iterator[tuple[_Place, str, Part, Row]]:
    """Yield the number and host, the name and the part of each row, and the row so far, by their names."""
    for at, host, parts in intervals:
        frame = _frame(asked, at, host, gaps.get((at, host), 0.0))
        for name, part in sorted(parts.items()):
            row = {**frame, "is_complete": frame["is_complete"] and part.is_complete}
            yield (at, host), name, part, row


def _order(found: list[tuple[_Place, Row]]) -> list[Row]:
    """Return rows by their intervals, those of one interval by their hosts."""
    return [row for _, row in sorted(found, key=itemgetter(0))]


def _put_average(rows: Iterable[Row], name: str) -> None:
    """Say in rows of a profile how much there was each time."""
    for row in rows:
        if row.get("times"):
            row[f"average_{name}"] = round(row[name] / row["times"], 4)


def _total_frame(asked: Asked, gaps: Mapping[tuple[int, str], float], *, is_complete: bool) -> Row:
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


def _is_complete(rows: Sequence[Row]) -> bool:
    return all(row["is_complete"] for row in rows)


def _note_gaps(total: Row) -> Iterator[Words]:
    if total["gap_seconds"]:
        yield Words("figures.note.gap", seconds=round(total["gap_seconds"]))
    elif not total["is_complete"]:
        yield Words("figures.note.open")


# groups


def _answer_queues(asked: Asked) -> Answer:
    gaps, names, reasons = asked.find_gaps(), asked.settings.figures.groups, asked.settings.figures.reasons
    found: list[tuple[_Place, Row]] = []
    sums: list[tuple[Sums, Rule]] = []
    groups: set[tuple[str, str]] = set()
    for intervals in sum_kept(asked, "group"):
        by_rule: dict[Rule, tuple[list[Row], list[Sums]]] = {}
        for place, name, part, row in _begin_rows(asked, intervals, gaps):
            row["group"] = name
            if (group := names.get(name)) is not None and group.name:
                row["name"] = group.name
            rule = asked.rules.find(name)
            rows, many = by_rule.setdefault(rule, ([], []))
            rows.append(row)
            put_rule(part.sums, rule)
            many.append(part.sums)
            found.append((place, row))
            groups.add((place[1], name))
        for rule, (rows, many) in by_rule.items():
            put_queues(rows, many, rule)
            put_revisions(rows, many)
            sums.append((add_all(many, _OF_PERSONS), rule))
    rows = _order(found)
    merged, rule_of_all = merge(sums)
    total = _total_frame(asked, gaps, is_complete=_is_complete(rows))
    said = rule_of_all or (None if rows else asked.rules.default)
    put_queues([total], [merged | _find_states(asked, rows, len(groups))], said)
    rows, (total,) = name_reasons(rows, reasons), name_reasons([total], reasons)
    _put_average([*rows, total], "offered")
    notes = [*_note_rule(asked, rule_of_all, has_groups=bool(groups)), *_note_gaps(total)]
    return rows, total if rows else None, notes


def _find_states(asked: Asked, rows: Sequence[Row], groups: int) -> Sums:
    """Return the seconds of agents: of one group those of its rows, of several each person once."""
    if asked.question.group is None and groups != 1:
        sums = _sum_host(asked)
        return prune({name: sums.get(name, {}) for name in _OF_PERSONS})
    return prune(
        {
            "states": add_all([row["states"] for row in rows]),
            "not_ready": add_all([row["not_ready_seconds"] for row in rows]),
        }
    )


def _sum_host(asked: Asked) -> Sums:
    intervals = chain.from_iterable(sum_kept(asked, "host"))
    return add_all([part.sums for interval in intervals for part in interval.parts.values()])


def _note_rule(asked: Asked, rule: Rule | None, *, has_groups: bool) -> Iterator[Words]:
    if rule is None and has_groups:
        yield Words("figures.note.rules")
    else:
        said = rule or asked.rules.default
        yield Words(
            f"figures.note.{said.formula}", threshold=said.threshold_seconds, short=said.short_seconds
        )


# agents


def _answer_agents(asked: Asked) -> Answer:
    gaps, reasons = asked.find_gaps(), asked.settings.figures.reasons
    found: list[tuple[_Place, Row]] = []
    sums: list[Sums] = []
    for intervals in sum_kept(asked, "agent"):
        rows, many = [], []
        for place, name, part, row in _begin_rows(asked, intervals, gaps):
            if name.startswith("@"):
                row["station"] = name[1:]
            else:
                row["agent"], row["stations"] = name, sorted(part.stations)
            rows.append(row)
            many.append(part.sums)
            found.append((place, row))
        put_agents(rows, many)
        put_revisions(rows, many)
        sums.append(add_all(many))
    rows = name_reasons(_order(found), reasons)
    total = _total_frame(asked, gaps, is_complete=_is_complete(rows))
    put_agents([total], [prune(add_all(sums))])
    total = name_reasons([total], reasons)[0]
    _put_average([*rows, total], "answered")
    return rows, total if rows else None, [OCCUPANCY.words, AGENT_AHT.words, *_note_gaps(total)]


# the host


def _answer_hours(asked: Asked) -> Answer:
    gaps = asked.find_gaps()
    found: list[tuple[_Place, Row]] = []
    sums: list[Sums] = []
    for place, _, part, row in _begin_rows(asked, chain.from_iterable(sum_kept(asked, "host")), gaps):
        seconds = sum(asked.count_seconds(*span) for span in asked.spans[place[0]])
        found.append((place, row | _describe_host(part.sums, seconds)))
        sums.append(part.sums)
    rows, whole = _order(found), add_all(sums)
    total = _total_frame(asked, gaps, is_complete=_is_complete(rows))
    total |= _describe_host(whole, asked.count_seconds(asked.since, asked.until))
    _put_average([*rows, total], "calls")
    busiest = max(rows, key=lambda row: row["erlangs"], default=None)
    if busiest is not None and busiest["erlangs"] and asked.profile is None:
        total |= {"busiest_from": busiest["from"], "busiest_erlangs": busiest["erlangs"]}
    busy = _note_busiest(total, asked) if asked.question.interval == "1h" else ()
    return rows, total if rows else None, [*busy, *_note_gaps(total)]


def _describe_host(sums: Sums, seconds: float) -> Row:
    sides = {"incoming": ("inbound", "tandem"), "outgoing": ("outbound",), "internal": ("internal",)}
    row: Row = {}
    for side, directions in sides.items():
        found = [sums.get(direction) or {} for direction in directions]
        row[side] = sum(each.get("calls", 0) for each in found)
        row[f"{side}_answered"] = sum(each.get("answered", 0) for each in found)
    all_of = [value for value in sums.values() if isinstance(value, dict) and "calls" in value]
    row["calls"] = sum(each["calls"] for each in all_of)
    row["talk_seconds"] = round(sum(each.get("talk_seconds", 0) for each in all_of), 3)
    row["cost"] = round(sum(each.get("cost", 0) for each in all_of), 4)
    trunks = sums.get("trunks") or {}
    row["trunks_at_once"] = trunks.get("peak", 0)
    row["all_busy_seconds"] = round(trunks.get("all_busy_seconds", 0), 3)
    row["erlangs"] = round(trunks.get("seconds", 0) / seconds, 4) if seconds else 0.0
    return row


# the day in words


def _answer_day(asked: Asked) -> Answer:
    rows, total, notes = _answer_queues(asked)
    _, agents, _ = _answer_agents(asked)
    hourly, hours, _ = _answer_hours(asked.ask(interval="1h"))
    return rows, total, [*tell_day(total, agents, hours, hourly, asked.zone), *notes]


# from the calls themselves


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
    rows.sort(key=_count_of)
    whole = add_all([*found.values()])
    total = _total_frame(asked, gaps, is_complete=not _lasts_any(asked)) | _describe_count(whole, seconds)
    return rows, total if rows else None, [*_note_gaps(total)]


def _describe_count(sums: Sums, seconds: float) -> Row:
    names = ("calls", "incoming", "outgoing", "internal", "answered", "unanswered")
    row: Row = {name: int(sums.get(name, 0)) for name in names}
    row |= {name: round(sums.get(name, 0), 3) for name in ("talk_seconds", "seconds")}
    row["cost"] = round(sums.get("cost", 0), 4)
    row["erlangs"] = round(sums.get("seconds", 0) / seconds, 4) if seconds else 0.0
    return row


def _answer_trunks(asked: Asked) -> Answer:
    """Answer as the others, and say of all trunks together how busy they were."""
    rows, total, notes = _answer_counts("trunk", count_trunks)(asked)
    if total is None or asked.question.station is not None or asked.question.group is not None:
        return rows, total, notes
    _, hours, _ = _answer_hours(asked.ask(what="hours", interval="1h"))
    if hours is None:
        return rows, total, notes
    total |= {name: hours[name] for name in _OF_ALL_TRUNKS if name in hours}
    return rows, total, [*tell_trunks(hours), *_note_busiest(hours, asked), *notes]


_OF_ALL_TRUNKS = ("trunks_at_once", "all_busy_seconds", "erlangs", "busiest_from", "busiest_erlangs")


def _note_busiest(hours: Row, asked: Asked) -> Iterator[Words]:
    if "busiest_from" in hours:
        at = spell_instant(hours["busiest_from"], asked.zone)
        yield Words("figures.note.busiest", at=at, erlangs=tell_decimal(hours["busiest_erlangs"]))


def _answer_departments(asked: Asked) -> Answer:
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


_ANSWERS: Mapping[str, Callable[[Asked], Answer]] = {
    "queues": _answer_queues,
    "day": _answer_day,
    "agents": _answer_agents,
    "hours": _answer_hours,
    "stations": _answer_counts("station", count_stations),
    "departments": _answer_departments,
    "trunks": _answer_trunks,
    "dids": _answer_counts("did", count_dids),
    "numbers": _answer_counts("number", count_numbers),
    "calls": _answer_calls,
}
