"""What it costs as it grows: more hosts at the same total rate, and a longer event log."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from latency import watch_pace
from pymongo import DESCENDING, timeout
from rates import build_documents, running_daemon
from rows import Row, percentile
from scene import HostProcess, Scene, open_scene, read_cpu_seconds, read_memory_bytes

from ipecs_mw.store.events.event_query import Filter, find_events
from ipecs_mw.store.server.embedded import Embedded

_RATE = 200
_PAGE = 50  # what `ipecs-mw events` shows
_BATCH = 10_000
_TIMES = 5
_SCAN_SECONDS = 900.0
_DAY = timedelta(days=1)
_STEP = timedelta(seconds=30)
_SPAN = timedelta(days=300)  # within what is kept: the log deletes what is older than a year
_SETTLE_SECONDS = 5.0
_IDLE_SECONDS = 20.0
_NEWEST_FIRST = [("received_at", DESCENDING), ("_id", DESCENDING)]


def measure_hosts(mongo: Embedded, folder: Path, frames: int, counts: Sequence[int]) -> list[Row]:
    """Return rows of what hosts cost: idle, and an event with so many hosts at the same total rate.

    With the events of a single host come the times from a frame's leaving the host until its event is found.
    """
    found: dict[int, float] = {}
    seconds: list[float] = []
    idle: dict[int, tuple[float, float]] = {}
    for count in counts:
        with running_daemon(mongo, folder, count) as (scene, host):
            idle[count] = _watch_idle(scene.daemons[0].pid)
            with _counted(scene, frames) as cost:
                if count == 1:
                    seconds = watch_pace(scene, host, frames)
                else:
                    _pace(scene, host, frames)
            found[count] = cost[0]
    with running_daemon(mongo, folder, reads_calls=False) as (scene, host):
        time.sleep(_SETTLE_SECONDS)
        with _counted(scene, frames) as alone:
            _pace(scene, host, frames)
    one = found[counts[0]]
    rows = [*_build_idle_rows(idle, counts[0], counts[-1]), *_build_single_rows(alone[0], one, seconds)]
    return rows + [
        Row(
            "hosts",
            f"processor time an event, {count} hosts, {_RATE} events/s in all",
            1e6 * found[count],
            "µs",
            f"{counts[0]} host",
            1e6 * one,
            1.3,
            is_most=True,
        )
        for count in counts[1:]
    ]


@contextmanager
def _counted(scene: Scene, frames: int) -> Iterator[list[float]]:
    """Give a list that has the daemon's processor time a frame once the frames were sent."""
    pid, cost = scene.daemons[0].pid, list[float]()
    before = read_cpu_seconds(pid)
    yield cost
    cost.append((read_cpu_seconds(pid) - before) / frames)


def _pace(scene: Scene, host: HostProcess, frames: int) -> None:
    host.ask("pace", 1, frames, _RATE)
    scene.await_stored(frames)


def _build_single_rows(alone: float, cpu_seconds: float, seconds: Sequence[float]) -> list[Row]:
    """Return what an event costs with one host, and how soon it was found where calls are read."""
    name = f"processor time an event, 1 host, {_RATE} events/s"
    return [
        Row("hosts", name, 1e6 * alone, "µs", goal=600.0, is_most=True, is_absolute=True),
        Row("hosts", f"{name}, calls are read", 1e6 * cpu_seconds, "µs", "nobody reads", 1e6 * alone),
    ] + [
        Row(
            "hosts",
            f"in the same run: frame leaves the host → event is found, p{percent}",
            1000 * percentile(seconds, percent),
            "ms",
            goal=goal,
            is_most=True,
            is_absolute=True,
        )
        for percent, goal in ((50, 10.0), (99, 50.0))
    ]


def _watch_idle(pid: int) -> tuple[float, float]:
    """Return the seconds of processor time a second and the bytes of memory of a daemon that has nothing to do."""
    time.sleep(_SETTLE_SECONDS)
    before = read_cpu_seconds(pid)
    time.sleep(_IDLE_SECONDS)
    return (read_cpu_seconds(pid) - before) / _IDLE_SECONDS, read_memory_bytes(pid)


def _build_idle_rows(idle: Mapping[int, tuple[float, float]], few: int, many: int) -> list[Row]:
    """Return what each more host costs a daemon that has nothing to do."""
    (seconds, size), (more_seconds, more_size) = idle[few], idle[many]
    cpu = 1000 * (more_seconds - seconds) / (many - few)
    memory = (more_size - size) / (many - few) / 1024**2
    return [
        Row(
            "hosts",
            "idle: processor time a second, one host",
            1000 * seconds,
            "ms",
            goal=7.0,
            is_most=True,
            is_absolute=True,
        ),
        Row("hosts", "idle: processor time a second, each more host", cpu, "ms", "one host", 1000 * seconds),
        Row("hosts", "idle: memory, each more host", memory, "MiB", "one host", size / 1024**2),
    ]


