"""The session supervisor of one host: log in, connect, read, and come back from whatever breaks.

It runs as the host's reader thread. What it reads goes to the intake's journal and nowhere else.
"""

import random
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import HeldElsewhere, IpecsMwError, JournalError, Recovery, Unexpected
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.protocol.session import (
    FACT_OF,
    PATIENT,
    STABLE_SECONDS,
    TRYING,
    Fact,
    State,
    next_state,
    wait_seconds,
)
from ipecs_mw.service.intake.gaps import Moment, bound_gap
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.leases import AccountLease
from ipecs_mw.service.session.standstill import Standstill
from ipecs_mw.transport.stream import Stream, open_stream

log = logs.get_logger()

_RECEIVE_SECONDS = 0.5
_AFTER_DEFECT_SECONDS = 5.0
_MOST_CONNECTIONS = 1_000_000
"""Connections of one holder of the account: the number of a connection begins with that of its holder."""

Drop = Callable[[IpecsMwError], None]
"""Has one session, and no later one, end and recover for an error that another thread met; returns at once."""


@dataclass(frozen=True)
class SessionStatus:
    """What `status` tells of a session; `retry_at` where it waits."""

    state: State = State.OFFLINE
    since: datetime | None = None
    reason: IpecsMwError | None = None
    retry_at: datetime | None = None
    system: str | None = None
    reconnects: int = 0


