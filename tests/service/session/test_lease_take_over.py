"""When an account goes over from one daemon to another: only from a dead one, and what is left to the heir."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lease_scene import ACCOUNT, HEARD_AT, ask, build_keeper, find
from sites import wait_until
from stopwatch import Stopwatch

from ipecs_mw import logs
from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import HeldElsewhere
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.gaps import Moment, bound_gap
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.service.session.leases import (
    LEASE_SECONDS,
    AccountLease,
    LeaseKeeper,
    Standing,
    Watch,
)
from ipecs_mw.store.server.connection import Store, connect


class Daemon:
    """A daemon as far as leases go: a connection of its own, a keeper, and its thread while it lives."""

    def __init__(self, uri: str, owner: str, folder: Path, clock: SystemClock | None = None) -> None:
        bootstrap = Bootstrap(path=folder / "bootstrap.json", mongo_uri=uri)
        self.store = connect(bootstrap, SystemClock())
        self.stop = threading.Event()
        self.keeper = LeaseKeeper(self.store, owner, clock or SystemClock(), self.stop)
        self.leases: list[AccountLease] = []
        self._thread: threading.Thread | None = None

    def ask_for(self, count: int = 1) -> None:
        """Ask for as many accounts, the same for every daemon, and keep them from then on."""
        for number in range(count):
            lease = AccountLease(f"account:{number}", f"host{number}")
            self.leases.append(lease)
            self.keeper.add(lease, self.stop)
        self._thread = start_thread("leases", self.keeper.run)

    def die(self) -> None:
        """Renew no more, and give nothing back."""
        self.stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def count(self, standing: Standing = Standing.OURS) -> int:
        return sum(lease.standing is standing for lease in self.leases)


class Frozen(SystemClock):
    """A clock that can have gone on while the process stood still."""

    def __init__(self) -> None:
        self.slept_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.slept_seconds


@pytest.fixture
def make(store: Store, mongo_uri: str, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons on the test's database, by their owners' names."""
    made: list[Daemon] = []

    def build(owner: str, clock: SystemClock | None = None) -> Daemon:
        made.append(Daemon(mongo_uri, owner, tmp_path, clock))
        return made[-1]

    yield build
    for daemon in made:
        daemon.die()
        daemon.store.close()


