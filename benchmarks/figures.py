"""Figures where there are many calls: what a wallboard, a curve and a month's table take; counting a day anew."""

import statistics
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from calls import READER, running
from filling import insert, without_indexes
from pymongo import timeout
from rows import Row, percentile
from scene import Scene, await_idle, find_server, open_scene, wait_until

from ipecs_mw.figures.answers.day_sums import sum_day
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.counting.rules import Rules
from ipecs_mw.figures.time.quarters import list_quarters
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.service.process.garbage import search_seldom
from ipecs_mw.store.figures.keeping import count_anew
from ipecs_mw.store.figures.place import Place, save_place
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.embedded import Embedded

_HOST = "main"
_GROUPS, _AGENTS = 200, 1000
_STATES_OF_A_DAY = 60
_KEPT_DAYS = 31  # of so many days quarter hours are there too: more would only be more to fill
_TIMES = 10
_PLAIN_SECONDS = 600.0
_DAY = datetime(2026, 3, 2, tzinfo=UTC)
_OPENS, _OPENS_AT = 8 * 3600, 10 * 3600

Document = dict[str, Any]


def measure_figures(mongo: Embedded, folder: Path, calls: int, days: int) -> list[Row]:
    """Return rows of questions about figures among so many calls in so many days, and of counting a day anew."""
    random = Random(1)
    search_seldom()  # as the command does
    with open_scene(mongo, folder) as scene:
        day = [build_call(random, number) for number in range(max(1, calls // days))]
        states = [state for agent in range(_AGENTS) for state in build_states(random, agent)]
        quarters = list(list_quarters(_DAY, _DAY + timedelta(days=1)))
        last = _DAY + timedelta(days=days)
        figures = count(Facts(_HOST, quarters, day, states, (), last))
        sums = sum_day(figures, _HOST, _DAY.date(), _DAY, _DAY + timedelta(days=1), "UTC")
        groups = [each for each in figures if each["kind"] != "agent"]
        agents = [each for each in figures if each["kind"] == "agent"]
        for name, documents, first in (
            ("calls", day, 0),
            ("figures", groups, max(0, days - _KEPT_DAYS)),
            ("figures", agents, max(0, days - _KEPT_DAYS)),
            ("figure_days", sums, 0),
        ):
            fill(scene, name, documents, range(first, days))
        insert(scene, "agent_states", (Pattern(state).stamp(days - 1) for state in states))
        save_place(scene.store, Place(_HOST, last, "UTC", f"{last:%Y-%m-%d}"), last)
        await_idle(find_server(scene))  # it still writes to its disk what it was filled with
        rows = [_measure_question(scene, calls, *each) for each in build_questions(last, days)]
        return [
            *rows,
            _measure_count(scene, len(day), [each + timedelta(days=days - 1) for each in quarters]),
        ]


def fill(scene: Scene, name: str, documents: Sequence[Document], days: range) -> None:
    """Have a collection hold a day's documents for each of several days."""
    patterns = [Pattern({**document, "revision": 1, "updated_at": _DAY}) for document in documents]
    stamped = (each.stamp(day) for day in days for each in patterns)
    with without_indexes(scene, name):
        insert(scene, name, stamped)


def build_call(random: Random, number: int) -> Document:
    """Return a call of a group: it waits, rings, is answered or not, and lasts for a while."""
    began = _DAY + timedelta(seconds=_OPENS + random.randrange(_OPENS_AT))
    agent = str(1000 + random.randrange(_AGENTS))
    group = str(200 + random.randrange(_GROUPS))
    wait, ring, talk = random.randrange(60), random.randrange(2, 12), random.randrange(20, 400)
    rings, answered = began + timedelta(seconds=wait), began + timedelta(seconds=wait + ring)
    ended = answered + timedelta(seconds=talk)
    is_answered = random.random() < 0.9
    result = "answered" if is_answered else "abandoned"
    who = {"station": agent, "agent": agent, "group": group}
    segments: list[Document] = [
        {
            "kind": "queue",
            "group": group,
            "from": began,
            "until": answered,
            "result": result,
        },
        {
            "kind": "ring",
            **who,
            "from": rings,
            "until": answered,
            "result": result,
        },
    ]
    if is_answered:
        segments.append({"kind": "talk", **who, "from": answered, "until": ended})
    return {
        "_id": f"{_HOST}:{number:08}:{_DAY:%Y-%m-%d}",
        "host": _HOST,
        "direction": "inbound",
        "is_open": False,
        "began_at": began,
        "queued_at": began,
        "rang_at": rings,
        **({"answered_at": answered} if is_answered else {}),
        "ended_at": ended if is_answered else answered,
        "outcome": "answered" if is_answered else "abandoned",
        "caller": {"number": f"9{number:07}"},
        "groups": [group],
        "trunks": [f"{1 + number % 60:03}"],
        "stations": [agent],
        "numbers": [f"9{number:07}"],
        "days": [_DAY],
        "seconds": {
            "queue": wait,
            "ring": ring,
            "talk": talk if is_answered else 0,
            "total": wait + ring + talk,
        },
        "segments": segments,
        "first": f"{number:020}",
    }


def build_states(random: Random, agent: int) -> Iterator[Document]:
    """Yield the states of an agent's day, without holes."""
    name, groups = str(1000 + agent), [str(200 + agent % _GROUPS)]
    at, ends = _DAY + timedelta(seconds=_OPENS), _DAY + timedelta(seconds=_OPENS + _OPENS_AT)
    step = (ends - at) / _STATES_OF_A_DAY
    for index in range(_STATES_OF_A_DAY):
        state = random.choice(("ready", "ringing", "talking", "wrap_up", "not_ready"))
        begins = at + index * step
        yield {
            "_id": f"{_HOST}:{name}:{index}:{_DAY:%Y-%m-%d}",
            "host": _HOST,
            "station": name,
            "agent": name,
            "groups": groups,
            "state": state,
            **({"reason": "1"} if state == "not_ready" else {}),
            "from": begins,
            "until": begins + step,
            "days": [_DAY],
            "first": f"{agent:010}{index:010}",
        }


class Pattern:
    """The bytes of a document, in which its day is replaced by another one: for millions of copies."""

    def __init__(self, document: Document) -> None:
        self._bytes = bson.encode(document)
        # the last one first: what one becomes may be what another one is
        self._instants = {at: _pack(at) for at in sorted(set(_list_instants(document)), reverse=True)}

    def stamp(self, day: int) -> RawBSONDocument:
        """Return the document as it is so many days later."""
        later = timedelta(days=day)
        content = self._bytes.replace(f"{_DAY:%Y-%m-%d}".encode(), f"{_DAY + later:%Y-%m-%d}".encode())
        for at, packed in self._instants.items():
            content = content.replace(packed, _pack(at + later))
        return RawBSONDocument(content)


def _pack(at: datetime) -> bytes:
    return b"\x00" + struct.pack("<q", round(at.timestamp() * 1000))  # a name ends before it


def _list_instants(value: Any) -> Iterator[datetime]:
    if isinstance(value, datetime):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _list_instants(each)


Plain = Sequence[Mapping[str, Any]]
_ENTERED = {"$first": "$groups"}


def build_questions(until: datetime, days: int) -> Iterator[tuple[str, Question, Plain, float]]:
    """Yield what is asked, the plain aggregation over calls that gives the same counts, and the goal."""
    last = until - timedelta(days=1)
    wait = {"$subtract": ["$answered_at", "$queued_at"]}
    sums = {
        "offered": {"$sum": 1},
        "answered": {"$sum": {"$cond": [{"$gt": ["$answered_at", None]}, 1, 0]}},
        "in_time": {"$sum": {"$cond": [{"$lte": [wait, 20_000]}, 1, 0]}},
        "wait": {"$sum": wait},
    }

    def cut(unit: str, size: int = 1) -> Mapping[str, Any]:
        return {"$dateTrunc": {"date": "$began_at", "unit": unit, "binSize": size}}

    def match(since: datetime, **more: Any) -> Mapping[str, Any]:
        return {"$match": {"host": _HOST, "began_at": {"$gte": since, "$lt": until}, **more}}

    yield (
        "a day of all groups by quarter hour",
        Question(what="queues", since=last, until=until, interval="15m", zone="UTC"),
        [match(last), {"$group": {"_id": {"group": _ENTERED, "at": cut("minute", 15)}, **sums}}],
        100.0,
    )
    yield (
        f"{days} days of one group by day",
        Question(what="queues", since=_DAY, until=until, interval="1d", zone="UTC", group="300"),
        [match(_DAY, groups="300"), {"$group": {"_id": cut("day"), **sums}}],
        100.0,
    )
    month = max(_DAY, until - timedelta(days=30))
    yield (
        f"{(until - month).days} days of all agents by day",
        Question(what="agents", since=month, until=until, interval="1d", zone="UTC"),
        [
            match(month),
            {"$unwind": "$segments"},
            {"$match": {"segments.kind": "talk"}},
            {
                "$group": {
                    "_id": {"agent": "$segments.agent", "at": cut("day")},
                    "answered": {"$sum": 1},
                    "talk": {"$sum": {"$subtract": ["$segments.until", "$segments.from"]}},
                }
            },
        ],
        500.0,
    )


def _measure_question(
    scene: Scene, calls: int, name: str, question: Question, plain: Plain, goal: float
) -> Row:
    settings = Settings(hosts=[])
    table = ask(scene.store, settings, question)
    seconds = _time_each(lambda: ask(scene.store, settings, question))
    with timeout(_PLAIN_SECONDS):
        found: list[Any] = []
        plainly = _time_once(
            lambda: found.extend(scene.store.database["calls"].aggregate(plain, allowDiskUse=True))
        )
    counted = sum(row["answered"] for row in table.rows)
    told = sum(each["answered"] for each in found)
    assert counted == told, f"{name}: {counted} answered calls, by the aggregation {told}"
    return Row(
        "figures",
        f"{name} ({len(table.rows):,} rows), {calls:,} calls in all, p50",
        1000 * statistics.median(seconds),
        "ms",
        "the same counts by an aggregation over `calls`",
        1000 * plainly,
        goal,
        is_most=True,
        is_absolute=True,
    )


def _measure_count(scene: Scene, calls: int, of_day: Sequence[datetime]) -> Row:
    """Return the row of counting all quarter hours of a day anew, where they are all as they were."""
    as_of = of_day[-1] + timedelta(hours=1)
    seconds = _time_once(
        partial(count_anew, scene.store, _HOST, of_day, as_of=as_of, now=as_of, rules=Rules(), trunks=0)
    )
    name = f"a day counted anew ({calls:,} calls, {_AGENTS:,} agents with {_STATES_OF_A_DAY} states each)"
    return Row("figures", name, seconds, "s", goal=5.0, is_most=True, is_absolute=True)


def _time_each(do: Callable[[], object]) -> list[float]:
    return [_time_once(do) for _ in range(_TIMES)]


def _time_once(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def measure_live_figures(mongo: Embedded, folder: Path, times: int) -> list[Row]:
    """Return rows of the time from a frame's leaving the host until the figure of the quarter hour has it."""
    with running(mongo, folder, READER) as (scene, host):
        figures = scene.store.database["figures"]

        def count_calls() -> int:
            found = figures.find({"kind": "host"})
            sums = (value for each in islice(found, 10) for value in each.values() if isinstance(value, dict))
            return sum(each.get("calls", 0) for each in sums)

        seconds = []
        for number in range(1, times + 1):
            host.tell("open", number, 1, 200)
            wait_until(lambda number=number: count_calls() >= number, 60, 0.01)
            at = time.monotonic()
            left = host.read()["left"]
            seconds.append(at - left[str(number)])
    return [
        Row(
            "figures",
            f"frame leaves the host → the figure has its call, p{percent}",
            percentile(seconds, percent),
            "s",
            goal=1.0,
            is_most=True,
            is_absolute=True,
        )
        for percent in (50, 95)
    ]
