"""Calls that were under way when a host was last heard, as the event log tells: what became of them may be lost.

What the process itself remembers of calls ends with it, and knows nothing of what another daemon has heard.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ipecs_mw.clock import Clock
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.call_state import CALL_ENDS
from ipecs_mw.store.events.busy_stations import find_busy_stations
from ipecs_mw.store.server.connection import Store

_LONGEST_CALL = timedelta(hours=8)


class LostCalls:
    """Finds them once after each `begin`; used by the executor's thread. `ask` is told the stations."""

    def __init__(
        self, host: str, intake: Intake, store: Store, clock: Clock, ask: Callable[[Sequence[str]], None]
    ) -> None:
        self._host = host
        self._intake = intake
        self._store = store
        self._clock = clock
        self._ask = ask
        self._begun_at: datetime | None = None

    def begin(self) -> None:
        """Look from now on: the session is up, and events were lost before."""
        self._begun_at = self._clock.now()

    def step(self) -> bool:
        """Look, if that is due and all that was heard before is stored; False. Raises StoreError, JournalError."""
        if self._begun_at is None or not self._is_stored(self._begun_at):
            return False
        since = self._begun_at - _LONGEST_CALL
        busy = find_busy_stations(self._store, self._host, since, self._begun_at, CALL_ENDS)
        self._begun_at = None
        if busy:
            self._ask(busy)
        return False

    def _is_stored(self, until: datetime) -> bool:
        oldest_at = self._intake.journal.oldest_at
        return oldest_at is None or oldest_at > until