@contextmanager
def hung(store: Store) -> Iterator[None]:
    """Have mongod stand still while the block runs."""
    pid = int(store.client.admin.command("serverStatus")["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_who_takes_over_finds_the_token_of_a_session_that_could_not_be_ended(store: Store) -> None:
    keeper = build_keeper(store, "first")
    lease = ask(keeper)
    lease.token, lease.heard_at = "token-of-the-first", HEARD_AT
    keeper.remove(lease)
    taken = ask(build_keeper(store, "second"))
    assert taken.standing is Standing.OURS
    assert taken.left == {"token": "token-of-the-first", "heard_at": HEARD_AT}


class Ahead(SystemClock):
    """A clock that shows another time than that of the machine."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._seconds)


@pytest.mark.parametrize("first_ahead", [-7200, 0, 5, 7200])
@pytest.mark.parametrize("second_ahead", [-5, 0, 7200])
def test_the_gap_after_a_take_over_covers_what_was_lost_by_the_clocks_of_both(
    store: Store, first_ahead: float, second_ahead: float
) -> None:
    first, second = Ahead(first_ahead), Ahead(second_ahead)
    lease = AccountLease(ACCOUNT, "main")
    keeper = LeaseKeeper(store, "first", first, threading.Event())
    keeper.add(lease, threading.Event())
    lost = timedelta(seconds=10)
    lease.token, lease.heard_at = "token", first.now() - lost
    keeper._go_round(5)
    store.database["leases"].update_one({"_id": ACCOUNT}, {"$unset": {"owner": 1, "holder": 1}})
    taken = AccountLease(ACCOUNT, "main")
    LeaseKeeper(store, "second", second, threading.Event()).add(taken, threading.Event())
    assert taken.standing is Standing.OURS
    assert taken.left_heard is not None
    assert second.monotonic() - taken.left_heard.monotonic >= lost.total_seconds() - 0.5
    since, until = bound_gap(taken.find_heard(None), Moment.read(second))
    for ends_at in (lease.heard_at + lost, second.now()):
        assert since is None or since <= ends_at - lost + timedelta(seconds=1)
        assert until >= ends_at - timedelta(seconds=1)
    assert (since is None) is (first_ahead > second_ahead + 10)


@pytest.mark.parametrize(
    ("ahead", "is_told"), [(0, False), (-30, False), (120, True), (-86400 * 365 * 56, True)]
)
def test_a_clock_that_differs_from_mongodb_s_is_told_once(store: Store, ahead: float, is_told: bool) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    keeper = LeaseKeeper(store, "first", Ahead(ahead), threading.Event())
    keeper.add(AccountLease(ACCOUNT, "main"), threading.Event())
    for _ in range(3):
        keeper._go_round(5)
    assert output.getvalue().count("clock.differs") == is_told


@pytest.mark.parametrize(
    ("left", "own", "is_left"),
    [
        (Moment(HEARD_AT, 5.0), Moment(HEARD_AT + timedelta(hours=1), 4.0), True),
        (Moment(HEARD_AT + timedelta(hours=1), 4.0), Moment(HEARD_AT, 5.0), False),
        (Moment(HEARD_AT, 5.0), Moment(HEARD_AT + timedelta(seconds=2)), True),
        (Moment(HEARD_AT, 5.0), Moment(HEARD_AT + timedelta(minutes=2)), False),
        (Moment(HEARD_AT), Moment(HEARD_AT + timedelta(seconds=2)), False),
        (Moment(HEARD_AT), None, True),
    ],
)
def test_what_counts_is_who_heard_the_host_last_by_the_clock_that_can_tell(
    left: Moment, own: Moment | None, is_left: bool
) -> None:
    lease = AccountLease(ACCOUNT, "main", left_heard=left)
    assert lease.find_heard(own) is (left if is_left else own)


def test_a_login_after_a_take_over_leaves_since_when_the_dead_owner_had_heard_nothing(store: Store) -> None:
    store.database["leases"].insert_one({"_id": ACCOUNT, "note": {"token": "old", "heard_at": HEARD_AT}})
    lease = ask(build_keeper(store, "second"))
    assert find(store)["note"]["token"] == "old", "nothing of ours to leave yet"
    lease.publish("new")
    assert find(store)["note"] == {"token": "new", "heard_at": HEARD_AT}


@pytest.mark.parametrize("count", [1, 16])
def test_a_dead_owner_s_leases_are_taken_over_within_15_s_and_not_before_it_could_have_renewed_them(
    make: Callable[..., Daemon], count: int
) -> None:
    first, second = make("first"), make("second")
    first.ask_for(count)
    second.ask_for(count)
    assert (first.count(), second.count()) == (count, 0)
    for lease in first.leases:
        lease.publish("token-of-the-first")
    wait_until(lambda: not first._thread or second.leases[0].watch.mark)
    first.die()
    watch = Stopwatch()
    wait_until(lambda: second.count() == count, 15)
    assert watch.elapsed > LEASE_SECONDS - 2.5
    assert watch.seconds < 12
    assert {lease.left["token"] for lease in second.leases} == {"token-of-the-first"}
    assert all(lease.wakes.is_set() for lease in second.leases)


@pytest.mark.parametrize("count", [1, 8])
def test_a_mongodb_that_hangs_moves_no_account_of_a_living_owner(
    make: Callable[..., Daemon], store: Store, count: int
) -> None:
    first, second = make("first"), make("second")
    first.ask_for(count)
    second.ask_for(count)
    with hung(store):
        time.sleep(2 * LEASE_SECONDS)
    until = time.monotonic() + LEASE_SECONDS + 3
    while time.monotonic() < until:
        assert (first.count(), second.count()) == (count, 0)
        time.sleep(0.05)


def test_a_daemon_that_began_while_mongodb_hung_takes_nothing_from_a_living_owner(
    make: Callable[..., Daemon], store: Store
) -> None:
    first, second = make("first"), make("second")
    first.ask_for()
    with hung(store):
        time.sleep(LEASE_SECONDS + 1)
        second.ask_for()
        assert second.leases[0].standing is Standing.UNKNOWN
        second.leases[0].token = "of a session that the host has let in"
    wait_until(lambda: second.leases[0].standing is not Standing.UNKNOWN)
    assert (first.count(), second.count(Standing.THEIRS)) == (1, 1)


def test_a_write_that_mongodb_carries_out_late_takes_nothing(
    store: Store, make: Callable[..., Daemon]
) -> None:
    first, second = make("first"), make("second")
    first.ask_for()
    (seen,) = second.keeper._table.read(["account:0"]).values()
    wait_until(lambda: find(store, "account:0")["expires_at"] > seen.expires_at)
    second.keeper._table.take([seen])
    assert find(store, "account:0")["owner"] == "first"


def test_a_frozen_owner_that_wakes_asks_before_it_logs_in(make: Callable[..., Daemon], store: Store) -> None:
    clock = Frozen()
    first = make("first", clock)
    lease = AccountLease("account:0", "host0")
    first.keeper.add(lease, first.stop)
    lease.publish("token")
    store.database["leases"].update_one({"_id": "account:0"}, {"$set": {"owner": "second", "holder": "two"}})
    lease.confirm()
    assert lease.standing is Standing.OURS, "young enough to be believed"
    clock.slept_seconds = LEASE_SECONDS + 1
    with pytest.raises(HeldElsewhere):
        lease.confirm()
    assert (lease.token, lease.heard_at) == (None, None), "nothing of ours to leave any more"


def test_a_lease_that_was_given_back_in_the_middle_of_a_round_is_not_taken_back(
    make: Callable[..., Daemon], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make("first")
    lease = AccountLease(ACCOUNT, "main")
    first.keeper.add(lease, first.stop)
    table, began, may_go_on = first.keeper._table, threading.Event(), threading.Event()
    read = table.read

    def read_slowly(names: Any) -> Any:
        began.set()
        may_go_on.wait(10)
        return read(names)

    monkeypatch.setattr(table, "read", read_slowly)
    with ThreadPoolExecutor(2) as pool:
        going_round = pool.submit(lease.ask)
        assert began.wait(10)
        giving_back = pool.submit(first.keeper.remove, lease)
        wait_until(lambda: not first.keeper._leases)
        may_go_on.set()
        going_round.result(10)
        giving_back.result(10)
    first.keeper._go_round(5)
    assert "owner" not in find(store)
    assert ask(build_keeper(store, "second")).standing is Standing.OURS


def test_a_lease_of_the_former_form_is_taken_once_its_owner_is_dead(
    make: Callable[..., Daemon], store: Store
) -> None:
    store.database["leases"].insert_one(
        {
            "_id": "account:0",
            "owner": "machine:/var/lib/ipecs-mw",
            "expires_at": HEARD_AT,
            "note": {"token": "old", "heard_at": HEARD_AT},
            "former_note": {},
        }
    )
    second = make("second")
    second.ask_for()
    assert second.leases[0].owner == "machine:/var/lib/ipecs-mw"
    wait_until(lambda: second.count() == 1, 12)
    assert second.leases[0].left == {"token": "old", "heard_at": HEARD_AT}


def test_reads_far_apart_prove_no_death() -> None:
    watch = Watch()
    watch.see(("first", 1), 100.0)
    watch.see(("first", 1), 160.0)
    assert not watch.is_dead, "who read nothing for a minute may have been frozen together with the owner"
    for at in (162.0, 164.0, 166.9):
        watch.see(("first", 1), at)
        assert not watch.is_dead
    watch.see(("first", 1), 167.0)
    assert watch.is_dead


def test_a_renewal_and_an_outage_begin_the_watch_anew() -> None:
    watch = Watch()
    for at in (100.0, 103.0, 106.0):
        watch.see(("first", 1), at)
    watch.see(("first", 2), 108.0)
    assert (watch.is_renewed, watch.is_dead) == (True, False)
    watch.see(("first", 2), 112.0)
    watch.forget()
    watch.see(("first", 2), 116.0)
    assert not watch.is_dead
