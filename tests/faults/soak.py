"""A random mix of faults for as long as asked; exit code 1 on a flaw.

`python -m faults.soak --minutes 60 --seed 7`: the seed tells the sequence of faults, though not the moments at
which they meet the threads of the daemon.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from faults.injections import INJECTIONS
from faults.oracle import Verdict
from faults.scene import Scene, open_scene
from sites import PASSWORD, wait_until

from ipecs_mw.store.coordination.requests import DONE_STATES

_CYCLE_INJECTIONS = 10
_MOST_MEMORY_KIB = 150 * 1024


def main() -> int:
    """Run, print each quiet point and a summary as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    say(f"seed {options.seed}, {options.minutes:g} minutes")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    begun_at = time.monotonic()
    injected: Counter[str] = Counter()
    stored, gaps, lost = 0, 0, 0
    flaw = None
    with open_scene(folder, options.seed) as scene:
        stop = threading.Event()
        scene.site.start()
        scene.await_stream()
        trickling = threading.Thread(target=scene.trickle, args=(stop,))
        trickling.start()
        try:
            while flaw is None and time.monotonic() - begun_at < options.minutes * 60:
                for _ in range(_CYCLE_INJECTIONS):
                    (inject,) = scene.chance.choices(list(INJECTIONS), list(INJECTIONS.values()))
                    injected[inject.__name__] += 1
                    inject(scene)
                    scene.pause(0.0, 2.0)
                verdict = judge_quietly(scene)
                stored, gaps = stored + verdict.stored, gaps + verdict.gaps
                lost += len(verdict.lost)
                minutes = (time.monotonic() - begun_at) / 60
                say(
                    f"{minutes:.1f} min: {injected.total()} faults, {stored} frames, {gaps} gaps, {lost} lost"
                )
        except AssertionError as error:
            flaw = str(error)
        finally:
            stop.set()
            trickling.join()
        summary = {
            "seed": options.seed,
            "minutes": round((time.monotonic() - begun_at) / 60, 1),
            "injections": injected.total(),
            "frames": stored,
            "gaps": gaps,
            "lost_in_sockets": lost,
            "replies_of_mongod_cut": scene.to_mongod.cut_replies,
            "peak_mib": scene.peak_kib // 1024,
            "slowest_stop_seconds": round(scene.slowest_stop_seconds, 1),
            "by_fault": dict(sorted(injected.items())),
            "verdict": flaw or "passed",
        }
    say(json.dumps(summary))
    if flaw is None:
        shutil.rmtree(folder)
    else:
        say(f"everything is left in {folder}")
    return flaw is not None


def judge_quietly(scene: Scene) -> Verdict:
    """Stop sending, wait until the daemon is back, and judge."""
    assert scene.daemon.poll() is None, f"the daemon ended with {scene.daemon.returncode}"
    scene.is_quiet.set()
    try:
        scene.host.operate(lambda exchange: exchange.faults.rest.clear())
        scene.await_stream()
        verdict = scene.witness.judge(may_lose=scene.may_lose, seconds=180.0)
        wait_until(lambda: not count_open_requests(scene), 90)
    finally:
        scene.is_quiet.clear()
    scene.may_lose = False
    scene.note_memory()
    assert scene.peak_kib < _MOST_MEMORY_KIB, f"{scene.peak_kib // 1024} MiB of memory"
    written = scene.site.logged()
    assert "Traceback" not in written, "a traceback in the log"
    assert PASSWORD not in written, "the password in the log"
    return verdict


def count_open_requests(scene: Scene) -> int:
    states = {"state": {"$nin": sorted(DONE_STATES)}}
    return scene.site.store.database["requests"].count_documents(states)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what the run is asked for


if __name__ == "__main__":
    sys.exit(main())
