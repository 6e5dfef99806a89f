"""All that the reading of a host has in mind, as bytes, to go on from where it stood.

The bytes are a pickle, since what is kept are values that name each other. Only the classes listed here are made
of them and nothing is called, so that whoever can write to the database can do no more with them than confuse.
"""

import io
import pickle
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from hashlib import blake2s
from types import MappingProxyType
from typing import Any

from ipecs_mw.calls.course import course, line
from ipecs_mw.calls.documents import agents, live
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.joining import index, records
from ipecs_mw.calls.steps import steps
from ipecs_mw.errors import CannotRestore

FORMAT = 1
"""Counts up when the rules change so that what was read by the former ones is to be read anew."""

_VALUES = (
    agents.Interval,
    agents.Station,
    course.Course,
    course.Segment,
    index.Joined,
    line.Line,
    live.Shown,
    live.Waiting,
    records.Past,
    steps.Moment,
    steps.Step,
)
_OBJECTS = (index.Index, records.PastCalls, records.WaitingRecords)
_MADE_ANEW = frozenset({"_machines", "_configured", "_takers", "_calls", "_states", "logins"})
"""Attributes that a new reading has already: tables, the configuration, the parts that know each other."""


def _make_utc() -> tzinfo:
    return UTC


def _make_nothing() -> Mapping[str, Any]:
    return {}


_MAKERS: Mapping[str, Any] = {
    each.__name__: each
    for each in (*_VALUES, *_OBJECTS, datetime, timedelta, deque, _make_utc, _make_nothing)
}


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Name instants and empty facts by what this module makes, whatever library they came from."""
        if isinstance(value, tzinfo):
            return (_make_utc, ())
        if isinstance(value, MappingProxyType):
            return (_make_nothing, ())
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return one of the classes listed; raises CannotRestore for any other name."""
        made = _MAKERS.get(name)
        if made is None or made.__module__ != module:
            raise CannotRestore("error.snapshot", reason=f"{module}.{name}")
        return made


def keep(reading: HostReading) -> bytes:
    """Return all that a reading has in mind. Everything that it has changed must have been asked for."""
    file = io.BytesIO()
    parts = [_describe(part) for part in _list_parts(reading)]
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(parts)
    return file.getvalue()


def restore(kept: bytes, reading: HostReading) -> None:
    """Have a new reading go on from what was kept; its own bins and machines stay as they are configured now.

    All calls that more may come of count as changed. Raises CannotRestore, and then it is of no use.
    """
    try:
        parts = _Unpickler(io.BytesIO(kept)).load()
        for part, facts in zip(_list_parts(reading), parts, strict=True):
            _fill(part, facts)
    except CannotRestore:
        raise
    except Exception as error:  # whatever bytes that somebody changed may lead to
        raise CannotRestore("error.snapshot", reason=type(error).__name__) from error
    reading.calls.logins.name_anew()
    reading.live.name_anew()
    reading.calls.mark_changed()
    reading.states.mark_changed()


@cache
def describe_layout() -> str:
    """Return a name for how it is kept: bytes of another layout cannot be restored."""
    layout = [(each.__name__, each.__struct_fields__) for each in _VALUES]
    return blake2s(repr((FORMAT, layout)).encode(), digest_size=8).hexdigest()


def _list_parts(reading: HostReading) -> tuple[Any, ...]:
    return (reading.calls, reading.calls.logins, reading.states, reading.live)


def _describe(part: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if name not in _MADE_ANEW}


def _fill(part: Any, facts: Mapping[str, Any]) -> None:
    known = {name for name in vars(part) if name not in _MADE_ANEW}
    if known != set(facts):
        raise CannotRestore("error.snapshot", reason=type(part).__name__)
    for name, value in facts.items():
        setattr(part, name, value)
