"""The right to log in at the hosts: a lease in MongoDB for each account, renewed while it is ours.

Two daemons may stand ready for one host; the one that holds the lease logs in. A dead owner's lease is one that is
no longer renewed, and what it left in it (the token of its session, when it last heard the host) lets the next one
free the account at once and say what was missed.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import HeldElsewhere, StoreError, StoreUnavailable
from ipecs_mw.model.addresses import spell_address
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.intake.gaps import Moment
from ipecs_mw.store.coordination.account_leases import FoundLease, LeaseTable, Note, answering_within
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

LEASE_SECONDS = 7.0
"""A lease that is not renewed for so long, MongoDB answering all the while, is a dead owner's."""

RENEW_SECONDS = 1.5
_RETRY_SECONDS = (
    0.5  # sooner than that: whose lease nobody could renew must be there before it counts as dead
)
_ROUND_SECONDS = 2.5
_ANSWER_SECONDS = 1.5  # what a session waits for MongoDB at the most
_LEAST_SECONDS = 0.5  # a round with less time left says nothing of MongoDB
_AWAY_SECONDS = 4.0  # longer than from one try of `run` to the next: sessions ask only a MongoDB that answers
_HELD_UP_SECONDS = 1.0
_BETWEEN_SECONDS = (
    5.0  # reads further apart say nothing of the time between: we stood still, others may have too
)
_TURN_SECONDS = 10.0  # for another host of ours to give the account back
_LOOK_SECONDS = 0.05
_CLOCK_SECONDS = 60.0  # by which our clock may differ from MongoDB's
_NOTE_LAG = timedelta(seconds=2 * RENEW_SECONDS)  # a note is older than what its owner heard last


class Standing(Enum):
    """How an account's lease stands. UNKNOWN is for as long as MongoDB could not be asked yet."""

    UNKNOWN = "unknown"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass
class Watch:
    """What was seen of a lease that is not ours, by the monotonic clock: since when it was not renewed."""

    mark: tuple[Any, Any] | None = None
    since: float = math.inf
    seen_at: float = -math.inf
    is_renewed: bool = False

    def see(self, mark: tuple[Any, Any], at: float) -> None:
        """Note which owner and renewal a read has found."""
        is_far = at - self.seen_at > _BETWEEN_SECONDS
        self.is_renewed = self.mark is not None and mark != self.mark
        if is_far or mark != self.mark:
            self.since = at
        self.mark, self.seen_at = mark, at

    def forget(self) -> None:
        """Begin anew: MongoDB did not answer, so an owner could not renew either."""
        self.mark, self.since, self.seen_at, self.is_renewed = None, math.inf, -math.inf, False

    @property
    def is_dead(self) -> bool:
        """Whether a living owner would have renewed the lease by now."""
        return self.seen_at - self.since >= LEASE_SECONDS


