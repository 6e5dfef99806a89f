"""The right to log in at the hosts: a lease in MongoDB for each account, renewed while it is ours.

Two daemons may stand ready for one host; the one that holds the lease logs in. A dead owner's lease runs out
within seconds, and what it left in it (the token of its session, when it last heard the host) lets the next one
free the account at once and say what was missed.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import HeldElsewhere, StoreError, StoreUnavailable
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.store.connection import Store
from ipecs_mw.store.leases import hold_lease

log = logs.get_logger()

LEASE_SECONDS = 7.0
RENEW_SECONDS = 1.5
_PATIENCE_SECONDS = 5.0  # after MongoDB was away, for a living owner to renew what ran out meanwhile
_ANSWER_SECONDS = 1.5
_AWAY_SECONDS = (
    1.0  # what did not answer for one lease is not asked for another: less than from round to round
)
_TURN_SECONDS = 10.0  # for another host of ours to give the account back
_LOOK_SECONDS = 0.05


class Standing(Enum):
    """How an account's lease stands. UNKNOWN is for as long as MongoDB could not be asked yet."""

    UNKNOWN = "unknown"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(eq=False)
class AccountLease:
    """The lease on one account at one host.

    `token` and `heard_at` are ours to leave for the next owner; `left` is what the former one left. `failed_at` is
    when MongoDB last did not answer, by the monotonic clock. `rival` is the host of ours that has the account.
    """

    name: str
    host: str
    standing: Standing = Standing.UNKNOWN
    owner: str | None = None
    token: str | None = None
    heard_at: datetime | None = None
    left: Mapping[str, Any] = field(default_factory=dict)
    failed_at: float | None = None
    rival: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check(self) -> None:
        """Raise HeldElsewhere where another daemon, or another host of this one, has the account.

        While MongoDB is away nobody can ask; then the host itself, which lets an account in once, decides.
        """
        if self.rival is not None:
            raise HeldElsewhere("error.held_by_other_host", host=self.host, other=self.rival)
        if self.standing is Standing.THEIRS:
            raise HeldElsewhere("error.held_elsewhere", host=self.host, owner=self.owner or "?")


def build_lease(host: HostSettings) -> AccountLease:
    """Return the lease on the account of `host`, whatever profile names it."""
    return AccountLease(f"account:{host.user}@{host.address.lower()}:{host.port}", host.name)


class LeaseKeeper:
    """Asks for and renews the leases of one daemon; `owner` names it. `run` is its thread.

    Safe for the threads of all hosts. A MongoDB that has just not answered for one lease is not asked for the
    others: however many hosts there are, they wait for it no longer than one does.
    """

    def __init__(self, store: Store, owner: str, clock: Clock, stop: threading.Event) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock
        self._stop = stop
        self._leases: list[AccountLease] = []
        self._away_until = -math.inf

    def add(self, lease: AccountLease, stop: threading.Event) -> None:
        """Keep this lease from now on; it is asked for at once, and unknown where MongoDB does not answer.

        Another host of ours that has the account is waited for, some seconds and until `stop` is set: it may be
        about to give it back.
        """
        self._leases.append(lease)
        self._renew(lease)
        ends = self._clock.monotonic() + _TURN_SECONDS
        while lease.rival is not None and self._clock.monotonic() < ends:
            if self._clock.wait(stop, _LOOK_SECONDS):
                return

    def remove(self, lease: AccountLease) -> None:
        """Give a lease back, with what the next owner needs to know: a token is left where logging out failed.

        Where another host of ours waits for the account, it has it from now on.
        """
        with lease.lock:
            if lease not in self._leases:
                return
            was_held = self._find_holder(lease.name) is lease
            self._leases.remove(lease)
            heir = self._find_holder(lease.name)
            if heir is None and lease.standing is Standing.OURS:
                self._hold(lease, 0.0)
        if heir is not None and was_held:
            left = {"token": lease.token, "heard_at": lease.heard_at}
            heir.left = {name: value for name, value in left.items() if value is not None}
            heir.standing, heir.owner, heir.rival = lease.standing, lease.owner, None

    def run(self) -> None:
        """Renew until stopped."""
        while not self._clock.wait(self._stop, RENEW_SECONDS):
            for lease in self._leases.copy():
                self._renew(lease)

    def _find_holder(self, name: str) -> AccountLease | None:
        """Return which of our leases on one account counts: the one that was added first."""
        return next((lease for lease in self._leases.copy() if lease.name == name), None)

    def _renew(self, lease: AccountLease) -> None:
        with lease.lock:
            holder = self._find_holder(lease.name)
            if holder is not lease:
                lease.rival = None if holder is None else holder.host
                return
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
        if self._clock.monotonic() < self._away_until:
            lease.failed_at = self._clock.monotonic()
            return
        note = {"token": lease.token, "heard_at": lease.heard_at}
        note = {name: value for name, value in note.items() if value is not None}
        try:
            asked = hold_lease(
                self._store, lease.name, self._owner, seconds, note, within_seconds=_ANSWER_SECONDS
            )
        except StoreError as error:
            log.debug("lease could not be renewed", host=lease.host, error=str(error))
            lease.failed_at = self._clock.monotonic()
            if isinstance(error, StoreUnavailable):
                self._away_until = lease.failed_at + _AWAY_SECONDS
            return
        if asked.is_ours and lease.standing is not Standing.OURS:
            lease.left = asked.note
        lease.owner = asked.owner
        lease.standing = Standing.OURS if asked.is_ours else Standing.THEIRS
