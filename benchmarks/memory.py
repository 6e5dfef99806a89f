"""How much memory the daemon takes, over many events and while MongoDB is away."""

import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frames import build_frames
from rates import check, running_daemon
from rows import Row
from scene import await_idle, forget_peak, paused, read_memory_bytes, read_peak_bytes

from ipecs_mw.store.server.embedded import Embedded

_MEBIBYTE = 1024 * 1024
_MOST_MEBIBYTES = 150.0
_MOST_GROWTH = 1.1
_SAMPLE_SECONDS = 0.25
_SAMPLED_FRAMES = 1000
_LIVE_SECONDS = 300


def measure_memory(mongo: Embedded, folder: Path, frames: int) -> list[Row]:
    """Return rows of the memory over `frames` events live, then over as many that come while MongoDB is away."""
    with running_daemon(mongo, folder) as (scene, host):
        pid = scene.daemons[0].pid
        forget_peak(pid)
        with sampled(pid) as live:
            host.ask("send", 1, frames)
            scene.await_stored(frames, _LIVE_SECONDS)
        live_peak = read_peak_bytes(pid) / _MEBIBYTE
        forget_peak(pid)
        with paused(mongo):
            host.ask("send", frames + 1, frames)
            await_idle(pid)
        scene.await_stored(2 * frames, _LIVE_SECONDS)
        away_peak = read_peak_bytes(pid) / _MEBIBYTE
        check(scene, 2 * frames)
    sample = [sys.getsizeof(frame.encode()) for frame in build_frames(_SAMPLED_FRAMES, frames)]
    queued = statistics.mean(sample) * frames / _MEBIBYTE
    rows = [
        Row(
            "memory",
            f"the most over {frames:,} events, {when}",
            peak,
            "MiB",
            "the same frames in a list",
            queued,
            _MOST_MEBIBYTES,
            is_most=True,
            is_absolute=True,
        )
        for when, peak in (("live", live_peak), ("MongoDB away, then back", away_peak))
    ]
    half = len(live) // 2
    growth = Row(
        "memory",
        f"second half of {frames:,} events, live, the most",
        max(live[half:]),
        "MiB",
        "first half, the most",
        max(live[:half]),
        _MOST_GROWTH,
        is_most=True,
    )
    return [*rows, growth]


@contextmanager
def sampled(pid: int) -> Iterator[list[float]]:
    """Give a list that a process's memory in MiB is added to four times a second."""
    samples: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            samples.append(read_memory_bytes(pid) / _MEBIBYTE)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