@dataclass(eq=False)
class AccountLease:
    """The lease on one account at one host.

    `token` and `heard_at` are ours to leave for the next owner, `left` is what the former one left, `left_heard`
    when it last heard the host, and `noted` what stands there now. `owner` names another owner, `rival` is the
    host of ours that has the account. `holder_number` is our number among all who ever held it. `confirmed_at` is
    when it last was ours for certain, by the monotonic clock. `wakes` is set where it stands otherwise than
    before, and where whoever waits for that is to stop. `ask` has MongoDB asked and told, once and within 1.5 s;
    a keeper sets it.
    """

    name: str
    host: str
    standing: Standing = Standing.UNKNOWN
    owner: str | None = None
    token: str | None = None
    heard_at: datetime | None = None
    left: Mapping[str, Any] = field(default_factory=dict)
    left_heard: Moment | None = None
    noted: Note = field(default_factory=dict)
    rival: str | None = None
    holder_number: int = 0
    confirmed_at: float = -math.inf
    watch: Watch = field(default_factory=Watch)
    wakes: threading.Event = field(default_factory=threading.Event, repr=False)
    ask: Callable[[], None] = field(default=lambda: None, repr=False)
    is_stale: Callable[[], bool] = field(default=lambda: False, repr=False)

    def check(self) -> None:
        """Raise HeldElsewhere where another daemon, or another host of this one, has the account.

        While MongoDB is away nobody can ask; then the host itself, which lets an account in once, decides.
        """
        if self.rival is not None:
            raise HeldElsewhere("error.held_by_other_host", host=self.host, other=self.rival)
        if self.standing is Standing.THEIRS:
            raise HeldElsewhere("error.held_elsewhere", host=self.host, owner=self.owner or "?")

    def confirm(self) -> None:
        """Raise as `check`, after asking where our word is too old: a process that was frozen may have lost it."""
        for _ in range(2):  # the first may be cut short by the very standstill
            if self.is_stale():
                self.ask()
        self.check()

    def find_heard(self, own: Moment | None) -> Moment | None:
        """Return when the host was last heard, by us or by the owner before us, whose clock may differ."""
        left = self.left_heard
        if left is None or own is None:
            return left or own
        if math.isfinite(left.monotonic) and math.isfinite(own.monotonic):
            return max(left, own, key=lambda moment: moment.monotonic)
        # our own former run's: the note of it is a little older, but MongoDB tells how long ago that was
        lag = _NOTE_LAG if math.isfinite(left.monotonic) else timedelta()
        return left if left.at > own.at - lag else own

    def publish(self, token: str) -> None:
        """Leave the token of a new session for the next owner, at once where MongoDB answers."""
        self.token = token
        if self.standing is Standing.OURS:
            self.ask()

    def forget(self) -> None:
        """Leave nothing of ours any more: the account is not ours, or has just become it."""
        self.token = self.heard_at = None


def build_lease(host: HostSettings) -> AccountLease:
    """Return the lease on the account of `host`, whatever profile names it."""
    return AccountLease(f"account:{host.user}@{spell_address(host.address)}:{host.port}", host.name)


