"""The first page of `ipecs-mw calls`, by every filter, where there are many calls."""

import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import bson
from bson.raw_bson import RawBSONDocument
from filling import insert, without_indexes
from growth import check_plan, measure_storage
from pymongo import DESCENDING, timeout
from rebuilding import build_day
from rows import Row, percentile
from scene import Scene, await_idle, open_scene
from serve_process import ServeProcess

from ipecs_mw.store.calls.call_query import CallFilter, find_calls
from ipecs_mw.store.server.embedded import Embedded

from reading_scene import read_at_once  # isort: skip - `rebuilding` says where it is

_PAGE = 50  # what `ipecs-mw calls` shows
_TIMES = 40
_PERCENT = 95
_SCAN_SECONDS = 900.0
_HOSTS = 4
_NUMBERS = 1_000_000
_SPAN = timedelta(days=300)
_DAY = timedelta(days=1)
_BY_API = ("host", "station", "agent", "group", "direction", "outcome")
_NEWEST_FIRST = [("began_at", DESCENDING), ("_id", DESCENDING)]

Document = Mapping[str, Any]

_FIELDS: Mapping[str, Callable[[Document], Any]] = {
    "host": lambda call: call["host"],
    "station": lambda call: next(iter(call.get("stations", ())), None),
    "agent": lambda call: next((each["agent"] for each in call.get("segments", ()) if "agent" in each), None),
    "group": lambda call: next(iter(call.get("groups", ())), None),
    "numbers": lambda call: call.get("numbers"),
    "words": lambda call: [call["found_by"][0]] if "found_by" in call else None,
    "direction": lambda call: call["direction"],
    "outcome": lambda call: call.get("outcome"),
    "is_open": lambda call: call["is_open"],
    "since": lambda call: call["began_at"],
    "until": lambda call: call["began_at"] + _DAY,
}
"""A field of the filter → its value of a call."""


def measure_call_pages(mongo: Embedded, folder: Path, size: int) -> list[Row]:
    """Return the row of the slowest first page of all filters, and that of the disk space that a call takes.

    Raises AssertionError where a query plan has a collection scan or a sort in memory.
    """
    with open_scene(mongo, folder) as scene:
        with without_indexes(scene, "calls"):
            insert(scene, "calls", build_calls(size))
        sample = list(scene.store.database["calls"].aggregate([{"$sample": {"size": 20 * _TIMES}}]))
        filters = {"none": [CallFilter()] * _TIMES}
        for names in chain(combinations(_FIELDS, 1), combinations(_FIELDS, 2)):
            filters["+".join(names)] = build_filters(names, sample)
        for name, wanted in filters.items():
            check_plan(_find(scene, wanted[0]), name)
        found = {name: time_pages(scene, wanted) for name, wanted in filters.items()}
        seconds = {name: percentile(each, _PERCENT) for name, each in found.items()}
        slowest = max(seconds, key=seconds.__getitem__)
        first = found[slowest]
        scanned = filters[slowest][first.index(max(first))]
        by_api = Row(
            "calls",
            f"first page of {size:,} calls through the API, single filters, p{_PERCENT}",
            1000 * percentile(time_pages_by_api(scene, sample), _PERCENT),
            "ms",
            goal=20.0,
            is_most=True,
            is_absolute=True,
        )
        row = Row(
            "calls",
            f"first page of {size:,} calls, slowest of {len(filters)} filters ({slowest}), p{_PERCENT}",
            1000 * seconds[slowest],
            "ms",
            "the same with an index of `began_at` alone",
            1000 * _time_scan(scene, scanned),
            50.0,
            is_most=True,
            is_absolute=True,
        )
        return [row, by_api, measure_storage(scene, "calls", "calls", "a call")]


