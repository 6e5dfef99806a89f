"""How long an event takes to be found by a query, and a command to be answered."""

import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rates import running_daemon, running_naive
from rows import Row, percentile
from scene import HostProcess, Scene

from ipecs_mw.client import Client
from ipecs_mw.store.server.embedded import Embedded

RATE = 200
"""Frames a second, where each is looked for."""

_POLL_SECONDS = 0.001
_WARM = 5
_WRITES_OF_A_REQUEST = 3  # insert, claim, reply


def measure_latency(mongo: Embedded, folder: Path, frames: int) -> list[Row]:
    """Return rows of the time from a frame's leaving the host until a query finds its event."""
    with running_daemon(mongo, folder) as (scene, host):
        ours = watch_pace(scene, host, frames)
    with running_naive(mongo, folder) as (scene, host):
        plain = watch_pace(scene, host, frames)
    return [
        Row(
            "latency",
            f"frame leaves the host → event is found, {RATE} frames/s, p{percent}",
            1000 * percentile(ours, percent),
            "ms",
            "naive client",
            1000 * percentile(plain, percent),
            goal,
            is_most=True,
            is_absolute=True,
        )
        for percent, goal in ((50, 10.0), (99, 50.0))
    ]


def watch_pace(scene: Scene, host: HostProcess, frames: int) -> list[float]:
    """Have one host send frames and look for them meanwhile; return the seconds of each, the first ones aside."""

    def list_events(first: int) -> Iterable[int]:
        found = scene.events.find({"call_ref": {"$gte": first}}, {"_id": 0, "call_ref": 1})
        return [event["call_ref"] for event in found]

    return watch(host, "pace", frames, list_events)


def watch(
    host: HostProcess, command: str, frames: int, list_found: Callable[[int], Iterable[int]]
) -> list[float]:
    """Have a host send frames and look for what each did; return the seconds of each, the first ones aside.

    `list_found` returns the numbers of the frames that did it, from one on.
    """
    host.tell(command, 1, frames, RATE)
    found: dict[int, float] = {}
    until = time.monotonic() + frames / RATE + 60
    first = 1
    while first <= frames:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(found)} of {frames} found")
        numbers = list_found(first)
        at = time.monotonic()
        for number in numbers:
            found.setdefault(number, at)
        while first in found:
            first += 1
        time.sleep(_POLL_SECONDS)
    left = {int(number): at for number, at in host.read()["left"].items()}
    return [at - left[number] for number, at in found.items() if number > RATE]


def measure_send(mongo: Embedded, folder: Path, commands: int) -> list[Row]:
    """Return the row of a command: from the request's insert until its reply is read."""
    with (
        running_daemon(mongo, folder, program="simulated_host.py") as (scene, _host),
        Client(scene.uri) as client,
    ):
        ours = _time_each(commands, lambda: client.send("terminals.get", startIndex=1, count=10))
        notes = scene.store.database["notes"]
        plain = _time_each(commands, lambda: [notes.insert_one({}) for _ in range(_WRITES_OF_A_REQUEST)])
    return [
        Row(
            "latency",
            "command: request inserted → reply read, p50",
            1000 * statistics.median(ours),
            "ms",
            f"{_WRITES_OF_A_REQUEST} `insert_one` in turn",
            1000 * statistics.median(plain),
            15.0,
            is_most=True,
            is_absolute=True,
        )
    ]


def _time_each(count: int, do: Callable[[], object]) -> list[float]:
    durations = []
    for _ in range(count + _WARM):
        began = time.monotonic()
        do()
        durations.append(time.monotonic() - began)
    return durations[_WARM:]
