"""Who listens inside the process: each gets the decoded events in order of arrival, also while MongoDB is away.

A listener has a thread and a bounded queue of its own: one that raises or blocks holds up neither the event log
nor the other listeners. What does not fit its queue is dropped for that listener alone, and counted.
"""

import queue
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ipecs_mw import logs
from ipecs_mw.journal.journal import Arrival
from ipecs_mw.model.event import Event
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.process.threads import start_thread

log = logs.get_logger()

MOST_WAITING = 10_000

Listener = Callable[[str | None, Event], None]
"""Called with the host's name (None: the middleware itself) and an event."""
Make = Callable[[], Event]


@dataclass
class _Outlet:
    """One listener's queue; `dropped` and `failed` count what it missed."""

    listener: Listener
    waiting: "queue.Queue[tuple[str | None, Make] | None]"
    dropped: int = 0
    failed: int = 0

    @property
    def name(self) -> str:
        return getattr(self.listener, "__qualname__", type(self.listener).__name__)


class Listeners:
    """All listeners of a daemon; none of them ever holds up an intake."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._outlets = [_Outlet(listener, queue.Queue(MOST_WAITING)) for listener in listeners]
        self._threads = [
            start_thread(f"listener-{outlet.name}", partial(_serve, outlet)) for outlet in self._outlets
        ]

    def attend(self, intake: Intake, read: Callable[[Arrival], Event]) -> None:
        """Give each listener what arrives in `intake` from now on; `read` is called in the listener's thread."""
        if self._outlets:
            intake.attend(partial(self._offer, intake.host, read))

    def _offer(self, host: str | None, read: Callable[[Arrival], Event], arrivals: Sequence[Arrival]) -> None:
        for outlet in self._outlets:
            for arrival in arrivals:
                self._put(outlet, host, partial(read, arrival))

    def close(self, seconds_left: Callable[[], float]) -> None:
        """Let the listeners finish what waits, while `seconds_left` for all of them together."""
        told = []
        for outlet, thread in zip(self._outlets, self._threads, strict=True):
            with suppress(queue.Full):
                outlet.waiting.put_nowait(None)
                told.append(thread)
        for thread in told:
            thread.join(seconds_left())

    def _put(self, outlet: _Outlet, host: str | None, make: Make) -> None:
        try:
            outlet.waiting.put_nowait((host, make))
        except queue.Full:
            if not outlet.dropped:
                log.warning("listener.behind", listener=outlet.name, most=MOST_WAITING)
            outlet.dropped += 1


def _serve(outlet: _Outlet) -> None:
    while (item := outlet.waiting.get()) is not None:
        host, make = item
        try:
            outlet.listener(host, make())
        except Exception as error:  # noqa: BLE001 - somebody else's code must not hold up ours
            if not outlet.failed:
                log.warning("listener.failed", listener=outlet.name, reason=repr(error)[:200])
            outlet.failed += 1
