"""The port of the API is poured full of damaged requests and frames; the others are served."""

import os
import random
import threading
from collections import Counter
from pathlib import Path

import pytest
from api_scene import Served
from following_scene import numbers, put_event, wait_open
from raw_fuzzing import fuzz
from sites import wait_until
from stream_clients import following, make_token

from ipecs_mw.store.server.connection import Store

SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))
REPORT = os.environ.get("FUZZ_REPORT", "")
"""The file that gets what came of it."""

_MOST_MEBIBYTES = 100.0
_AT_ONCE = 4


def read_mebibytes(process: Served) -> float:
    return int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.timeout(SECONDS * 2 + 600)
def test_no_bytes_bring_it_down(site: Served, store: Store) -> None:
    token, before = make_token(store), read_mebibytes(site)
    seed = random.randrange(2**32)
    found: list[Counter[str]] = []
    with following(site.port, token, topics="events", snapshot="true") as follower:
        wait_open(follower)
        threads = [
            threading.Thread(
                target=lambda each=each: found.append(fuzz(site.port, token, SECONDS, seed + each))
            )
            for each in range(_AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        put_event(store, 1)
        wait_until(lambda: numbers(follower) == [1], 30)
        ends = follower.named("closed")
    statuses = sum(found, Counter())
    more, log = read_mebibytes(site) - before, site.logged()
    told = f"seed {seed}, {SECONDS:.0f} s: {dict(statuses)}; {more:.0f} MiB more"
    told += f"; who follows connected {follower.connections} times"  # on a busy machine it may have to again
    if REPORT:
        Path(REPORT).write_text(told + "\n")
    assert ends == [], told
    assert "Traceback" not in log, f"{told}\n{log[-3000:]}"
    assert not [status for status in statuses if status.startswith("5")], told
    assert more < _MOST_MEBIBYTES, told
    assert token not in log
