"""Documents of `figures` → rows: those of one interval summed up, rates computed last.

Averages are never averaged: a total is made of the sums, as any row is. A group's calls that were answered in time
are counted by the waits, so that any formula and threshold can be asked for at any time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ipecs_mw.figures.answers.formulas import (
    AGENT_AHT,
    OCCUPANCY,
    RATES,
    SERVICE_LEVELS,
    Formula,
    read_column,
)
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import (
    Sums,
    add,
    add_all,
    count_below,
    count_within,
    fill_buckets,
    prune,
)

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
_TIMES = {"talk_seconds": "talking", "hold_seconds": "holding", "wrap_up_seconds": "wrap_up"}
"""An agent's seconds, and the state that they are of."""

_OWN = Formula("own", ("numerator",), ("denominator",))
_SECONDS = ("talk_seconds", "hold_seconds", "wrap_up_seconds", "longest_wait_seconds")


class Part(Struct):
    """What documents of one interval add up to; `is_joined` where they were several."""

    sums: Sums
    stations: set[str]
    groups: set[str]
    is_complete: bool = True
    is_joined: bool = False


def new_part() -> Part:
    """Return what no document adds up to."""
    return Part({}, set(), set())


def put(part: Part, document: Mapping[str, Any]) -> None:
    """Add a document of `figures`, or of `figure_days`."""
    sums = {name: value for name, value in document.items() if name not in NOT_SUMS}
    stations, groups = document.get("stations") or (), document.get("groups") or ()
    join(part, Part(sums, {*stations}, {*groups}, document["is_complete"]))


def join(part: Part, other: Part) -> None:
    """Add what others add up to."""
    add(part.sums, other.sums)
    part.stations |= other.stations
    part.groups |= other.groups
    part.is_complete = part.is_complete and other.is_complete
    part.is_joined = True


def apply_rule(sums: Sums, rule: Rule) -> Sums:
    """Return sums with what a threshold and a short-call limit make of the waits."""
    applied = {**sums}
    put_rule(applied, rule)
    return applied


def put_rule(sums: Sums, rule: Rule) -> None:
    """Put into sums what a threshold and a short-call limit make of the waits."""
    waits, abandoned = sums.get("waits") or {}, sums.get("abandon_waits") or {}
    sums["answered_in"] = count_within(waits, rule.threshold_seconds)
    sums["abandoned_in"] = count_within(abandoned, rule.threshold_seconds) if abandoned else 0
    sums["short"] = count_below(abandoned, rule.short_seconds) if abandoned else 0


def put_queues(rows: Sequence[Row], many: Sequence[Sums], rule: Rule | None) -> None:
    """Put figures of groups into rows, as the contract has them in JSON, each of its own sums.

    `many` have been given the rule, and nothing in them is finer than a millisecond. None where several groups
    are summed that do not have the same: then `sums["level"]` has the `numerator` and `denominator` of their own.
    """
    for name in _COUNTS:
        _put_each(rows, name, read_column(many, name))
    _put_each(rows, "service_level", describe_levels(many, rule))
    for name, formula in RATES.items():
        _put_rates(rows, name, formula.compute_each(many))
    for name in _SECONDS:
        _put_each(rows, name, read_column(many, name))
    _put_each(rows, "waits", [fill_buckets(sums.get("waits") or {}) for sums in many])
    _put_states(rows, many)


def describe_levels(many: Sequence[Sums], rule: Rule | None) -> list[Row]:
    """Return the service level of each of the sums: by which formula and limits, and its value if any."""
    if rule is None:
        said: Row = {}
        values = _OWN.compute_each([sums.get("level") or {} for sums in many])
    else:
        said = {
            "formula": rule.formula,
            "threshold_seconds": rule.threshold_seconds,
            "short_seconds": rule.short_seconds,
        }
        values = SERVICE_LEVELS[rule.formula].compute_each(many)
    return [said if value is None else {**said, "value": _round(value)} for value in values]


def name_reasons(rows: list[Row], names: Mapping[str, str]) -> list[Row]:
    """Return rows with the seconds by reason under the names that the keys have, where they have one."""
    return [_name_reasons(row, names) for row in rows] if names else rows


def _name_reasons(row: Row, names: Mapping[str, str]) -> Row:
    named: Sums = {}
    for reason, seconds in row["not_ready_seconds"].items():
        add(named, {names.get(reason, reason): seconds})
    return row | {"not_ready_seconds": named}


def put_agents(rows: Sequence[Row], many: Sequence[Sums]) -> None:
    """Put figures of agents into rows, as the contract has them in JSON, each of its own sums."""
    for name in ("offered", "answered", "no_answer", "open"):
        _put_each(rows, name, read_column(many, name))
    states = [sums.get("states") or {} for sums in many]
    handling = [
        {**each, "answered": sums.get("answered", 0)} for each, sums in zip(states, many, strict=True)
    ]
    _put_rates(rows, "aht_seconds", AGENT_AHT.compute_each(handling))
    for name, state in _TIMES.items():
        _put_each(rows, name, read_column(states, state))
    _put_states(rows, many)


def put_revisions(rows: Sequence[Row], many: Sequence[Sums]) -> None:
    """Put into rows how often what they are made of has changed."""
    _put_each(rows, "revision", read_column(many, "revision"))


def _put_states(rows: Sequence[Row], many: Sequence[Sums]) -> None:
    states = [sums.get("states") or {} for sums in many]
    _put_each(rows, "logged_in_seconds", [round(sum(each.values()), 3) for each in states])
    _put_each(rows, "states", states)
    _put_each(rows, "not_ready_seconds", [sums.get("not_ready") or {} for sums in many])
    _put_rates(rows, "occupancy", OCCUPANCY.compute_each(states))


def _put_each(rows: Sequence[Row], name: str, values: Iterable[Any]) -> None:
    for row, value in zip(rows, values, strict=True):
        row[name] = value


def _put_rates(rows: Sequence[Row], name: str, values: Iterable[float | None]) -> None:
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            row[name] = _round(value)


def _round(value: float) -> float:
    """Return a rate to six digits; `round` takes four times as long."""
    return int(value * 1e6 + 0.5) / 1e6


def merge(parts: Sequence[tuple[Sums, Rule]]) -> tuple[Sums, Rule | None]:
    """Return what sums of several groups add up to, and the rule that all of them have; None where they differ.

    Each of the sums is of groups that have the same rule, and was given it. Seconds of agents are not among them:
    an agent of two groups is one person.
    """
    levels = [
        {"numerator": formula.above(sums), "denominator": formula.below(sums)}
        for sums, rule in parts
        if (formula := SERVICE_LEVELS[rule.formula])
    ]
    total = add_all([sums for sums, _ in parts]) | {"level": add_all(levels)}
    rules = {rule for _, rule in parts}
    return prune(total), rules.pop() if len(rules) == 1 else None
