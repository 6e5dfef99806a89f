"""Which quarter hours a document counts in, so that those alone are counted anew when it changes."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.time.quarters import find_quarter, list_quarters

Document = Mapping[str, Any]
FindTouched = Callable[[Document | None, Document | None, datetime], set[datetime]]

_FEW = 8  # so many quarter hours are counted anew sooner than it is found out which of them differ
_MOMENT = timedelta(microseconds=1)
_IDENTITY = ("station", "agent", "groups", "state", "reason", "from")


def find_touched_by_call(before: Document | None, after: Document | None, now: datetime) -> set[datetime]:
    """Return the quarter hours in which a call counts otherwise than it did; where they are few, perhaps more."""
    versions = [each for each in (before, after) if each]
    since = min(each["began_at"] for each in versions)
    until = max(each.get("ended_at") or now for each in versions)
    quarters = _list_all(since, until)
    if len(quarters) <= _FEW or len(versions) < 2:
        return quarters
    counts = [_count(each, quarters, now) for each in versions]
    names = counts[0].keys() | counts[1].keys()
    return {name[1] for name in names if counts[0].get(name) != counts[1].get(name)}


def _list_all(since: datetime, until: datetime) -> set[datetime]:
    return set(list_quarters(since, max(until, since + _MOMENT)))


def _count(call: Document, quarters: set[datetime], now: datetime) -> Mapping[tuple[str, datetime], Document]:
    facts = Facts(str(call["host"]), quarters, [call], (), (), now)
    return {(each["_id"], each["from"]): each for each in count(facts)}


def find_touched_by_state(before: Document | None, after: Document | None, now: datetime) -> set[datetime]:
    """Return the quarter hours in which an agent's state counts otherwise than it did."""
    versions = [each for each in (before, after) if each]
    ends = [each.get("until") or now for each in versions]
    first, last = versions[0], versions[-1]
    if len(versions) > 1 and all(first.get(name) == last.get(name) for name in _IDENTITY):
        return _list_all(find_quarter(min(ends)), max(ends))
    return _list_all(min(each["from"] for each in versions), max(ends))