def measure_log(mongo: Embedded, folder: Path, sizes: Sequence[int]) -> list[Row]:
    """Return a row a size of the event log: the slowest first page of all filters.

    Raises AssertionError where a query plan has a collection scan or a sort in memory.
    """
    with open_scene(mongo, folder) as scene:
        return [row for size in sizes for row in _measure_pages(scene, size)] + [
            measure_storage(scene, "log", "events", "an event")
        ]


def _measure_pages(scene: Scene, size: int) -> list[Row]:
    _fill(scene, size)
    filters = _build_filters(scene, size)
    for name, wanted in filters.items():
        check_plan(_find(scene, wanted), name)
    seconds = {name: _time_page(scene, wanted) for name, wanted in filters.items()}
    slowest = max(seconds, key=seconds.__getitem__)
    return [
        Row(
            "log",
            f"first page of {size:,} events, slowest of {len(filters)} filters ({slowest})",
            1000 * seconds[slowest],
            "ms",
            "the same without an index",
            1000 * _time_scan(scene, filters[slowest]),
            50.0,
            is_most=True,
            is_absolute=True,
        )
    ]


def measure_storage(scene: Scene, group: str, collection: str, one: str) -> Row:
    """Return what a document takes on MongoDB's disk, with its share of the indexes, compressed as it comes."""
    scene.store.client.admin.command("fsync")
    stats = scene.store.database.command("collStats", collection)
    stored = (stats["storageSize"] + stats["totalIndexSize"]) / stats["count"]
    name = f"disk space {one} with its indexes, of {stats['count']:,} {collection}"
    return Row(group, name, stored, "bytes", "the document as BSON", stats["avgObjSize"])


def _fill(scene: Scene, size: int) -> None:
    """Have the log hold `size` events: of four hosts, one every 30 s until now, or more where they are many."""
    stored = scene.events.estimated_document_count()
    now, step = datetime.now(UTC), min(_STEP, _SPAN / size)
    while stored < size:
        documents = build_documents(min(_BATCH, size - stored), stored + 1, f"host{stored // _BATCH % 4}")
        for document in documents:
            document["received_at"] = now - (size - document["seq"]) * step
        scene.events.insert_many(documents, ordered=False)
        stored += len(documents)


def _build_filters(scene: Scene, size: int) -> dict[str, Filter]:
    """Return each filter alone, and those that are asked together; the values come from the middle of the log."""
    middle = size // 2 + 1 - size // 2 % 2  # odd: those with a code, by their own number as call reference
    event = scene.events.find_one({"call_ref": middle})
    at = event["received_at"]
    alone = {
        "host": event["host"],
        "kind": event["kind"],
        "type": event["type"],
        "code": event["code"],
        "station": event["stations"][0],
        "call": event["call_ref"],
        "since": at,
        "until": at,
    }
    together = (
        ("since", "until"),
        ("host", "kind"),
        ("host", "until"),
        ("station", "type"),
        ("station", "since"),
        ("kind", "until"),
    )
    values = {**alone, "until": at + _DAY}
    return {
        "none": Filter(),
        **{name: Filter(**{name: value}) for name, value in alone.items()},
        **{"+".join(names): Filter(**{name: values[name] for name in names}) for names in together},
    }


def _find(scene: Scene, wanted: Filter) -> Any:
    return scene.events.find(wanted.build()).sort(_NEWEST_FIRST).limit(_PAGE)


def check_plan(cursor: Any, name: str) -> None:
    """Raise AssertionError where the plan of a query has a collection scan or a sort in memory."""
    stages = set(_list_stages(cursor.explain()["queryPlanner"]["winningPlan"]))
    assert not stages & {"COLLSCAN", "SORT"}, f"{name}: {stages}"


def _list_stages(plan: Any) -> list[str]:
    stages = [plan["stage"]] if "stage" in plan else []
    inner = [plan[key] for key in ("inputStage", "queryPlan") if key in plan] + plan.get("inputStages", [])
    return stages + [stage for part in inner for stage in _list_stages(part)]


def _time_page(scene: Scene, wanted: Filter) -> float:
    return _time(lambda: list(islice(find_events(scene.store, wanted, limit=_PAGE), _PAGE)))


def _time_scan(scene: Scene, wanted: Filter) -> float:
    began = time.monotonic()
    with timeout(_SCAN_SECONDS):
        list(_find(scene, wanted).hint([("$natural", 1)]))
    return time.monotonic() - began


def _time(do: Any) -> float:
    durations = []
    for _ in range(_TIMES):
        began = time.monotonic()
        do()
        durations.append(time.monotonic() - began)
    return statistics.median(durations)
