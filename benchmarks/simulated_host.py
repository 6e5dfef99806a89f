"""Simulated hosts in a process of their own, so that they do not share the lock of the interpreter under test.

Started with the number of hosts, it prints one JSON line once they listen, then answers each line on stdin, a JSON
list, with one line. `["send", FIRST, COUNT]` writes frames as fast as they are taken and
`["pace", FIRST, COUNT, RATE]` so many a second, divided among the hosts. `["drop"]` resets every socket. Instants
are those of the monotonic clock, which the processes of a machine share.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from frames import build_frames

from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.simulator.wire.wire import TEXT

USER, PASSWORD = "apiuser", "benchmark"
_MOST_PENDING = 4000
_STEP_SECONDS = 0.002


def send(hosts: Sequence[SimulatedHost], first: int, count: int) -> dict[str, Any]:
    """Write frames; return when writing began and ended."""
    share = count // len(hosts)
    waiting = [
        [frame.encode() for frame in build_frames(share, first + i * share)] for i in range(len(hosts))
    ]
    written = [0] * len(hosts)
    began = time.monotonic()
    while sum(written) < share * len(hosts) or any(host.operate(_count_pending) for host in hosts):
        for index, host in enumerate(hosts):
            frames = waiting[index]
            written[index] = host.operate(
                lambda exchange, f=frames, at=written[index]: _push(exchange, f, at)
            )
        time.sleep(_STEP_SECONDS)
    return {"began": began, "ended": time.monotonic()}


def pace(hosts: Sequence[SimulatedHost], first: int, count: int, rate: float) -> dict[str, Any]:
    """Write frames at a rate; return when each left, by its number."""
    share = count // len(hosts)
    waiting = [
        [frame.encode() for frame in build_frames(share, first + i * share)] for i in range(len(hosts))
    ]
    left: dict[int, float] = {}
    began = time.monotonic()
    for number in range(share * len(hosts)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        index, at = number % len(hosts), number // len(hosts)
        left[first + index * share + at] = time.monotonic()
        hosts[index].operate(lambda exchange, f=waiting[index][at : at + 1]: _push(exchange, f, 0))
    return {"began": began, "ended": time.monotonic(), "left": left}


def _push(exchange: Any, frames: Sequence[bytes], at: int) -> int:
    """Hand frames from `at` on to the WebSocket, as many as it may hold; return where to go on."""
    for stream in exchange.streams:
        end = min(len(frames), at + _MOST_PENDING - len(stream.pending))
        for frame in frames[at:end]:
            stream.push(TEXT, frame)
        return max(at, end)
    return at


def _count_pending(exchange: Any) -> int:
    return sum(len(stream.pending) for stream in exchange.streams)


def main() -> None:
    """Serve until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what the hosts log is no answer
    hosts = [
        SimulatedHost(accounts=(Account(USER, PASSWORD),), is_scripted=False, heartbeat_seconds=3600)
        for _ in range(int(sys.argv[1]))
    ]
    for host in hosts:
        host.start()
    acts = {"send": send, "pace": pace, "drop": lambda all_: [host.drop() for host in all_]}
    print(
        json.dumps([{"port": host.port, "fingerprint": host.fingerprint_sha256} for host in hosts]),
        file=answers,
        flush=True,
    )
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(acts[name](hosts, *arguments)), file=answers, flush=True)
    for host in hosts:
        host.stop()


if __name__ == "__main__":
    main()