def time_pages_by_api(scene: Scene, sample: Sequence[Document]) -> list[float]:
    """Return the seconds of first pages of single filters, through `ipecs-mw serve`."""
    durations = []
    with ServeProcess(scene) as serve:
        await_idle(serve.process.pid)  # it reads what came in its last seconds: here all calls
        for name in _BY_API:
            values = [value for call in sample if (value := _FIELDS[name](call)) is not None][:_TIMES]
            for value in values:
                query = urlencode({name: value, "limit": _PAGE})
                began = time.monotonic()
                assert "items" in serve.ask("GET", f"/api/v1/calls?{query}")
                durations.append(time.monotonic() - began)
    return durations


def build_calls(size: int) -> Iterator[RawBSONDocument]:
    """Yield documents of calls: those of a simulated day, again and again until now; only the last are open."""
    calls = read_at_once(build_day())["calls"].values()
    still = [_Pattern(call) for call in calls if call["is_open"]]
    closed = [_Pattern(call) for call in calls if not call["is_open"]]
    random, at = Random(1), datetime.now(UTC) - max(call["began_at"] for call in calls)
    turns = -(-size // len(closed))
    ended = islice(((call, turn) for turn in range(turns) for call in closed), size - len(still))
    for call, turn in chain(ended, ((call, turns) for call in still)):
        yield call.stamp(at - (turns - turn) * _SPAN / turns, turn, random)


class _Pattern:
    """The bytes of a call's document, in which what tells it from its copies is replaced: for millions of them."""

    _HOST, _ID, _FIRST, _NUMBER = "host?", 16 * "?", 10 * "#", 8 * "#"

    def __init__(self, call: Document) -> None:
        document = {
            **call,
            "_id": f"{self._HOST}:{self._ID}",
            "host": self._HOST,
            "first": self._FIRST + call["first"][len(self._FIRST) :],
            "revision": 3,
            "updated_at": call.get("ended_at", call["began_at"]),
        }
        for party in ("caller", "dialed"):
            if call["direction"] != "internal" and "number" in call.get(party, ()):
                document |= {party: {**call[party], "number": self._NUMBER}, "numbers": [self._NUMBER]}
        self._bytes = bson.encode(document)
        self._instants = {at: _pack(at) for at in _list_instants(document)}

    def stamp(self, later: timedelta, turn: int, random: Random) -> RawBSONDocument:
        """Return a call of another time, host, id and number outside."""
        content = self._bytes
        for name, value in (
            (self._HOST, f"host{turn % _HOSTS}"),
            (self._ID, f"{random.getrandbits(64):016x}"),
            (self._FIRST, f"{turn:010}"),
            (self._NUMBER, f"6{random.randrange(_NUMBERS):07}"),
        ):
            content = content.replace(name.encode(), value.encode())
        for at, packed in self._instants.items():
            content = content.replace(packed, _pack(at + later))
        return RawBSONDocument(content)


def _pack(at: datetime) -> bytes:
    return struct.pack("<q", round(at.timestamp() * 1000))


def _list_instants(value: Any) -> Iterator[datetime]:
    """Yield all instants in a document."""
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _list_instants(each)


def build_filters(names: Sequence[str], sample: Sequence[Document]) -> list[CallFilter]:
    """Return filters by some fields; each has the values of another call."""
    values = [{name: _FIELDS[name](call) for name in names} for call in sample]
    whole = [each for each in values if None not in each.values()]
    return [CallFilter(**each) for each in islice(whole, _TIMES)]


def time_pages(scene: Scene, filters: Sequence[CallFilter]) -> list[float]:
    """Return the seconds of the first page by each filter."""
    durations = []
    for wanted in filters:
        began = time.monotonic()
        list(find_calls(scene.store, wanted, limit=_PAGE))
        durations.append(time.monotonic() - began)
    return durations


def _find(scene: Scene, wanted: CallFilter) -> Any:
    return scene.store.database["calls"].find(wanted.build()).sort(_NEWEST_FIRST).limit(_PAGE)


def _time_scan(scene: Scene, wanted: CallFilter) -> float:
    began = time.monotonic()
    with timeout(_SCAN_SECONDS):
        list(_find(scene, wanted).hint("newest"))
    return time.monotonic() - began
