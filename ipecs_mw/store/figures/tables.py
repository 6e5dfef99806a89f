"""The tables that answer questions about figures."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import chain
from typing import Any

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.cells import spell_instant
from ipecs_mw.figures.answers.columns import list_columns
from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.rows import (
    Part,
    apply_rule,
    describe_agents,
    describe_queues,
    merge,
    name_reasons,
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
from ipecs_mw.store.figures.kept import Key, sum_kept
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Row = dict[str, Any]
Answer = tuple[list[Row], Row | None, list[Words]]
_Frames = Mapping[tuple[int, str], Row]

_FEW = 100
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


def _list_frames(asked: Asked, keys: Iterable[Key], gaps: Mapping[tuple[int, str], float]) -> _Frames:
    """Return what each row says of its interval, and of how much it knows, by its number and host."""
    return {each: _frame(asked, *each, gaps.get(each, 0.0)) for each in {(key.at, key.host) for key in keys}}


def _frame(asked: Asked, at: int, host: str, gap: float) -> Row:
    spans = asked.spans[at]
    row: Row = {"from": spans[0][0], "until": spans[-1][1]}
    if asked.profile is not None:
        row |= {asked.profile.field: asked.profile.values[at], "times": asked.count_times(spans)}
    if len(asked.places) > 1:
        row["host"] = host
    as_of = asked.places[host].as_of
    is_over = as_of is not None and as_of >= row["until"] and (at, host) not in asked.waiting
    return row | {"is_complete": is_over and not gap, "gap_seconds": gap, "as_of": as_of}


def _complete(frame: Row, part: Part) -> Row:
    return frame if part.is_complete else {**frame, "is_complete": False}


def _put_average(rows: Iterable[Row], name: str) -> None:
    """Say in rows of a profile how much there was each time."""
    for row in rows:
        if row.get("times"):
            row[f"average_{name}"] = round(row[name] / row["times"], 4)


def _cut(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Yield some keys after the other, so few that the processor has at hand what their rows are made of."""
    for begin in range(0, len(keys), _FEW):
        yield keys[begin : begin + _FEW]


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
    parts = sum_kept(asked, "group")
    frames = _list_frames(asked, parts, gaps)
    by_rule: dict[Rule, list[Key]] = {}
    for key in parts:
        by_rule.setdefault(asked.rules.find(key.name), []).append(key)
    found: dict[Key, Row] = {}
    sums: list[tuple[Sums, Rule]] = []
    for rule, keys in ((rule, few) for rule, all_of in by_rule.items() for few in _cut(all_of)):
        many = [apply_rule(parts[key].sums, rule) for key in keys]
        sums.append((add_all(many), rule))
        for key, row in zip(keys, describe_queues(many, rule), strict=True):
            part, named = parts[key], names.get(key.name)
            who = {"group": key.name, "name": named.name} if named and named.name else {"group": key.name}
            frame = _complete(frames[key.at, key.host], part)
            found[key] = {**frame, **who, **row, "revision": part.sums.get("revision", 0)}
    rows = name_reasons([found[key] for key in sorted(found)], reasons)
    merged, rule_of_all = merge(sums)
    total = _total_frame(asked, gaps, is_complete=_is_complete(rows))
    of_persons = _find_states(asked, merged, groups=len({(key.host, key.name) for key in parts}))
    said = rule_of_all or (None if parts else asked.rules.default)
    total |= name_reasons(describe_queues([merged | of_persons], said), reasons)[0]
    _put_average([*rows, total], "offered")
    return rows, total if rows else None, [*_note_rule(asked, rule_of_all, parts), *_note_gaps(total)]


def _find_states(asked: Asked, merged: Sums, groups: int) -> Sums:
    """Return the seconds of agents: of one group its own, of several each person once."""
    is_one = asked.question.group is not None or groups == 1
    sums = merged if is_one else add_all([part.sums for part in sum_kept(asked, "host").values()])
    return prune({name: sums.get(name, {}) for name in ("states", "not_ready")})


def _note_rule(asked: Asked, rule: Rule | None, parts: Collection[Key]) -> Iterator[Words]:
    if rule is None and parts:
        yield Words("figures.note.rules")
    else:
        said = rule or asked.rules.default
        yield Words(
            f"figures.note.{said.formula}", threshold=said.threshold_seconds, short=said.short_seconds
        )


# agents


def _answer_agents(asked: Asked) -> Answer:
    gaps, reasons = asked.find_gaps(), asked.settings.figures.reasons
    parts = sum_kept(asked, "agent")
    frames = _list_frames(asked, parts, gaps)
    rows: list[Row] = []
    sums: list[Sums] = []
    for keys in _cut(sorted(parts)):
        many = [parts[key].sums for key in keys]
        sums.append(add_all(many))
        for key, row in zip(keys, describe_agents(many), strict=True):
            part = parts[key]
            frame, who = _complete(frames[key.at, key.host], part), _name_agent(key.name, part)
            rows.append({**frame, **who, **row, "revision": part.sums.get("revision", 0)})
    total = _total_frame(asked, gaps, is_complete=_is_complete(rows))
    total |= describe_agents([prune(add_all(sums))])[0]
    _put_average([*rows, total], "answered")
    notes = [OCCUPANCY.words, AGENT_AHT.words, *_note_gaps(total)]
    return name_reasons(rows, reasons), name_reasons([total], reasons)[0] if rows else None, notes


def _name_agent(name: str, part: Part) -> Row:
    return (
        {"station": name[1:]} if name.startswith("@") else {"agent": name, "stations": sorted(part.stations)}
    )


# the host


def _answer_hours(asked: Asked) -> Answer:
    gaps, parts = asked.find_gaps(), sum_kept(asked, "host")
    frames = _list_frames(asked, parts, gaps)
    rows: list[Row] = []
    for key in sorted(parts):
        seconds = sum(asked.count_seconds(*span) for span in asked.spans[key.at])
        frame = _complete(frames[key.at, key.host], parts[key])
        rows.append({**frame, **_describe_host(parts[key].sums, seconds)})
    whole = add_all([part.sums for part in parts.values()])
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
