"""Frames a second: end to end, from a backlog, the naive client, and the limit that MongoDB sets."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from frames import build_frames
from rows import Row
from scene import HostProcess, Scene, await_idle, open_scene, paused, read_cpu_seconds, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, Entry
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.documents import Documents
from ipecs_mw.store.calls.reader import hold
from ipecs_mw.store.server.embedded import Embedded

_BATCH = 1000
_HELD_SECONDS = 3600.0
_READ_SECONDS = 300.0
_NAIVE_SHARE = 20  # the naive client is given so much less to do

Place = tuple[Embedded, Path]


@contextmanager
def running_daemon(
    mongo: Embedded, folder: Path, hosts: int = 1, program: str = "host.py", *, reads_calls: bool = True
) -> Iterator[tuple[Scene, HostProcess]]:
    """Give a scene where the daemon has a session with each host that `program` plays.

    Where it is not to read calls, somebody else has the right to.
    """
    with open_scene(mongo, folder) as scene, HostProcess(hosts, program) as host:
        if not reads_calls:
            assert hold(scene.store, "benchmark", _HELD_SECONDS)
        scene.configure(host)
        scene.start_daemon()
        scene.await_sessions(hosts)
        yield scene, host


@contextmanager
def running_naive(mongo: Embedded, folder: Path, *how: str) -> Iterator[tuple[Scene, HostProcess]]:
    """Give a scene where `naive.py` listens to a host."""
    program = str(Path(__file__).with_name("naive.py"))
    with open_scene(mongo, folder) as scene, HostProcess() as host:
        command = [sys.executable, program, scene.uri, str(host.hosts[0]["port"]), *how]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            try:
                assert client.stdout is not None
                client.stdout.readline()
                yield scene, host
            finally:
                client.kill()


def measure_rates(mongo: Embedded, folder: Path, frames: int, rounds: int) -> list[Row]:
    """Return the rows of live and draining; each ratio is the median of `rounds` rounds of all in turn."""
    measures: dict[str, Callable[[Embedded, Path, int], float]] = {
        "limit": measure_limit,
        "live": measure_live,
        "drain": measure_drain,
        "naive": measure_naive,
        "batches": measure_batches,
    }
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure(mongo, folder, frames))

    def row(title: str, ours: str, plain: str, plain_name: str, goal: float | None) -> Row:
        ratio = statistics.median(a / b for a, b in zip(found[ours], found[plain], strict=True))
        value = statistics.median(found[ours])
        return Row("rates", title, value, "/s", plain_name, value / ratio, goal)

    limit = "`insert_many` of the same documents"
    return [
        row("live, host → committed", "live", "naive", "naive client", 20.0),
        row("live, host → committed", "live", "batches", "naive client that batches", None),
        row("live, host → committed", "live", "limit", limit, 0.5),
        row("draining a backlog of the journal", "drain", "limit", limit, 0.8),
    ]


def measure_live(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second from the first one written by the host until all are committed."""
    with running_daemon(mongo, folder) as (scene, host):
        return _send_all(scene, host, frames)


def measure_naive(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second of `naive.py`, measured as `measure_live` does."""
    with running_naive(mongo, folder) as (scene, host):
        return _send_all(scene, host, frames // _NAIVE_SHARE)


def measure_batches(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second of `naive.py` where it batches, measured as `measure_live` does."""
    with running_naive(mongo, folder, "batches") as (scene, host):
        return _send_all(scene, host, frames)


def measure_processor_time(mongo: Embedded, folder: Path, frames: int, rounds: int) -> list[Row]:
    """Return rows of the daemon's processor time an event until idle; frames come as fast as it takes them."""

    def measure(reads_calls: bool) -> float:
        with running_daemon(mongo, folder, reads_calls=reads_calls) as (scene, host):
            pid = scene.daemons[0].pid
            host.ask("send", 1, _BATCH)
            scene.await_stored(_BATCH)
            await_idle(pid)
            before = read_cpu_seconds(pid)
            host.ask("send", _BATCH + 1, frames)
            scene.await_stored(_BATCH + frames)
            if reads_calls:  # between its pages the reader rests for longer than it seems idle
                wait_until(partial(_has_read_all, scene), _READ_SECONDS)
            await_idle(pid)
            return (read_cpu_seconds(pid) - before) / frames

    found = [(measure(False), measure(True)) for _ in range(rounds)]
    alone, read = (1e6 * statistics.median(each) for each in zip(*found, strict=True))
    name = "live: processor time an event"
    return [
        Row("rates", name, alone, "µs", goal=32.0, is_most=True, is_absolute=True),
        Row("rates", f"{name}, calls are read", read, "µs", "nobody reads", alone),
    ]


def _send_all(scene: Scene, host: HostProcess, frames: int) -> float:
    began = host.ask("send", 1, frames)["began"]
    seconds = scene.await_stored(frames) - began
    check(scene, frames)
    return frames / seconds


def measure_drain(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second with which a backlog goes to MongoDB, which stood still until all had arrived."""
    with running_daemon(mongo, folder) as (scene, host):
        with paused(mongo):
            host.ask("send", 1, frames)
            await_idle(scene.daemons[0].pid)
        before = wait_until(scene.count_calls, 60, 0.002)
        began = time.monotonic()
        seconds = scene.await_stored(frames) - began
        check(scene, frames)
        return (frames - before) / seconds


def measure_limit(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return documents a second of `insert_many` in batches of 1000, of the documents that the daemon stores."""
    documents = build_documents(frames)
    with open_scene(mongo, folder) as scene:
        scene.events.insert_many(documents[:_BATCH])  # the connection, warm
        began = time.monotonic()
        for at in range(_BATCH, frames, _BATCH):
            scene.events.insert_many(documents[at : at + _BATCH])
        seconds = time.monotonic() - began
        check(scene, frames)
        return (frames - _BATCH) / seconds


def _has_read_all(scene: Scene) -> bool:
    """Tell whether the reader of calls has taken the last event that came."""
    last = scene.events.find_one({"call_ref": {"$gte": 1}}, sort=[("received_at", -1)]) or {}
    told = scene.store.database["readers"].find_one({"_id": "calls"}) or {}
    return [each.get("taken_at") for each in told.get("hosts", ())] == [last.get("received_at")]


def build_documents(count: int, first: int = 1, host: str = "host0") -> Sequence[dict[str, Any]]:
    """Return the documents that the daemon stores of `count` frames: built as it builds them."""
    decode = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode
    documents, clock = Documents(host, "0123456789abcdef0"), SystemClock()
    entries = (
        Entry(n, Arrival(1, clock.now(), "frame", frame.encode()))
        for n, frame in enumerate(build_frames(count, first), first)
    )
    return [item.document for entry in entries for item in documents.build(entry, decode)]


def check(scene: Scene, frames: int) -> None:
    """Raise AssertionError unless every frame is stored exactly once: a rate of anything less is none."""
    stored = scene.count_calls()
    assert stored == frames, f"{stored} events of {frames} frames"
