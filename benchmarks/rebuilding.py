"""`ipecs-mw rebuild` of a long log: how fast, and in how much memory."""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from filling import insert, without_indexes
from rows import Row
from scene import Scene, open_scene, read_peak_bytes

from ipecs_mw.calls.steps.position import BEGINNING
from ipecs_mw.service.readers.host_reader import PAGE_EVENTS
from ipecs_mw.store.calls.ordered import read_page
from ipecs_mw.store.server.embedded import Embedded

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from reading_scene import build_log, shift  # isort: skip - the day of the tests is the log here

_HOST = "main"
_HOURS, _SEED, _HOLDERS, _STATIONS = 10, 1, 1, 40
_SHARE = 10
_DERIVED = ("calls", "agent_states", "missed")
_SAMPLE_SECONDS = 0.02
_MEBIBYTE = 1024 * 1024


def measure_rebuild(mongo: Embedded, folder: Path, events: int) -> list[Row]:
    """Return rows of a rebuild of so many events: its rate, and its memory beside that of a tenth of them."""
    few = events // _SHARE
    with open_scene(mongo, folder) as scene:
        log = repeat_day()
        fill(scene, log, few)
        _, least_memory = run_rebuild(scene)
        for name in _DERIVED:
            scene.store.database[name].delete_many({})
        fill(scene, log, events - few)
        read_seconds = read_alone(scene, events)
        seconds, memory = run_rebuild(scene)
    return [
        Row(
            "calls",
            f"`rebuild` of {events:,} events",
            events / seconds,
            "/s",
            "the same events read, nothing else",
            events / read_seconds,
            40_000.0,
            is_absolute=True,
        ),
        Row(
            "calls",
            f"`rebuild` of {events:,} events, the most memory",
            memory,
            "MiB",
            f"of {few:,} events",
            least_memory,
            1.2,
            is_most=True,
        ),
    ]


def build_day() -> Sequence[dict[str, Any]]:
    """Return the events of a simulated day."""
    return build_log(_HOURS, _SEED, _HOLDERS, _STATIONS)


def repeat_day() -> Iterator[dict[str, Any]]:
    """Yield the events of a simulated day, again and again, each time a day later."""
    day = build_day()
    while True:
        yield from day
        day = shift(day, 1)


def fill(scene: Scene, log: Iterator[dict[str, Any]], count: int) -> None:
    """Have the log hold so many more events."""
    with without_indexes(scene, "events"):
        insert(scene, "events", islice(log, count))


def read_alone(scene: Scene, events: int) -> float:
    """Return the seconds it takes to read the log in order, page by page, as a rebuild reads it."""
    position, has_more, read = BEGINNING, True, 0
    gc.freeze()  # this process has the day in memory, which a process that only reads has not
    began = time.monotonic()
    while has_more:
        page = read_page(scene.store, _HOST, position, PAGE_EVENTS)
        position, has_more, read = page.orders[-1], page.has_more, read + len(page.events)
    seconds = time.monotonic() - began
    gc.unfreeze()
    assert read <= events, f"{read} of {events} events"
    return seconds


def run_rebuild(scene: Scene) -> tuple[float, float]:
    """Run `ipecs-mw rebuild`; return its seconds and its most memory in MiB."""
    command = [sys.executable, "-m", "ipecs_mw", "--bootstrap", str(scene.folder / "bootstrap.json")]
    began = time.monotonic()
    with subprocess.Popen([*command, "rebuild"], stdout=subprocess.DEVNULL) as process:
        peak = 0
        while process.poll() is None:
            with suppress(OSError, IndexError):  # it ends
                peak = read_peak_bytes(process.pid)
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - began
    assert process.returncode == 0, f"rebuild ended with {process.returncode}"
    made = scene.store.database["calls"].estimated_document_count()
    assert made, "rebuild made no calls"
    return seconds, peak / _MEBIBYTE
