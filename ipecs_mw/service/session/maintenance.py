"""Maintenance of one host's session: monitoring and the watch over its connection, by the host alone.

Monitoring and the watch over the connection have a thread of their own, because requests and call records need
MongoDB: while that hangs, a session that is up would send nothing, and nobody would notice one that is dead.
"""

import threading
from collections import deque
from collections.abc import Sequence

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.intake.gaps import Moment
from ipecs_mw.service.session.monitoring import Monitoring
from ipecs_mw.service.session.supervisor import SessionSupervisor
from ipecs_mw.service.session.watchdog import Watchdog

log = logs.get_logger()

_TICK_SECONDS = 0.5
_AFTER_DEFECT_SECONDS = 5.0


class SessionMaintenance:
    """Has monitoring begun each time the session is up, and watches the connection; `run` is its thread.

    Each request to the host renews the session and has a deadline, so the next look at the connection is never
    further away than one of them. The methods that tell it something may be called by any thread.
    """

    def __init__(
        self,
        host: HostSettings,
        session: SessionSupervisor,
        monitoring: Monitoring,
        watchdog: Watchdog,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._host = host
        self._session = session
        self._monitoring = monitoring
        self._watchdog = watchdog
        self._clock = clock
        self._stop = stop
        self._wake = threading.Event()
        self._ups: deque[Moment] = deque()
        self._numbering: Moment | None = None
        self._lost: deque[Sequence[str]] = deque()

    def on_up(self, up: Moment) -> None:
        """Have monitoring started: the session is up since `up`."""
        self._ups.append(up)
        self._wake.set()

    def on_numbering(self) -> None:
        """Have monitoring renewed: the host's numbering plan has changed."""
        self._numbering = self._numbering or Moment.read(self._clock)  # one renewal serves them all
        self._wake.set()

    def ask_states(self, stations: Sequence[str]) -> None:
        """Have the state of these stations asked for, unless it was since the session is up."""
        self._lost.append(stations)
        self._wake.set()

    def wake(self) -> None:
        """Have what has changed looked at now rather than at the next tick, a stop too."""
        self._wake.set()

    def change(self, host: HostSettings) -> None:
        """Go on with settings that need no new session."""
        self._host = host
        self._monitoring.change(host)
        self._watchdog.change(host)
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop.is_set():
            self._clock.wait(self._wake, _TICK_SECONDS)
            self._wake.clear()
            try:
                self._step()
            except JournalError as error:
                log.debug("maintenance waits", host=self._host.name, error=str(error))
                self._clock.wait(self._stop, _TICK_SECONDS)
            except Exception:  # a defect must not leave the host unmonitored
                log.critical("thread.failed", thread=f"maintenance-{self._host.name}", exc_info=True)
                self._clock.wait(self._stop, _AFTER_DEFECT_SECONDS)
        try:
            self._monitoring.end()
        except JournalError as refused:
            log.error("journal.refused", host=self._host.name, detail=logs.explain(refused))

    def _step(self) -> None:
        self._begin_what_is_due()
        self._watchdog.step()
        while self._is_up() and not self._is_due() and self._monitoring.step():
            self._watchdog.step()

    def _begin_what_is_due(self) -> None:
        while self._ups:
            self._monitoring.renew(self._ups.popleft(), has_lost_calls=True)
        numbering, self._numbering = self._numbering, None
        if numbering is not None:
            self._monitoring.renew(numbering, has_lost_calls=False)
        while self._lost:
            self._monitoring.ask_states(self._lost.popleft())

    def _is_due(self) -> bool:
        return bool(self._ups) or self._numbering is not None

    def _is_up(self) -> bool:
        return self._session.is_up and not self._stop.is_set()
