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
)
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import (
    Columns,
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

_TIMES = {"talk_seconds": "talking", "hold_seconds": "holding", "wrap_up_seconds": "wrap_up"}
"""An agent's seconds, and the state that they are of."""

_OWN = Formula("own", ("numerator",), ("denominator",))
_MILLION = 1e6
"""Rates are told to six digits, seconds to three: `round` takes four times as long as dividing whole numbers."""

_OF_STATES: Row = {"logged_in_seconds": 0, "states": {}, "not_ready_seconds": {}, "occupancy": None}
_OF_AGENT: Row = {"offered": 0, "answered": 0, "no_answer": 0, "open": 0}
_COUNTS: Row = {
    "offered": 0,
    "answered": 0,
    "abandoned": 0,
    "short": 0,
    "overflowed": 0,
    "left": 0,
    "unknown": 0,
    "open": 0,
    "transfers": 0,
}
_SECONDS: Row = {"talk_seconds": 0, "hold_seconds": 0, "wrap_up_seconds": 0, "longest_wait_seconds": 0}
_BY_RULE = ("answered_in", "abandoned_in", "short")
_COUNTED: Row = {
    "wait_seconds": 0,
    "abandon_waits": {},
    "abandon_wait_seconds": 0,
    "handled": 0,
    "answered_in": 0,
    "abandoned_in": 0,
    "level": {},
}
"""Sums of groups that rates are made of, and that no row tells."""

BLANK_QUEUES: Row = {
    **_COUNTS,
    "service_level": {},
    **dict.fromkeys(RATES),
    **_SECONDS,
    "waits": {},
    **_OF_STATES,
    **_COUNTED,
    "not_ready": {},
}
BLANK_AGENTS: Row = {
    **_OF_AGENT,
    "aht_seconds": None,
    **dict.fromkeys(_TIMES, 0),
    **_OF_STATES,
    "not_ready": {},
}
"""What rows are before what documents have is put into them; nobody may change the objects in these.

Fields that are there at once cost less than those that come one by one.
"""

_SUMS_OF_QUEUE = (*_COUNTS, *_SECONDS, *_COUNTED, "waits")
_SUMS_OF_AGENT = (*_OF_AGENT, "states", "not_ready")


class Part(Struct):
    """What documents of one interval add up to; `is_joined` where they were several."""

    sums: Sums
    stations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    is_complete: bool = True
    is_joined: bool = False


def new_part() -> Part:
    """Return what no document adds up to."""
    return Part({})


def put(part: Part, document: Mapping[str, Any]) -> None:
    """Add a document of `figures`, or of `figure_days`."""
    sums = {name: value for name, value in document.items() if name not in NOT_SUMS}
    stations, groups = document.get("stations") or (), document.get("groups") or ()
    join(part, Part(sums, frozenset(stations), frozenset(groups), document["is_complete"]))


def join(part: Part, other: Part) -> None:
    """Add what others add up to."""
    add(part.sums, other.sums)
    part.stations |= other.stations
    part.groups |= other.groups
    part.is_complete = part.is_complete and other.is_complete
    part.is_joined = True


def apply_rule(sums: Sums, rule: Rule) -> Sums:
    """Return sums with what a threshold and a short-call limit make of the waits."""
    columns = Columns([sums])
    _put_rule(columns, rule)
    return {**sums, **{name: columns[name][0] for name in _BY_RULE}}


def _put_rule(columns: Columns, rule: Rule) -> None:
    within, below = rule.threshold_seconds, rule.short_seconds
    abandoned = columns["abandon_waits"]
    columns["answered_in"] = [count_within(waits, within) if waits else 0 for waits in columns["waits"]]
    columns["abandoned_in"] = [count_within(waits, within) if waits else 0 for waits in abandoned]
    columns["short"] = [count_below(waits, below) if waits else 0 for waits in abandoned]


def finish_queues(rows: Sequence[Row], rule: Rule | None) -> Sums:
    """Make figures of groups, as the contract has them in JSON, of rows with their sums; return their total.

    A row is as `BLANK_QUEUES` with the sums put in; nothing in them is finer than a millisecond. No rule where
    several groups are summed that do not have the same: then `level` has the `numerator` and `denominator` of
    their own. Seconds of agents are not among what is returned: an agent of two groups is one person.
    """
    columns = Columns(rows)
    if rule is not None:
        _put_rule(columns, rule)
        _put_each(rows, "short", columns["short"])
    _put_each(rows, "service_level", describe_levels(columns, rule))
    for name, formula in RATES.items():
        _put_rates(rows, name, formula.compute_each(columns))
    sums = add_all(columns, _SUMS_OF_QUEUE)
    _put_each(rows, "waits", [fill_buckets(waits) for waits in columns["waits"]])
    _finish_states(rows, Columns(columns["states"]))
    for name in _COUNTED:
        for row in rows:
            del row[name]
    return sums


def describe_levels(columns: Columns, rule: Rule | None) -> list[Row]:
    """Return the service level of each of the sums: by which formula and limits, and its value if any."""
    if rule is None:
        said: Row = {}
        values = _OWN.compute_each(Columns(columns["level"]))
    else:
        said = {
            "formula": rule.formula,
            "threshold_seconds": rule.threshold_seconds,
            "short_seconds": rule.short_seconds,
        }
        values = SERVICE_LEVELS[rule.formula].compute_each(columns)
    return [
        said if value is None else {**said, "value": int(value * _MILLION + 0.5) / _MILLION}
        for value in values
    ]


def name_reasons(rows: list[Row], names: Mapping[str, str]) -> list[Row]:
    """Return rows with the seconds by reason under the names that the keys have, where they have one."""
    return [_name_reasons(row, names) for row in rows] if names else rows


def _name_reasons(row: Row, names: Mapping[str, str]) -> Row:
    named: Sums = {}
    for reason, seconds in row["not_ready_seconds"].items():
        add(named, {names.get(reason, reason): seconds})
    return row | {"not_ready_seconds": named}


def finish_agents(rows: Sequence[Row]) -> Sums:
    """Make figures of agents, as the contract has them in JSON, of rows with their sums; return their total.

    A row is as `BLANK_AGENTS` with the sums put in.
    """
    columns = Columns(rows)
    sums = add_all(columns, _SUMS_OF_AGENT)
    states = Columns(columns["states"])
    states["answered"] = columns["answered"]
    _put_rates(rows, "aht_seconds", AGENT_AHT.compute_each(states))
    for name, state in _TIMES.items():
        _put_each(rows, name, states[state])
    _finish_states(rows, states)
    return sums


def _finish_states(rows: Sequence[Row], states: Columns) -> None:
    _put_each(rows, "logged_in_seconds", [int(sum(each.values()) * 1e3 + 0.5) / 1e3 for each in states.many])
    _put_each(rows, "not_ready_seconds", [row.pop("not_ready") for row in rows])
    _put_rates(rows, "occupancy", OCCUPANCY.compute_each(states))


def _put_each(rows: Sequence[Row], name: str, values: Iterable[Any]) -> None:
    for row, value in zip(rows, values, strict=True):
        row[name] = value


def _put_rates(rows: Sequence[Row], name: str, values: Iterable[float | None]) -> None:
    for row, value in zip(rows, values, strict=True):
        if value is None:
            del row[name]
        else:
            row[name] = int(value * _MILLION + 0.5) / _MILLION


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
    total = add_all(Columns([sums for sums, _ in parts])) | {"level": add_all(Columns(levels))}
    rules = {rule for _, rule in parts}
    return prune(total), rules.pop() if len(rules) == 1 else None
