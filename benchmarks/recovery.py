"""How long the daemon is away: killed and started anew, and its socket dropped."""

import signal
import statistics
import time
from pathlib import Path

from rates import running_daemon
from rows import Row
from scene import Scene

from ipecs_mw.store.server.embedded import Embedded

_TIMER_SECONDS = 120.0


def measure_recovery(mongo: Embedded, folder: Path, rounds: int) -> list[Row]:
    """Return the rows of SIGKILL and of a dropped socket; each the median of `rounds`."""
    dropped, killed = [], []
    with running_daemon(mongo, folder, program="simulated_host.py") as (scene, host):
        for _ in range(rounds):
            sessions = scene.count_sessions()
            began = time.monotonic()
            host.ask("drop")
            dropped.append(_await_session(scene, sessions) - began)
        for _ in range(rounds):
            sessions = scene.count_sessions()
            began = time.monotonic()
            scene.daemons[-1].send_signal(signal.SIGKILL)
            scene.daemons[-1].wait()
            scene.start_daemon()
            killed.append(_await_session(scene, sessions) - began)
    return [
        Row(
            "recovery",
            f"{cause} → session up",
            statistics.median(seconds),
            "s",
            plain_name,
            plain,
            goal,
            is_most=True,
            is_absolute=True,
        )
        for cause, seconds, plain_name, plain, goal in (
            ("SIGKILL", killed, "the host's session timer, without the token", _TIMER_SECONDS, 5.0),
            ("dropped socket", dropped, "the naive client ends", None, 2.0),
        )
    ]


def _await_session(scene: Scene, former: int) -> float:
    scene.await_sessions(former + 1)
    return time.monotonic()
