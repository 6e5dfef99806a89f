"""Sums of figures: counts and seconds by name, and objects of these within them.

A sum without a value is 0 and absent. Waits are counted by how long they were: `"12"` is 12 seconds, `"12+"` more
than 12 and less than 13. So whoever asks may choose any threshold in whole seconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

MAXIMA = frozenset({"longest_wait_seconds", "peak"})
"""Sums of which the most counts."""

BUCKETS = (10, 20, 30, 60, 120, 300)
"""Limits of waits in seconds, each with those that waited no longer."""

LONGER = "longer"
_EMPTY = dict.fromkeys([*map(str, BUCKETS), LONGER], 0)

Sums = dict[str, Any]


def add(into: Sums, more: Mapping[str, Any]) -> None:
    """Add sums to others, in place; what is no number and no object of numbers is left alone."""
    for name, value in more.items():
        if type(value) is dict:
            add(into.setdefault(name, {}), value)
        elif name in MAXIMA:
            into[name] = max(into.get(name, 0), value)
        else:
            into[name] = into.get(name, 0) + value


class Columns(dict[str, list[Any]]):
    """What each of many sums has of a name, 0 where it has none: a column is read once, when it is asked for."""

    def __init__(self, many: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.many = many

    def __missing__(self, name: str) -> list[Any]:
        try:
            column = [*map(itemgetter(name), self.many)]  # where all have it, in half the time
        except KeyError:
            column = [sums.get(name, 0) for sums in self.many]
        self[name] = column
        return column


def add_all(columns: Columns, names: Iterable[str] | None = None) -> Sums:
    """Return what many sums add up to: all that they have, or what is named.

    For thousands that is much sooner than `add` one by one.
    """
    total: Sums = {}
    for name in dict.fromkeys(chain.from_iterable(columns.many)) if names is None else names:
        values = columns[name]
        if dict in map(type, values):
            total[name] = _add_flat(values)
        else:
            total[name] = max(values) if name in MAXIMA else sum(values)
    return total


def _add_flat(many: Sequence[Mapping[str, Any]]) -> Sums:
    total: Sums = {}
    for name, value in chain.from_iterable([sums.items() for sums in many if sums]):
        known = total.get(name, 0)
        total[name] = max(known, value) if name in MAXIMA else known + value
    return total


@lru_cache(maxsize=8192)
def name_wait(seconds: float) -> str:
    """Return the name under which a wait is counted."""
    whole = int(seconds)
    return str(whole) if whole == seconds else f"{whole}+"


@lru_cache(maxsize=16384)
def read_wait(name: str) -> float:
    """Return how long waits of a name are: whole seconds, or half a second more for those between."""
    return int(name[:-1]) + 0.5 if name.endswith("+") else float(name)


def count_within(waits: Mapping[str, int], seconds: float) -> int:
    """Return how many waited no longer than whole seconds."""
    return sum([count for name, count in waits.items() if read_wait(name) <= seconds])


def count_below(waits: Mapping[str, int], seconds: float) -> int:
    """Return how many waited less than whole seconds."""
    return sum([count for name, count in waits.items() if read_wait(name) < seconds])


def fill_buckets(waits: Mapping[str, int]) -> dict[str, int]:
    """Return how many waits are in each bucket, by its limit."""
    found = _EMPTY.copy()
    for name, count in waits.items():
        found[_find_bucket(name)] += count
    return found


@lru_cache(maxsize=16384)
def _find_bucket(name: str) -> str:
    seconds = read_wait(name)
    return next((str(limit) for limit in BUCKETS if seconds <= limit), LONGER)


def prune(sums: Sums) -> Sums:
    """Return sums without what is 0, seconds to the millisecond."""
    return dict(_prune(sums))


def _prune(sums: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in sums.items():
        if type(value) is dict:
            if kept := prune(value):
                yield name, kept
        elif value := round(value, 3):
            yield name, value
