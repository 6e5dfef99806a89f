"""Which quarter hours a document counts in, so that those alone are counted anew when it changes."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.time.quarters import find_quarter, list_quarters

Document = Mapping[str, Any]
FindTouched = Callable[[Document | None, Document | None, datetime], set[datetime]]

_FEW = timedelta(hours=2)
"""The quarter hours of a shorter call are counted anew sooner than it is found out which of them differ."""

_MOMENT = timedelta(microseconds=1)
_IDENTITY = ("station", "agent", "groups", "state", "reason", "from")


def find_touched_by_call(before: Document | None, after: Document | None, now: datetime) -> set[datetime]:
    """Return the quarter hours in which a call counts otherwise than it did; where they are few, perhaps more.

    As long as its beginning and its lines are as they were, that takes no longer however long the call lasts.
    """
    versions = [each for each in (before, after) if each]
    since = min(each["began_at"] for each in versions)
    ends = [max(each.get("ended_at") or now, each["began_at"]) for each in versions]
    first, last = versions[0], versions[-1]
    is_as_it_was = first["began_at"] == last["began_at"] and _count_lines(first) == _count_lines(last)
    if len(versions) < 2 or max(ends) - since <= _FEW or not is_as_it_was:
        return _list_all(since, max(ends))
    longer = list_quarters(min(ends), max(ends)) if min(ends) < max(ends) else ()
    return {*longer, *_find_changed(first, last, now)}


def _count_lines(call: Document) -> int:
    return len(call.get("trunks") or ())


def _find_changed(before: Document, after: Document, now: datetime) -> set[datetime]:
    """Return the quarter hours in which something else than the lines of a call counts otherwise."""
    versions = [{**each, "trunks": ()} for each in (before, after)]
    quarters = {find_quarter(at) for each in versions for at in _list_instants(each)}
    counts = [_count(each, quarters, now) for each in versions]
    names = counts[0].keys() | counts[1].keys()
    return {name[1] for name in names if counts[0].get(name) != counts[1].get(name)}


def _list_instants(call: Document) -> Iterator[datetime]:
    """Yield all instants at which something of a call counts; lines in use count in between as well."""
    yield call["began_at"]
    for each in (call, *(call.get("segments") or ())):
        yield from (each[name] for name in ("from", "until", "ended_at") if each.get(name))


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
