"""What the events of one host tell of its stations and its clock, as far as later steps need it."""

import threading
from collections.abc import Callable
from datetime import datetime

from ipecs_mw.model.event import Event

_ENDS = frozenset({"released", "fail", "transferred"})
_MOST_STATIONS = 10_000


class Picture:
    """Follows the events of one host: `note` is called with each, in order, by the forwarder's thread.

    `on_numbering` is called when the host's numbering plan has changed. `unconnected` are the stations that the
    host calls unregistered, `clock_at` is when it last told its time.
    """

    def __init__(self, on_numbering: Callable[[], None]) -> None:
        self._on_numbering = on_numbering
        self.unconnected: set[str] = set()
        self.clock_at: datetime | None = None
        self._lock = threading.Lock()
        self._calls: dict[str, set[int]] = {}

    def note(self, event: Event) -> None:
        """Take one event in."""
        if event.kind == "call":
            self._note_call(event)
        elif event.type == "time_date":
            self.clock_at = event.received_at

    def take_busy(self) -> list[str]:
        """Return the stations that had a call when last heard of, and forget their calls."""
        with self._lock:
            busy, self._calls = sorted(self._calls), {}
        return busy

    def _note_call(self, event: Event) -> None:
        station = str(event.data.get("device_number") or "")
        match event.type:
            case "registered":
                self.unconnected.discard(station)
            case "unregistered":
                if len(self.unconnected) < _MOST_STATIONS:
                    self.unconnected.add(station)
            case "numbering":
                self._on_numbering()
            case _ if event.call_ref is not None and station:
                self._note_state(station, event.call_ref, has_ended=event.type in _ENDS)

    def _note_state(self, station: str, call_ref: int, *, has_ended: bool) -> None:
        with self._lock:
            calls = self._calls.setdefault(station, set())
            if has_ended:
                calls.discard(call_ref)
            elif len(self._calls) <= _MOST_STATIONS:
                calls.add(call_ref)
            if not calls:
                del self._calls[station]
