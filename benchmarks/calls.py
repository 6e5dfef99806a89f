"""Calls while events come: how soon a frame changes its call, whether the reader keeps up, what the log loses.

The reader is stopped by holding the right to read, as the daemon of another machine would hold it.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frames import CALL_FRAMES, LANES
from latency import RATE, watch
from rates import running_daemon
from rows import Row, percentile
from scene import HostProcess, Scene, wait_until

from ipecs_mw.store.server.embedded import Embedded

READER, SCRIPT, NOBODY = "reader", "script", "nobody"
_SCRIPT = "a script that follows `events`"
_FLOOD = 10_000
_UNBOUND = 1e9
_CAUGHT_UP_SECONDS = 300.0
_POLL_SECONDS = 0.02


def measure_call_latency(mongo: Embedded, folder: Path, frames: int) -> list[Row]:
    """Return rows of the time from a frame's leaving the host until the document of its call is there."""
    seconds = {}
    for who in (READER, SCRIPT):
        with running(mongo, folder, who) as (scene, host):
            calls = scene.store.database["calls"]

            def list_calls(first: int, calls: Any = calls) -> Iterable[int]:
                found = calls.find({"call_refs": {"$gte": first}}, {"_id": 0, "call_refs": 1})
                return [call["call_refs"][0] for call in found]

            seconds[who] = watch(host, "open", frames, list_calls)
    return [
        Row(
            "calls",
            f"frame leaves the host → its call is changed, {RATE} frames/s, p{percent}",
            1000 * percentile(seconds[READER], percent),
            "ms",
            _SCRIPT,
            1000 * percentile(seconds[SCRIPT], percent),
            goal,
            is_most=True,
            is_absolute=True,
        )
        for percent, goal in ((50, 60.0), (99, 250.0))
    ]


def measure_flood(mongo: Embedded, folder: Path, frames: int) -> list[Row]:
    """Return rows of 10,000 frames of calls a second: how many were stored, and how long the reader reads on."""
    rates, behind = {}, {}
    for who in (READER, SCRIPT, NOBODY):
        with running(mongo, folder, who) as (scene, host):
            rates[who], stored_at = store_calls(scene, host, frames, _FLOOD)
            if who != NOBODY:
                behind[who] = await_read(scene, frames) - stored_at
    name = f"{_FLOOD:,} frames/s of calls for {frames / _FLOOD:g} s"
    return [
        Row("calls", f"{name}, host → committed", rates[READER], "/s", "nobody reads", rates[NOBODY]),
        Row(
            "calls",
            f"{name}, last one committed → calls are read",
            behind[READER],
            "s",
            _SCRIPT,
            behind[SCRIPT],
            frames / _FLOOD,
            is_most=True,
            is_absolute=True,
        ),
    ]


def measure_log_beside_reader(mongo: Embedded, folder: Path, frames: int, rounds: int) -> list[Row]:
    """Return the row of the log's rate where calls are read meanwhile; the ratio is the median of the rounds'."""
    found = [[measure_log(mongo, folder, frames, who) for who in (READER, NOBODY)] for _ in range(rounds)]
    ratio = statistics.median(read / alone for read, alone in found)
    value = statistics.median(read for read, _ in found)
    name = "frames of calls, host → committed, calls are read"
    return [Row("calls", name, value, "/s", "nobody reads", value / ratio, 0.7)]


def measure_log(mongo: Embedded, folder: Path, frames: int, who: str) -> float:
    """Return frames a second, sent as fast as they are taken, from the first one written until all are stored."""
    with running(mongo, folder, who) as (scene, host):
        return store_calls(scene, host, frames, _UNBOUND)[0]


@contextmanager
def running(mongo: Embedded, folder: Path, who: str) -> Iterator[tuple[Scene, HostProcess]]:
    """Give a scene where the daemon has a session with a host, and somebody or nobody reads calls."""
    with running_daemon(mongo, folder, reads_calls=who == READER) as (scene, host):
        if who != SCRIPT:
            yield scene, host
            return
        command = [sys.executable, str(Path(__file__).with_name("follower.py")), scene.uri]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as script:
            try:
                assert script.stdout is not None
                script.stdout.readline()
                yield scene, host
            finally:
                script.kill()


def store_calls(scene: Scene, host: HostProcess, frames: int, rate: float) -> tuple[float, float]:
    """Have the frames of calls sent; return how many a second were stored, and when the last one was."""
    host.tell("calls", frames, rate)
    before = scene.events.estimated_document_count()
    wait_until(lambda: scene.events.estimated_document_count() >= before + frames, _CAUGHT_UP_SECONDS, 0.005)
    of_calls = {"kind": {"$in": ["acd", "call"]}}
    wait_until(lambda: scene.events.count_documents(of_calls) >= frames, _CAUGHT_UP_SECONDS, 0.005)
    stored_at = time.monotonic()
    stored = scene.events.count_documents(of_calls)
    assert stored == frames, f"{stored} events of {frames} frames"
    return frames / (stored_at - host.read()["began"]), stored_at


def await_read(scene: Scene, frames: int) -> float:
    """Wait until every call has ended, and return when that was (monotonic)."""
    calls, count = scene.store.database["calls"], frames // CALL_FRAMES
    ended = {"is_open": False}
    last = {"call_refs": {"$gt": count - LANES}, **ended}
    for wanted, number in ((last, LANES), (ended, count)):  # what is many is not counted all the time
        wait_until(
            lambda w=wanted, n=number: calls.count_documents(w) >= n, _CAUGHT_UP_SECONDS, _POLL_SECONDS
        )
    read_at = time.monotonic()
    made = calls.estimated_document_count()
    assert made == count, f"{made} calls of {count}"
    return read_at