class LeaseKeeper:
    """Asks for and renews the leases of one daemon, all of them in one round; `run` is its thread.

    `owner` is the daemon's id, `holder` its name for people. Safe for the threads of all hosts: who asks while a
    round is under way shares the next one with all others, and nobody asks a MongoDB that has just not answered.
    """

    def __init__(
        self, store: Store, owner: str, clock: Clock, stop: threading.Event, holder: str | None = None
    ) -> None:
        self._table = LeaseTable(store, owner, holder or owner, LEASE_SECONDS, clock)
        self._owner = owner
        self._clock = clock
        self._stop = stop
        self._leases: list[AccountLease] = []
        self._leaving: list[AccountLease] = []
        self._members = threading.Lock()
        self._asking = threading.Lock()
        self._rounds = 0
        self._is_clock_wrong = False
        self._away_until = -math.inf

    def add(self, lease: AccountLease, stop: threading.Event) -> None:
        """Keep this lease from now on; it is asked for at once, and unknown where MongoDB does not answer.

        Another host of ours that has the account is waited for, some seconds and until `stop` is set: it may be
        about to give it back.
        """
        self.reserve(lease)
        if lease.rival is None:
            self._ask()
        ends = self._clock.monotonic() + _TURN_SECONDS
        while lease.rival is not None and self._clock.monotonic() < ends:
            if self._clock.wait(stop, _LOOK_SECONDS):
                return

    def reserve(self, lease: AccountLease) -> None:
        """Keep this lease from now on, without asking or waiting.

        One that follows another of ours on the same account has it the moment that is removed: nobody else does
        in between.
        """
        lease.ask = self._ask
        lease.is_stale = lambda: self._is_stale(lease)
        with self._members:
            if lease in self._leases:
                return
            self._leases.append(lease)
            holder = self._find_holder(lease.name)
            lease.rival = None if holder is None or holder is lease else holder.host

    def remove(self, lease: AccountLease) -> None:
        """Give a lease back, with what the next owner needs to know: a token is left where logging out failed.

        Where another host of ours waits for the account, it has it from now on.
        """
        with self._members:
            if lease not in self._leases:
                return
            was_held = self._find_holder(lease.name) is lease
            self._leases.remove(lease)
            if not was_held:
                return
            heir = self._find_holder(lease.name)
            if heir is not None:
                self._bequeath(lease, heir)
                return
            self._leaving.append(lease)
        self._ask()

    def run(self) -> None:
        """Renew until stopped."""
        seconds = RENEW_SECONDS
        while not self._clock.wait(self._stop, seconds):
            with self._asking:
                seconds = RENEW_SECONDS if self._go_round(_ROUND_SECONDS) else _RETRY_SECONDS

    def _find_holder(self, name: str) -> AccountLease | None:
        """Return which of our leases on one account counts: the one that was added first."""
        return next((lease for lease in self._leases if lease.name == name), None)

    def _bequeath(self, lease: AccountLease, heir: AccountLease) -> None:
        left = {"token": lease.token, "heard_at": lease.heard_at}
        # what a still earlier owner left counts as long as we have nothing of our own
        heir.left = {**lease.left, **{name: value for name, value in left.items() if value is not None}}
        heir.left_heard = lease.left_heard if lease.heard_at is None else Moment(lease.heard_at)
        heir.noted, heir.watch, heir.confirmed_at = lease.noted, lease.watch, lease.confirmed_at
        heir.standing, heir.owner, heir.holder_number = lease.standing, lease.owner, lease.holder_number
        for other in self._leases:
            if other.name == lease.name:
                other.rival = None if other is heir else heir.host
        heir.wakes.set()

    def _is_stale(self, lease: AccountLease) -> bool:
        """Tell whether the account may have gone to another daemon without our knowing, but not without trace."""
        now = self._clock.monotonic()
        is_old = now - lease.confirmed_at >= LEASE_SECONDS
        is_believed = lease.rival is None and lease.standing is not Standing.THEIRS
        return is_believed and is_old and now >= self._away_until

    def _ask(self) -> None:
        """Have a round that begins from now on, or know MongoDB to be away, within `_ANSWER_SECONDS`."""
        number = self._rounds
        until = self._clock.monotonic() + _ANSWER_SECONDS
        if not self._asking.acquire(timeout=_ANSWER_SECONDS):
            return
        try:
            now = self._clock.monotonic()
            if self._rounds == number and now >= self._away_until and until - now >= _LEAST_SECONDS:
                self._go_round(until - now)
        finally:
            self._asking.release()

    def _go_round(self, seconds: float) -> bool:
        """Renew, read and take in `seconds` at the most; tell whether MongoDB has answered. Needs `_asking`."""
        self._rounds += 1
        with self._members:
            holders = {lease.name: lease for lease in reversed(self._leases)}
            leaving, self._leaving = self._leaving, []
        began = self._clock.monotonic()
        try:
            with answering_within(seconds):
                found = self._exchange(holders, leaving, began)
        except StoreError as error:
            with self._members:
                self._leaving = [*leaving, *self._leaving]
            self._on_failure(
                holders.values(), error, is_held_up=self._lasted(began) > seconds + _HELD_UP_SECONDS
            )
            return False
        self._away_until = -math.inf
        for name, lease in holders.items():
            self._settle(lease, found[name], began)
        self._compare_clocks()
        return True

    def _compare_clocks(self) -> None:
        """Say once that our clock is wrong, or MongoDB's: it stamps every event."""
        ahead = self._table.server_ahead_seconds
        is_wrong, self._is_clock_wrong = self._is_clock_wrong, abs(ahead) > _CLOCK_SECONDS
        if self._is_clock_wrong and not is_wrong:
            log.warning("clock.differs", seconds=round(abs(ahead)))

    def _lasted(self, began: float) -> float:
        return self._clock.monotonic() - began

    def _exchange(
        self, holders: Mapping[str, AccountLease], leaving: Iterable[AccountLease], began: float
    ) -> Mapping[str, FoundLease]:
        """Tell MongoDB what is to be told of these leases, and return how they stand."""
        if not holders and not leaving:
            return {}
        renewed = [name for name, lease in holders.items() if lease.standing is not Standing.THEIRS]
        ours = {name: lease for name, lease in holders.items() if lease.standing is Standing.OURS}
        notes = {name: self._build_note(lease) for name, lease in ours.items()}
        news = {name: note for name, note in notes.items() if note and note != ours[name].noted}
        self._table.write(
            renewed,
            news,
            {lease.name: self._build_note(lease) for lease in leaving if lease.name not in holders},
        )
        found = self._table.read(holders) if holders else {}
        takes = [found[name] for name, lease in holders.items() if self._may_take(lease, found[name], began)]
        if takes:
            self._table.take(takes)
            found |= self._table.read([lease.name for lease in takes])
        return found

    def _build_note(self, lease: AccountLease) -> Note:
        if lease.token is not None and lease.heard_at is None:
            # nothing heard yet: what is missing is missing since the former owner, else since now
            lease.heard_at = lease.noted.get("heard_at") or self._clock.now()
        note: dict[str, Any] = {} if lease.token is None else {"token": lease.token}
        if (heard_at := lease.heard_at) is not None:
            # MongoDB keeps milliseconds, and what it gave back is compared with this
            note["heard_at"] = heard_at.replace(microsecond=heard_at.microsecond // 1000 * 1000)
        return note

    def _may_take(self, lease: AccountLease, found: FoundLease, began: float) -> bool:
        if found.owner == self._owner:
            lease.watch.forget()
            return False
        lease.watch.see((found.owner, found.expires_at), began)
        return found.owner is None or lease.watch.is_dead

    def _on_failure(self, leases: Iterable[AccountLease], error: StoreError, *, is_held_up: bool) -> None:
        log.debug("leases could not be renewed", error=str(error))
        for lease in leases:
            lease.watch.forget()
        if isinstance(error, StoreUnavailable) and not is_held_up:  # else it was us who stood still
            self._away_until = self._clock.monotonic() + _AWAY_SECONDS

    def _settle(self, lease: AccountLease, found: FoundLease, began: float) -> None:
        """Note how a lease stands after a round, unless it was given back meanwhile."""
        with self._members:
            if lease not in self._leases:
                return
            was = lease.standing
            if found.owner == self._owner:
                self._settle_ours(lease, found, began)
            elif was is not Standing.UNKNOWN or lease.token is None or lease.watch.is_renewed:
                lease.owner = found.holder or (None if found.owner is None else str(found.owner))
                if was is not Standing.THEIRS:
                    lease.forget()
                lease.standing = Standing.THEIRS
            # else a session that began without MongoDB goes on until it is known whether the owner lives
        if lease.standing is was:
            return
        lease.wakes.set()
        if lease.standing is Standing.THEIRS:
            log.warning("lease.theirs", host=lease.host, owner=lease.owner or "?")
        elif was is Standing.THEIRS:
            log.warning("lease.taken_over", host=lease.host)

    def _settle_ours(self, lease: AccountLease, found: FoundLease, began: float) -> None:
        if lease.standing is not Standing.OURS:
            lease.left, lease.left_heard = found.note, _find_moment(found, began)
        if lease.standing is Standing.THEIRS:
            lease.forget()
        lease.noted, lease.confirmed_at, lease.owner = found.note, began, None
        lease.holder_number = found.holder_number
        lease.standing = Standing.OURS


def _find_moment(found: FoundLease, asked: float) -> Moment | None:
    """Return when the former owner last heard the host: how long ago that was the server's clock tells."""
    heard_at = found.note.get("heard_at")
    if heard_at is None:
        return None
    return Moment(heard_at, asked - (math.inf if found.heard_seconds is None else found.heard_seconds))
