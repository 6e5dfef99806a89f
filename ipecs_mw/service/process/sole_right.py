"""The right to do what one daemon of all does: a lease that is kept while the work goes on."""

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError
from ipecs_mw.store.coordination.leases import acquire_lease, release_lease
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0


class SoleRight:
    """A lease by its name, asked for as often as needed; `owner` is the daemon."""

    def __init__(
        self,
        store: Store,
        name: str,
        owner: str,
        clock: Clock,
        *,
        seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._seconds, self._renew_seconds = seconds, renew_seconds
        self._store = store
        self._name = name
        self._owner = owner
        self._clock = clock
        self._held_until = float("-inf")

    def hold(self) -> bool:
        """Take the right, or keep it; tell whether it is ours. Raises StoreError."""
        now = self._clock.monotonic()
        if now < self._held_until - self._seconds + self._renew_seconds:
            return True
        if not acquire_lease(self._store, self._name, self._owner, self._seconds):
            self._held_until = float("-inf")
            return False
        self._held_until = now + self._seconds  # counted from before it was asked for
        return True

    @property
    def seconds_left(self) -> float:
        """How long it is still ours for sure; below 0 where it is not."""
        return self._held_until - self._clock.monotonic()

    def let_go(self) -> None:
        """Give it back, where it is ours; one that cannot be given back runs out."""
        if self._held_until == float("-inf"):
            return
        self._held_until = float("-inf")
        try:
            release_lease(self._store, self._name, self._owner)
        except StoreError as error:
            log.debug("a lease was not given back", name=self._name, reason=logs.explain(error))
