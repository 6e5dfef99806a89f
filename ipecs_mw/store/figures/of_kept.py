"""Answers from the figures that are kept: groups, agents, the hours of a phone system, the day in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY
from ipecs_mw.figures.answers.rows import merge, name_reasons, put_agents, put_queues, put_revisions, put_rule
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import Sums, add_all, prune
from ipecs_mw.store.figures.asking import Asked
from ipecs_mw.store.figures.day import tell_day
from ipecs_mw.store.figures.frames import (
    Answer,
    Row,
    RowPlace,
    are_complete,
    begin_rows,
    frame_total,
    note_busiest,
    note_gaps,
    order_rows,
    put_averages,
)
from ipecs_mw.store.figures.kept import sum_kept

_OF_PERSONS = ("states", "not_ready")

# groups


def _answer_queues(asked: Asked) -> Answer:
    """Return figures of groups, in each interval."""
    gaps, names, reasons = asked.find_gaps(), asked.settings.figures.groups, asked.settings.figures.reasons
    found: list[tuple[RowPlace, Row]] = []
    sums: list[tuple[Sums, Rule]] = []
    groups: set[tuple[str, str]] = set()
    for intervals in sum_kept(asked, "group"):
        by_rule: dict[Rule, tuple[list[Row], list[Sums]]] = {}
        for place, name, part, row in begin_rows(asked, intervals, gaps):
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
    rows = order_rows(found)
    merged, rule_of_all = merge(sums)
    total = frame_total(asked, gaps, is_complete=are_complete(rows))
    said = rule_of_all or (None if rows else asked.rules.default)
    put_queues([total], [merged | _find_states(asked, rows, len(groups))], said)
    rows, (total,) = name_reasons(rows, reasons), name_reasons([total], reasons)
    put_averages([*rows, total], "offered")
    notes = [*_note_rule(asked, rule_of_all, has_groups=bool(groups)), *note_gaps(total)]
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
    """Return figures of agents, in each interval."""
    gaps, reasons = asked.find_gaps(), asked.settings.figures.reasons
    found: list[tuple[RowPlace, Row]] = []
    sums: list[Sums] = []
    for intervals in sum_kept(asked, "agent"):
        rows, many = [], []
        for place, name, part, row in begin_rows(asked, intervals, gaps):
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
    rows = name_reasons(order_rows(found), reasons)
    total = frame_total(asked, gaps, is_complete=are_complete(rows))
    put_agents([total], [prune(add_all(sums))])
    total = name_reasons([total], reasons)[0]
    put_averages([*rows, total], "answered")
    return rows, total if rows else None, [OCCUPANCY.words, AGENT_AHT.words, *note_gaps(total)]


# the host


def answer_hours(asked: Asked) -> Answer:
    """Return figures of the phone systems, in each interval."""
    gaps = asked.find_gaps()
    found: list[tuple[RowPlace, Row]] = []
    sums: list[Sums] = []
    for place, _, part, row in begin_rows(asked, chain.from_iterable(sum_kept(asked, "host")), gaps):
        seconds = sum(asked.count_seconds(*span) for span in asked.spans[place[0]])
        found.append((place, row | _describe_host(part.sums, seconds)))
        sums.append(part.sums)
    rows, whole = order_rows(found), add_all(sums)
    total = frame_total(asked, gaps, is_complete=are_complete(rows))
    total |= _describe_host(whole, asked.count_seconds(asked.since, asked.until))
    put_averages([*rows, total], "calls")
    busiest = max(rows, key=lambda row: row["erlangs"], default=None)
    if busiest is not None and busiest["erlangs"] and asked.profile is None:
        total |= {"busiest_from": busiest["from"], "busiest_erlangs": busiest["erlangs"]}
    busy = note_busiest(total, asked) if asked.question.interval == "1h" else ()
    return rows, total if rows else None, [*busy, *note_gaps(total)]


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
    """Return figures of groups, with the day in words."""
    rows, total, notes = _answer_queues(asked)
    _, agents, _ = _answer_agents(asked)
    hourly, hours, _ = answer_hours(asked.ask(interval="1h"))
    return rows, total, [*tell_day(total, agents, hours, hourly, asked.zone), *notes]


ANSWERS: Mapping[str, Callable[[Asked], Answer]] = {
    "queues": _answer_queues,
    "day": _answer_day,
    "agents": _answer_agents,
    "hours": answer_hours,
}
"""What is made of kept figures → what answers."""
