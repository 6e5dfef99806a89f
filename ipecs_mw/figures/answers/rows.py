"""Documents of `figures` → rows: those of one interval summed up, rates computed last.

Averages are never averaged: a total is made of the sums, as any row is. A group's calls that were answered in time
are counted by the waits, so that any formula and threshold can be asked for at any time.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY, RATES, SERVICE_LEVELS
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import Sums, add, count_below, count_within, fill_buckets

Row = dict[str, Any]

NOT_SUMS = frozenset(
    {
        "_id",
        "host",
        "kind",
        "from",
        "until",
        "day",
        "zone",
        "group",
        "agent",
        "stations",
        "groups",
        "formula",
        "threshold_seconds",
        "short_seconds",
        "answered_in",
        "abandoned_in",
        "short",
        "is_complete",
        "updated_at",
    }
)
"""Fields of a document that do not add up, or that the waits tell better."""

_COUNTS = ("offered", "answered", "abandoned", "short", "overflowed", "left", "unknown", "open", "transfers")
_SECONDS = ("talk_seconds", "hold_seconds", "wrap_up_seconds", "longest_wait_seconds")


class Part(Struct):
    """What documents of one interval add up to."""

    sums: Sums
    stations: set[str]
    groups: set[str]
    is_complete: bool = True


def new_part() -> Part:
    """Return what no document adds up to."""
    return Part({}, set(), set())


def put(part: Part, document: Mapping[str, Any]) -> None:
    """Add a document of `figures`, or of `figure_days`."""
    sums = {name: value for name, value in document.items() if name not in NOT_SUMS}
    if part.sums:
        add(part.sums, sums)
    else:
        part.sums = sums  # most rows are made of one document
    part.stations.update(document.get("stations") or ())
    part.groups.update(document.get("groups") or ())
    part.is_complete = part.is_complete and document["is_complete"]


def apply_rule(sums: Sums, rule: Rule) -> Sums:
    """Return sums with what a threshold and a short-call limit make of the waits."""
    waits, abandoned = sums.get("waits") or {}, sums.get("abandon_waits") or {}
    return {
        **sums,
        "answered_in": count_within(waits, rule.threshold_seconds),
        "abandoned_in": count_within(abandoned, rule.threshold_seconds) if abandoned else 0,
        "short": count_below(abandoned, rule.short_seconds) if abandoned else 0,
    }


def describe_queue(sums: Sums, rule: Rule | None) -> Row:
    """Return a group's figures as the contract has them in JSON.

    `sums` have been given a rule. None where several groups are summed that do not have the same: then
    `sums["level"]` has the `numerator` and `denominator` of their own.
    """
    row: Row = {name: int(sums.get(name, 0)) for name in _COUNTS}
    row["service_level"] = describe_level(sums, rule)
    for name, formula in RATES.items():
        _put(row, name, formula.compute(sums))
    for name in _SECONDS:
        row[name] = round(sums.get(name, 0), 3)
    row["waits"] = fill_buckets(sums.get("waits") or {})
    row.update(_describe_states(sums))
    return row


def describe_level(sums: Sums, rule: Rule | None) -> Row:
    """Return a service level: by which formula and limits, and its value where there is one."""
    level: Row = {}
    if rule is None:
        own = sums.get("level") or {}
        below = own.get("denominator", 0)
        value = own.get("numerator", 0) / below if below > 0 else None
    else:
        level = {
            "formula": rule.formula,
            "threshold_seconds": rule.threshold_seconds,
            "short_seconds": rule.short_seconds,
        }
        value = SERVICE_LEVELS[rule.formula].compute(sums)
    _put(level, "value", value)
    return level


def name_reasons(row: Row, names: Mapping[str, str]) -> Row:
    """Return a row with the seconds by reason under the names that the keys have, where they have one."""
    if not names:
        return row
    named: Sums = {}
    for reason, seconds in row["not_ready_seconds"].items():
        add(named, {names.get(reason, reason): seconds})
    return row | {"not_ready_seconds": named}


def describe_agent(sums: Sums) -> Row:
    """Return an agent's figures as the contract has them in JSON."""
    states = sums.get("states") or {}
    row: Row = {name: int(sums.get(name, 0)) for name in ("offered", "answered", "no_answer", "open")}
    answered = {"answered": sums.get("answered", 0)}
    _put(row, "aht_seconds", AGENT_AHT.compute({**states, **answered}))
    row["talk_seconds"] = round(states.get("talking", 0), 3)
    row["hold_seconds"] = round(states.get("holding", 0), 3)
    row["wrap_up_seconds"] = round(states.get("wrap_up", 0), 3)
    return row | _describe_states(sums)


def _describe_states(sums: Sums) -> Row:
    states = sums.get("states") or {}
    row: Row = {
        "logged_in_seconds": round(sum(states.values()), 3),
        "states": {name: round(seconds, 3) for name, seconds in states.items()},
        "not_ready_seconds": {
            reason: round(seconds, 3) for reason, seconds in (sums.get("not_ready") or {}).items()
        },
    }
    _put(row, "occupancy", OCCUPANCY.compute(states))
    return row


def _put(row: Row, name: str, value: float | None) -> None:
    if value is not None:
        row[name] = round(value, 6)


def merge(parts: Iterable[tuple[Sums, Rule]]) -> tuple[Sums, Rule | None]:
    """Return the sums of several groups, and the rule that all of them have; None where they differ.

    Calls count once a group, and add up. Seconds of agents do not: an agent of two groups is one person.
    """
    total: Sums = {}
    rules: set[Rule] = set()
    for sums, rule in parts:
        formula = SERVICE_LEVELS[rule.formula]
        own = {
            "numerator": formula.above(sums),
            "denominator": formula.below(sums),
        }
        add(total, {name: each for name, each in sums.items() if name not in ("states", "not_ready")})
        add(total, {"level": own})
        rules.add(rule)
    return total, rules.pop() if len(rules) == 1 else None
