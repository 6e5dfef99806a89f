"""The filter of call records as the PBX reads it.

A filter is an AND of equalities; `$not`, `$or`, `$and` and the comparisons each wrap further filters.
"""

import operator
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from ipecs_mw.simulator.wire.refusals import refuse

Record: TypeAlias = dict[str, Any]
_MOST_DEPTH = 20
_MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def matches(query: Any, record: Record, depth: int = 0) -> bool:
    """Tell whether a filter lets a record through. Raises CommandRefused where it is no filter."""
    if not isinstance(query, dict) or depth > _MOST_DEPTH:
        raise refuse("parameter error", family="common")
    verdicts = [_holds(name, wanted, record, depth + 1) for name, wanted in query.items()]
    return all(verdicts)  # only now: a wrong part is refused wherever it stands


def _holds(name: str, wanted: Any, record: Record, depth: int) -> bool:
    match name:
        case "$not":
            return not matches(wanted, record, depth)
        case "$or" | "$and" if isinstance(wanted, list) and wanted:
            found = [matches(item, record, depth) for item in wanted]
            return any(found) if name == "$or" else all(found)
        case "$regex" if isinstance(wanted, dict):
            return all(_fits(str(record.get(k, "")), _plain(pattern)) for k, pattern in wanted.items())
        case "$>" | "$>=" | "$<" | "$<=" if isinstance(wanted, dict):
            return all(k in record and _compares(name, record[k], _plain(v)) for k, v in wanted.items())
        case _ if not name.startswith("$"):
            return name in record and _compares("=", record[name], _plain(wanted))
        case _:
            raise refuse("parameter error", family="common")


def _plain(value: Any) -> str:
    if isinstance(value, dict | list | bool) or value is None:
        raise refuse("parameter error", family="common")
    return str(value)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "$>": operator.gt,
    "$>=": operator.ge,
    "$<": operator.lt,
    "$<=": operator.le,
}


def _compares(name: str, value: Any, wanted: str) -> bool:
    compare = _OPERATORS[name]
    if isinstance(value, int):
        return wanted.lstrip("-").isdecimal() and compare(value, int(wanted))
    return compare(_to_seconds(value), _to_seconds(wanted))


def _to_seconds(text: str) -> str:
    """Return a date to the minute as one to the second, so that the two compare; other text as it is."""
    return f"{text}:00" if _MINUTE.fullmatch(text) else text


def _fits(text: str, pattern: str) -> bool:
    parts = re.findall(r"\\.|[^\\]|\\$", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), text, re.DOTALL)
        is not None
    )
