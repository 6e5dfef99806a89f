"""What the events of one host tell of its stations and its clock, as far as later steps need it."""

import threading
from collections.abc import Callable
from datetime import datetime

from ipecs_mw.model.event import Event

CALL_ENDS = frozenset({"released", "fail", "transferred"})
_MOST_STATIONS = 10_000
_MOST_CALLS = 20_000
_LONGEST_NUMBER = 32
_LONGEST_REF_BITS = 64


class CallState:
    """Follows the events of one host.

    `note` is called with each, in order, by the forwarder's thread, which waits while MongoDB is away;
    `note_fresh` by the session's thread as they come, with those that cannot wait. `on_numbering` is called when
    the host's numbering plan has changed. `unconnected` are the stations that the host calls unregistered,
    `clock_at` is when it last told its time in this session.
    """

    def __init__(self, on_numbering: Callable[[], None]) -> None:
        self._on_numbering = on_numbering
        self.unconnected: set[str] = set()
        self.clock_at: datetime | None = None
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, int], None] = {}  # the oldest first

    def begin_session(self) -> None:
        """Forget what the former session told of the host's clock: this one may be with another host."""
        self.clock_at = None

    def note(self, event: Event) -> None:
        """Take one event in."""
        if event.kind == "call":
            self._note_call(event)

    def note_fresh(self, event: Event) -> None:
        """Take in at once what cannot wait for MongoDB."""
        if event.type == "time_date":
            self.clock_at = event.received_at
        elif event.kind == "call" and event.type == "numbering":
            self._on_numbering()

    def take_busy(self) -> list[str]:
        """Return the stations that had a call when last heard of, and forget their calls."""
        with self._lock:
            busy, self._calls = sorted({station for station, _ in self._calls}), {}
        return busy

    def _note_call(self, event: Event) -> None:
        station = str(event.data.get("device_number") or "")
        if len(station) > _LONGEST_NUMBER:
            return  # a host must not fill our memory with what is no station
        match event.type:
            case "registered":
                self.unconnected.discard(station)
            case "unregistered":
                if len(self.unconnected) < _MOST_STATIONS:
                    self.unconnected.add(station)
            case _ if event.call_ref is not None and station:
                self._note_state(station, event.call_ref, has_ended=event.type in CALL_ENDS)

    def _note_state(self, station: str, call_ref: int, *, has_ended: bool) -> None:
        with self._lock:
            self._calls.pop((station, call_ref), None)
            if has_ended or call_ref.bit_length() > _LONGEST_REF_BITS:
                return
            self._calls[station, call_ref] = None
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]  # of the longest silent: its end was never told
