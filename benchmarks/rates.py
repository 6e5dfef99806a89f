"""Frames a second: end to end, from a backlog, the naive client, and the limit that MongoDB sets."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from frames import build_frames
from scene import HostProcess, Scene, await_idle, open_scene, paused, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.store.embedded import Embedded
from ipecs_mw.store.event_log import build_document

_LIMIT_BATCH = 1000


def measure_live(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second from the first one written by the host until all are committed."""
    with open_scene(mongo, folder) as scene, HostProcess() as host:
        scene.configure(host)
        scene.start_daemon()
        scene.await_up()
        began = host.ask("send", 1, frames)["began"]
        seconds = scene.await_stored(frames) - began
        check(scene, frames)
        return frames / seconds


def measure_drain(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second with which a backlog goes to MongoDB, which stood still until all had arrived."""
    with open_scene(mongo, folder) as scene, HostProcess() as host:
        scene.configure(host)
        daemon = scene.start_daemon()
        scene.await_up()
        with paused(mongo):
            host.ask("send", 1, frames)
            await_idle(daemon.pid)
        before = wait_until(scene.count_calls, 60, 0.002)
        began = time.monotonic()
        seconds = scene.await_stored(frames) - began
        check(scene, frames)
        return (frames - before) / seconds


def measure_naive(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return frames a second of `naive.py`, measured as `measure_live` does."""
    with open_scene(mongo, folder) as scene, HostProcess() as host:
        program = [sys.executable, str(Path(__file__).with_name("naive.py")), scene.uri]
        with subprocess.Popen([*program, str(host.hosts[0]["port"])], stdout=subprocess.PIPE) as client:
            try:
                assert client.stdout is not None
                client.stdout.readline()
                began = host.ask("send", 1, frames)["began"]
                seconds = scene.await_stored(frames) - began
                check(scene, frames)
                return frames / seconds
            finally:
                client.kill()


def measure_limit(mongo: Embedded, folder: Path, frames: int) -> float:
    """Return documents a second of `insert_many` in batches of 1000, of the documents that the daemon stores."""
    documents = build_documents(frames)
    with open_scene(mongo, folder) as scene:
        scene.events.insert_many(documents[:_LIMIT_BATCH])  # the connection, warm
        began = time.monotonic()
        for at in range(_LIMIT_BATCH, frames, _LIMIT_BATCH):
            scene.events.insert_many(documents[at : at + _LIMIT_BATCH])
        seconds = time.monotonic() - began
        check(scene, frames)
        return (frames - _LIMIT_BATCH) / seconds


def build_documents(count: int, host: str = "host0") -> Sequence[dict[str, Any]]:
    """Return the documents that the daemon stores of the first `count` frames."""
    decode = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode
    clock = SystemClock()
    return [
        build_document(f"{host}:0123456789abcdef0:{n:012d}", host, n, decode(frame.encode(), clock.now()))
        for n, frame in enumerate(build_frames(count), 1)
    ]


def check(scene: Scene, frames: int) -> None:
    """Raise AssertionError unless every frame is stored exactly once: a rate of anything less is none."""
    stored = scene.count_calls()
    assert stored == frames, f"{stored} events of {frames} frames"
