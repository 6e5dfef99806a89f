"""Answers from the figures that are kept: groups, agents, the hours of a phone system, the day in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY
from ipecs_mw.figures.answers.rows import (
    BLANK_AGENTS,
    BLANK_QUEUES,
    finish_agents,
    finish_queues,
    merge,
    name_reasons,
)
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import Columns, Sums, add_all, prune
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

_QUEUE = {"group": "", **BLANK_QUEUES, "revision": 0}
_AGENT = {**BLANK_AGENTS, "revision": 0}

# groups


def _answer_queues(asked: Asked) -> Answer:
    """Return figures of groups, in each interval."""
    gaps, reasons = asked.find_gaps(), asked.settings.figures.reasons
    found: list[tuple[RowPlace, Row]] = []
    sums: list[tuple[Sums, Rule]] = []
    groups: dict[str, tuple[str | None, Rule]] = {}
    hosts: set[tuple[str, str]] = set()
    for intervals in sum_kept(asked, "group"):
        by_rule: dict[Rule, list[Row]] = {}
        for place, name, part, row in begin_rows(asked, intervals, gaps, _QUEUE):
            if name not in groups:
                groups[name] = _describe_group(asked, name)
            title, rule = groups[name]
            row.update(part.sums)
            row["group"] = name
            if title is not None:
                row["name"] = title
            by_rule.setdefault(rule, []).append(row)
            found.append((place, row))
            hosts.add((place[1], name))
        sums += [(finish_queues(rows, rule), rule) for rule, rows in by_rule.items()]
    rows = order_rows(found)
    merged, rule_of_all = merge(sums)
    total = {
        **frame_total(asked, gaps, is_complete=are_complete(rows)),
        **BLANK_QUEUES,
        **merged,
        **_find_states(asked, rows, len(hosts)),
    }
    finish_queues([total], rule_of_all or (None if rows else asked.rules.default))
    rows, (total,) = name_reasons(rows, reasons), name_reasons([total], reasons)
    put_averages([*rows, total], "offered")
    notes = [*_note_rule(asked, rule_of_all, has_groups=bool(groups)), *note_gaps(total)]
    return rows, total if rows else None, notes


def _describe_group(asked: Asked, name: str) -> tuple[str | None, Rule]:
    """Return how a group is called, and the rule that holds of it."""
    group = asked.settings.figures.groups.get(name)
    return (group.name if group is not None and group.name else None), asked.rules.find(name)


def _find_states(asked: Asked, rows: Sequence[Row], groups: int) -> Sums:
    """Return the seconds of agents: of one group those of its rows, of several each person once."""
    if asked.question.group is None and groups != 1:
        sums = _sum_host(asked)
        return prune({name: sums.get(name, {}) for name in _OF_PERSONS})
    return prune(
        {
            "states": add_all(Columns([row["states"] for row in rows])),
            "not_ready": add_all(Columns([row["not_ready_seconds"] for row in rows])),
        }
    )


def _sum_host(asked: Asked) -> Sums:
    intervals = chain.from_iterable(sum_kept(asked, "host"))
    return add_all(Columns([part.sums for interval in intervals for part in interval.parts.values()]))


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
        rows = []
        for place, name, part, row in begin_rows(asked, intervals, gaps, _AGENT):
            row.update(part.sums)
            if name.startswith("@"):
                row["station"] = name[1:]
            else:
                row["agent"], row["stations"] = name, sorted(part.stations)
            rows.append(row)
            found.append((place, row))
        sums.append(finish_agents(rows))
    rows = name_reasons(order_rows(found), reasons)
    total = {
        **frame_total(asked, gaps, is_complete=are_complete(rows)),
        **BLANK_AGENTS,
        **prune(add_all(Columns(sums))),
    }
    finish_agents([total])
    total = name_reasons([total], reasons)[0]
    put_averages([*rows, total], "answered")
    return rows, total if rows else None, [OCCUPANCY.words, AGENT_AHT.words, *note_gaps(total)]


# the host


def answer_hours(asked: Asked) -> Answer:
    """Return figures of the phone systems, in each interval."""
    gaps = asked.find_gaps()
    found: list[tuple[RowPlace, Row]] = []
    sums: list[Sums] = []
    for place, _, part, row in begin_rows(asked, chain.from_iterable(sum_kept(asked, "host")), gaps, {}):
        seconds = sum(asked.count_seconds(*span) for span in asked.spans[place[0]])
        found.append((place, row | _describe_host(part.sums, seconds)))
        sums.append(part.sums)
    rows, whole = order_rows(found), add_all(Columns(sums))
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
