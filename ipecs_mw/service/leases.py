"""The right to log in at the hosts: a lease in MongoDB for each account, renewed while it is ours.

Two daemons may stand ready for one host; the one that holds the lease logs in. A dead owner's lease runs out
within seconds, and what it left in it (the token of its session, when it last heard the host) lets the next one
free the account at once and say what was missed.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import HeldElsewhere, StoreError
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.store.connection import Store
from ipecs_mw.store.leases import hold_lease

log = logs.get_logger()

LEASE_SECONDS = 7.0
RENEW_SECONDS = 1.5
_PATIENCE_SECONDS = 5.0  # after MongoDB was away, for a living owner to renew what ran out meanwhile
_ANSWER_SECONDS = 1.5


class Standing(Enum):
    """How an account's lease stands. UNKNOWN is for as long as MongoDB could not be asked yet."""

    UNKNOWN = "unknown"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass
class AccountLease:
    """The lease on one account at one host.

    `token` and `heard_at` are ours to leave for the next owner; `left` is what the former one left. `failed_at` is
    when MongoDB last did not answer, by the monotonic clock.
    """

    name: str
    host: str
    standing: Standing = Standing.UNKNOWN
    owner: str | None = None
    token: str | None = None
    heard_at: datetime | None = None
    left: Mapping[str, Any] = field(default_factory=dict)
    failed_at: float | None = None

    def check(self) -> None:
        """Raise HeldElsewhere where another daemon has the account.

        While MongoDB is away nobody can ask; then the host itself, which lets an account in once, decides.
        """
        if self.standing is Standing.THEIRS:
            raise HeldElsewhere("error.held_elsewhere", host=self.host, owner=self.owner or "?")


def build_lease(host: HostSettings) -> AccountLease:
    """Return the lease on the account of `host`, whatever profile names it."""
    return AccountLease(f"account:{host.user}@{host.address.lower()}:{host.port}", host.name)


class LeaseKeeper:
    """Asks for and renews the leases of one daemon; `owner` names it. `run` is its thread."""

    def __init__(self, store: Store, owner: str, clock: Clock, stop: threading.Event) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock
        self._stop = stop
        self._leases: dict[str, AccountLease] = {}

    def add(self, lease: AccountLease) -> None:
        """Keep this lease from now on; it is asked for at once, and unknown where MongoDB does not answer."""
        self._leases[lease.name] = lease
        self._renew(lease)

    def remove(self, lease: AccountLease) -> None:
        """Give a lease back, with what the next owner needs to know: a token is left where logging out failed."""
        if self._leases.get(lease.name) is not lease:
            return  # given back already, or the account is another host's of ours meanwhile
        del self._leases[lease.name]
        if lease.standing is Standing.OURS:
            self._hold(lease, 0.0)

    def run(self) -> None:
        """Renew until stopped."""
        while not self._clock.wait(self._stop, RENEW_SECONDS):
            for lease in list(self._leases.values()):
                self._renew(lease)

    def _renew(self, lease: AccountLease) -> None:
        was = lease.standing
        is_recent = lease.failed_at is not None and (
            self._clock.monotonic() - lease.failed_at < _PATIENCE_SECONDS
        )
        if was is Standing.THEIRS and is_recent:
            return
        self._hold(lease, LEASE_SECONDS)
        if lease.standing is not was and lease.standing is Standing.THEIRS:
            log.warning("lease.theirs", host=lease.host, owner=lease.owner or "?")
        elif lease.standing is not was and was is Standing.THEIRS:
            log.warning("lease.taken_over", host=lease.host)

    def _hold(self, lease: AccountLease, seconds: float) -> None:
        note = {"token": lease.token, "heard_at": lease.heard_at}
        note = {name: value for name, value in note.items() if value is not None}
        try:
            asked = hold_lease(
                self._store, lease.name, self._owner, seconds, note, within_seconds=_ANSWER_SECONDS
            )
        except StoreError as error:
            log.debug("lease could not be renewed", host=lease.host, error=str(error))
            lease.failed_at = self._clock.monotonic()
            return
        if asked.is_ours and lease.standing is not Standing.OURS:
            lease.left = asked.note
        lease.owner = asked.owner
        lease.standing = Standing.OURS if asked.is_ours else Standing.THEIRS
