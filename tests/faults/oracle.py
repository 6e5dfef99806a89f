"""What must hold after every fault, read from the event log and from the simulated host's own record.

The test numbers its frames; then the log, in its order, must count up, and wherever it leaves numbers out a gap
must stand between. So a frame stored twice, out of order, or lost in silence shows, whatever the fault was.
"""

import base64
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sites import Site, ring, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.coordination.requests import DONE_STATES, submit_request

_TIME = json.loads(ring(0))["data"]["time"]
_NUMBER = re.compile(rb'"time": "%b", "callRefID": (\d+)|#(\d+)#' % _TIME.encode())
_PATIENCE_SECONDS = 90.0
_SETTLING_SECONDS = 5.0
_TOLERANCE = timedelta(seconds=2)  # between a frame's sending and the moments that a gap names
_BUSY_TOLERANCE = timedelta(seconds=15)  # a busy daemon reads what was sent some seconds ago
_BUSY_SHARE = 0.5


@dataclass
class Verdict:
    """What the oracle found: `gaps` of sessions, and `unmonitored` ones (a fault while monitoring starts is one).

    `lost` were delivered and are covered by gaps.
    """

    stored: int
    gaps: int
    unmonitored: int
    lost: list[int] = field(default_factory=list)


class Witness:
    """Sends numbered frames and judges what became of them; `host` writes its sent log to `sent_log`.

    Each judgement goes on where the last one ended. Any thread may send.
    """

    def __init__(self, site: Site, host: SimulatedHost, sent_log: Path, name: str = "host0") -> None:
        self.site = site
        self.host = host
        self.next = 0
        self._name = name
        self._watch = Stopwatch()
        self._sent_log = sent_log
        self._lock = threading.Lock()
        self._last_id = ""
        self._last_number = -1
        self._offset = 0
        self._delivered: dict[int, int] = {}
        self._sent_at: dict[int, datetime] = {}

    def send(self, count: int = 1) -> None:
        """Send the next numbered frames, whoever listens."""
        for _ in range(count):
            with self._lock:
                self._sent_at[self.next] = SystemClock().now()
                self.host.send(ring(self.next))
                self.next += 1

    def send_odd(self, template: str | bytes) -> tuple[int, bytes]:
        """Send a frame of the test's own, in which `@` stands for its number; return both."""
        with self._lock:
            number = self.next
            self._sent_at[number] = SystemClock().now()
            self.next += 1
            body = template if isinstance(template, bytes) else template.encode()
            body = body.replace(b"@", f"#{number}#".encode())
            self.host.send(body, is_text=True)
        return number, body

    def read_log(self) -> list[dict[str, Any]]:
        """Return what was not judged yet of the frames and gaps of the host, in the order of the log."""
        query = {
            "_id": {"$gt": self._last_id},
            "host": self._name,
            "$or": [{"type": "gap"}, {"kind": {"$ne": "system"}}],
        }
        wanted = {"type": 1, "call_ref": 1, "raw": 1, "kind": 1, "data": 1, "received_at": 1}
        return list(self.site.store.database["events"].find(query, wanted).sort("_id", 1))

    def read_delivered(self) -> dict[int, int]:
        """Return number → connection of every frame not judged yet that was written to a socket that was up."""
        self.host.operate(lambda exchange: exchange.sent_log.flush())
        with self._sent_log.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                written = json.loads(line)
                text = written.get("frame")
                frame = base64.b64decode(written["frame_base64"]) if text is None else text.encode()
                if (number := find_number(frame)) is not None:
                    self._delivered[number] = written["connection"]
            self._offset = lines.tell()
        return self._delivered

    def await_flow(self, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until a frame that is sent now is stored: new events flow, and all before it are through."""
        marks: set[int] = set()

        def flows() -> bool:
            self.send()
            marks.add(self.next - 1)
            return self.count_rings({"$in": list(marks)}) > 0

        wait_until(flows, seconds)
        # what was sent after that one is awaited too, so that it does not look lost
        last = self.next - 1
        delivered = last in self.read_delivered()
        if delivered:
            wait_until(lambda: self.count_rings(last) == 1, seconds)

    def count_rings(self, number: Any) -> int:
        """Return how many frames of this number, or of those that a query names, are stored."""
        return self.site.count(type="station_ring", call_ref=number, **{"raw.data.time": _TIME})

    def count_waiting(self) -> int:
        """Return how many entries the journal of the host holds."""
        with open_salvage(self.site.folder / "state" / f"host-{self._name}.journal") as found:
            return found.count_entries()

    def judge(self, *, may_lose: bool = False, seconds: float = _PATIENCE_SECONDS) -> Verdict:
        """Return the verdict once new events flow; `may_lose` allows what was in a socket that broke to be lost.

        Raises AssertionError for a frame stored twice, out of order, or missing without a gap in its place and of
        its time, and for one that was delivered and lost where that may not be, or anywhere but at a
        connection's end.
        """
        self.await_flow(seconds)
        log = self._read_settled_log()
        numbers, before = [], self._last_number
        gaps = Counter(
            document["data"].get("reason") == "not_monitored" for document in log if document["type"] == "gap"
        )
        spans: list[tuple[str | None, str]] = []
        for document in log:
            if document["type"] == "gap":
                spans.append((document["data"].get("since"), document["data"]["until"]))
                continue
            number = number_of(document)
            if number is None:
                continue
            assert number > before, f"{number} comes after {before}: stored twice or out of order"
            assert number == before + 1 or spans, f"{before + 1} to {number - 1} are missing without a gap"
            self._check_covered(range(before + 1, number), spans)
            numbers.append(number)
            before, spans = number, []
        delivered = dict(self.read_delivered())
        lost = sorted(delivered.keys() - set(numbers))
        assert may_lose or not lost, f"delivered and not stored: {lost[:20]} ({len(lost)})"
        last_stored: dict[int, int] = {}
        for number in numbers:
            connection = delivered[number]
            last_stored[connection] = max(number, last_stored.get(connection, -1))
        inside = [number for number in lost if number < last_stored.get(delivered[number], -1)]
        assert not inside, f"lost from the middle of a connection: {inside[:20]} ({len(inside)})"
        self._last_id, self._last_number = log[-1]["_id"], before
        with self._lock:
            self._sent_at = {number: at for number, at in self._sent_at.items() if number > before}
        self._delivered.clear()
        return Verdict(len(numbers), gaps[False], gaps[True], lost)

    def _read_settled_log(self) -> list[dict[str, Any]]:
        """Return what was not judged yet, once nothing more is on its way.

        A frame that BSON refuses is stored after those of its batch that came later.
        """
        watch = Stopwatch()
        while True:
            log = self.read_log()
            numbers = {number for document in log if (number := number_of(document)) is not None}
            is_whole = numbers >= set(range(self._last_number + 1, max(numbers) + 1))
            if is_whole or watch.is_over(_SETTLING_SECONDS) or any(each["type"] == "gap" for each in log):
                return log
            time.sleep(0.05)

    def check_covered(self) -> None:
        """Raise AssertionError for what is stored twice, or missing outside the time of every gap.

        For events of several daemons whose clocks differ, whose order is not that of their ids.
        """
        log = self.read_log()
        numbers = [number for document in log if (number := number_of(document)) is not None]
        assert len(numbers) == len(set(numbers)), "stored twice"
        spans = [(gap["data"].get("since"), gap["data"]["until"]) for gap in log if gap["type"] == "gap"]
        for number in sorted(set(range(self.next)) - set(numbers)):
            self._check_covered(range(number, number + 1), spans)

    def _check_covered(self, missing: range, spans: list[tuple[str | None, str]]) -> None:
        """Raise AssertionError for a missing number that was sent at no time that a gap in its place names."""
        is_busy = self._watch.seconds < _BUSY_SHARE * self._watch.elapsed
        tolerance = _BUSY_TOLERANCE if is_busy else _TOLERANCE
        for number in missing:
            sent_at = self._sent_at[number]
            is_covered = any(
                (since is None or datetime.fromisoformat(since) <= sent_at + tolerance)
                and sent_at <= datetime.fromisoformat(until) + tolerance
                for since, until in spans
            )
            assert is_covered, f"{number} of {sent_at} is missing, and the gaps in its place are {spans}"


def number_of(document: dict[str, Any]) -> int | None:
    """Return the number that a test gave a stored frame; None for a frame of the host's own."""
    raw = document.get("raw")
    return find_number(raw) if isinstance(raw, bytes) else find_number(json.dumps(raw, default=str).encode())


def find_number(frame: bytes) -> int | None:
    """Return the number in the bytes of a frame."""
    found = _NUMBER.search(frame)
    return int(found[1] or found[2]) if found else None


def count_logins(host: SimulatedHost) -> int:
    """Return how often anybody has asked the host to be let in."""
    return host.operate(lambda exchange: exchange.asked["login"])


def ask(site: Site, command: str, **arguments: Any) -> Callable[[], Any]:
    """Queue a command; what is returned looks at it, None until it has ended."""
    now = SystemClock().now()
    queued = submit_request(
        site.store,
        command,
        arguments,
        host="host0",
        by="test",
        created_at=now,
        expires_at=now + timedelta(seconds=60),
    )
    query = {"_id": queued, "state": {"$in": sorted(DONE_STATES)}}
    return lambda: site.store.database["requests"].find_one(query)
