"""Many clients that follow streams, in a process of its own: when each frame reached each of them.

Started with the port, the token and the number of clients, then one path a client on stdin, it prints a JSON line
once all have begun; then it answers each line on stdin: `["arrivals"]` with the pairs of a frame's number and the
instants at which it arrived, by the monotonic clock which the processes of a machine share; `["count"]` with how
many frames arrived at all.
"""

import asyncio
import json
import re
import resource
import sys
import time
from array import array
from collections import defaultdict
from typing import Any

_NUMBER = re.compile(rb'"call_ref":(\d+)')
_AT_ONCE = 100


class Reader(asyncio.Protocol):
    """One client."""

    def __init__(self, request: bytes, arrivals: dict[int, Any], begun: asyncio.Event) -> None:
        """Ask by this request; `begun` is set with the first answer."""
        self._request = request
        self._arrivals = arrivals
        self._rest = b""
        self.begun = begun

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Note when each frame came."""
        at = time.monotonic()
        whole, mark, rest = (self._rest + data).rpartition(b"\n\n")
        self._rest = rest
        if mark:
            if not self.begun.is_set():
                self.begun.set()
            for number in _NUMBER.findall(whole):
                self._arrivals[int(number)].append(at)


async def main(port: int, token: str, count: int) -> None:
    """Open the clients, then answer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    arrivals: dict[int, Any] = defaultdict(lambda: array("d"))
    paths = [sys.stdin.readline().strip() for _ in range(count)]
    for first in range(0, count, _AT_ONCE):
        events = []
        for path in paths[first : first + _AT_ONCE]:
            request = f"GET {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            events.append(asyncio.Event())
            made = Reader(request, arrivals, events[-1])
            await loop.create_connection(lambda made=made: made, "127.0.0.1", port)
        await asyncio.gather(*(event.wait() for event in events))
    print(json.dumps({"open": count}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match json.loads(line):
            case ["count"]:
                print(json.dumps(sum(map(len, arrivals.values()))), flush=True)
            case ["arrivals"]:
                print(json.dumps([[number, list(at)] for number, at in arrivals.items()]), flush=True)
                arrivals.clear()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