class SessionSupervisor:
    """Keeps one host's session up until `stop` is set; `run` is its thread.

    `lease` says whether the account is ours to use. `heard_at` is when the last frame came, by the monotonic
    clock. `on_up` is called, without arguments, each time the session is up; it must not block.
    """

    def __init__(
        self,
        host: HostSettings,
        client: HostClient,
        context: ssl.SSLContext,
        intake: Intake,
        clock: Clock,
        stop: threading.Event,
        lease: AccountLease,
        on_up: Callable[[], None],
    ) -> None:
        self.status = SessionStatus(since=clock.now())
        self.heard_at = clock.monotonic()
        self._host = host
        self._client = client
        self._context = context
        self._intake = intake
        self._clock = clock
        self._stop = stop
        self._lease = lease
        self._on_up = on_up
        self._failures = 0
        self._has_been_up = False
        self._timer_seconds = 120.0
        self._down: Moment | None = None
        self._down_reason = "daemon.ended"
        self._standstill = Standstill(clock)
        self._has_stood_still = False
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret
        self._number = 0  # of the session, from its login on
        self._ordered: tuple[int, IpecsMwError] | None = None

    def follow(self, reason: str) -> None:
        """Name what ended the session before this one, where that was not the daemon's end."""
        self._down_reason = reason

    def run(self) -> None:
        """Hold the session until stopped, then log out."""
        # what came between the former session's last frame and now is missing too
        heard_at = self._intake.journal.heard_at
        self._down = None if heard_at is None else Moment(heard_at)
        while not self._stop.is_set():
            try:
                self._try()
            except Exception as error:  # a defect must not leave the host alone
                log.critical("thread.failed", thread=f"session-{self._host.name}", exc_info=True)
                if self.status.state in TRYING:
                    self._recover(Unexpected("error.unexpected", reason=type(error).__name__))
                else:  # it came while recovering
                    self._clock.wait(self._stop, _AFTER_DEFECT_SECONDS)
        self._end()

    def _try(self) -> None:
        try:
            self._hold_session()
        except IpecsMwError as error:
            self._recover(error)

    def note(self) -> Drop:
        """Return what drops the session of this moment: to be asked for before a request is sent.

        The answer may come when the next session is up already, and says nothing of that one.
        """
        return partial(self._drop, self._number)

    @property
    def is_up(self) -> bool:
        """Whether the session is up, and nobody has met what ends it."""
        return self.status.state is State.UP and self._find_order() is None

    def _drop(self, number: int, error: IpecsMwError) -> None:
        if number == self._number:
            self._ordered = (number, error)
        else:
            log.debug("a former session's end", host=self._host.name, error=str(error))

    def _find_order(self) -> IpecsMwError | None:
        """Return what the present session is to end for."""
        ordered = self._ordered
        return None if ordered is None or ordered[0] != self._number else ordered[1]

    def _hold_session(self) -> None:
        """Log in, connect and read until stopped; raises what ends the session."""
        if not self._intake.wait_for_room(self._stop):
            return
        self._move(Fact.BEGUN)
        self._lease.wakes.clear()
        self._lease.confirm()
        self._number += 1
        login = self._client.login()
        self._timer_seconds = login.timer_seconds
        self._move(Fact.LOGGED_IN)
        self._standstill.begin()  # from the first moment at which the host may send
        stream = open_stream(self._host, self._context, self._client.token or "", self._clock)
        try:
            self._intake.begin_connection(self._lease.holder_number * _MOST_CONNECTIONS)
            self.heard_at = self._clock.monotonic()
            self.status = replace(self.status, system=login.system)
            self._move(Fact.CONNECTED)
            self._intake.record("session.up", system=login.system, connection=self._intake.connection)
            self._record_gap()
            self._intake.hear()  # from now on what is missing is missing since here, frame or no frame
            self._on_up()
            self._read(stream)
        finally:
            self._close(stream)

    def _read(self, stream: Stream) -> None:
        up_since = self._clock.monotonic()
        try:
            while not self._stop.is_set():
                self._take(stream.receive(_RECEIVE_SECONDS))
                if (ordered := self._find_order()) is not None:
                    raise ordered
        finally:
            self._has_stood_still |= self._standstill.turn()
            if self._clock.monotonic() - up_since >= STABLE_SECONDS:
                self._failures = 0

    def _take(self, frames: Sequence[bytes]) -> None:
        """Make frames durable, unless the account is another daemon's by now: then it has them too.

        Raises HeldElsewhere. A process that stood still asks first, for it may have lost the account meanwhile.
        """
        self._has_stood_still |= self._standstill.turn()
        if self._has_stood_still:
            self._lease.confirm()
            self._has_stood_still = False
        self._lease.check()
        if frames:
            heard_at = self._clock.monotonic()
            self._intake.take_frames(frames)
            self.heard_at = heard_at
        self._lease.heard_at = self._intake.journal.heard_at

    def _close(self, stream: Stream) -> None:
        """Close the stream, and keep what the host still had to say before it took leave too."""
        try:
            stream.leave()
            while True:
                frames = stream.receive(_RECEIVE_SECONDS)
                with suppress(IpecsMwError):  # what is refused is drained all the same
                    self._take(frames)
        except IpecsMwError as error:
            log.debug("stream ended while closing", host=self._host.name, error=str(error))
        finally:
            stream.close()

    def _record_gap(self) -> None:
        """Say what was missed: the host keeps nothing for a client that is away."""
        self._down = self._lease.find_heard(self._down)  # what came until then the former owner has
        self._lease.left, self._lease.left_heard = {}, None
        if self._down is not None:
            since, until = bound_gap(self._down, Moment.read(self._clock))
            self._intake.record("gap", "warning", since=since, until=until, reason=self._down_reason)
            self._down = None

    def _recover(self, error: IpecsMwError) -> None:
        """Wait as the error's class says, loud the first time and quiet while it repeats."""
        was_up = self.status.state is State.UP
        is_new = self.status.reason is None or self.status.reason.key != error.key
        self._failures += error.recovery not in PATIENT
        if was_up and self._down is None:
            # nothing was heard since the last frame, however late the loss was noticed
            heard = Moment(self._intake.journal.heard_at or self._clock.now(), self.heard_at)
            self._down, self._down_reason = self._standstill.bound(heard), error.key
        seconds = wait_seconds(error.recovery, self._failures, self._timer_seconds, self._chance)
        self._move(FACT_OF[error.recovery], reason=error, wait=seconds)
        if isinstance(error, HeldElsewhere):
            self._log_out()
        if was_up or is_new:
            self._report(error, seconds, was_up=was_up)
        else:
            log.debug("session not up yet", host=self._host.name, error=str(error), seconds=round(seconds, 1))
        self._wait(error.recovery, seconds)

    def _wait(self, recovery: Recovery, seconds: float) -> None:
        """Wait before the next try: also for the account where that is what is missing."""
        if recovery not in (Recovery.WAIT_OUT, Recovery.STAND_BY):
            self._clock.wait(self._stop, seconds)
        elif not self._stop.is_set():  # it is set before the lease wakes
            self._clock.wait(self._lease.wakes, seconds)

    def _report(self, error: IpecsMwError, seconds: float, *, was_up: bool) -> None:
        level = "error" if FACT_OF[error.recovery] is Fact.REFUSED else "warning"
        event = "session.down" if was_up else "session.failed"
        event = "session.standing_by" if error.recovery is Recovery.STAND_BY else event
        try:
            self._intake.record(
                event, level, reason=error.key, detail=logs.explain(error), retry_seconds=round(seconds, 1)
            )
        except JournalError as refused:
            log.error("journal.refused", host=self._host.name, detail=logs.explain(refused))

    def _end(self) -> None:
        is_logged_out = self._log_out()
        self._client.close()
        self._move(Fact.ENDED)
        if not is_logged_out:
            return
        try:
            self._intake.record("session.ended")
        except JournalError as refused:
            log.error("journal.refused", host=self._host.name, detail=logs.explain(refused))

    def _log_out(self) -> bool:
        """End the session at the host; tell whether there was one that ended."""
        had_session = self._client.token is not None
        try:
            self._client.logout()
        except IpecsMwError as error:
            log.warning("session.logout_failed", host=self._host.name, detail=logs.explain(error))
            return False
        return had_session

    def _move(self, fact: Fact, *, reason: IpecsMwError | None = None, wait: float | None = None) -> None:
        """Change the state: the only place that does."""
        state = next_state(self.status.state, fact)
        now = self._clock.now()
        self.status = replace(
            self.status,
            state=state,
            since=now,
            reason=None if state is State.UP else reason or self.status.reason,
            retry_at=None if wait is None else now + timedelta(seconds=wait),
            reconnects=self.status.reconnects + (state is State.UP and self._has_been_up),
        )
        self._has_been_up |= state is State.UP
        log.debug("session state", host=self._host.name, state=state.value, fact=fact.value)
