"""The leases on accounts, as one daemon keeps them beside another."""

import threading

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import HeldElsewhere
from ipecs_mw.service.leases import AccountLease, LeaseKeeper, Standing
from ipecs_mw.store.connection import Store

ACCOUNT = "account:apiuser@192.0.2.1:8743"


def build_keeper(store: Store, owner: str) -> LeaseKeeper:
    return LeaseKeeper(store, owner, SystemClock(), threading.Event())


def ask(keeper: LeaseKeeper, host: str = "main") -> AccountLease:
    lease = AccountLease(ACCOUNT, host)
    keeper.add(lease)
    return lease


def test_the_second_to_ask_is_told_who_has_the_account(store: Store) -> None:
    ask(build_keeper(store, "first")).check()
    with pytest.raises(HeldElsewhere) as caught:
        ask(build_keeper(store, "second")).check()
    assert caught.value.facts["owner"] == "first"


def test_an_account_that_moved_to_another_host_of_ours_stays_ours(store: Store) -> None:
    keeper = build_keeper(store, "first")
    former, present = ask(keeper, "old"), ask(keeper, "new")
    keeper.remove(former)
    assert present.standing is Standing.OURS
    assert ask(build_keeper(store, "second")).standing is Standing.THEIRS


def test_who_takes_over_finds_the_token_of_a_session_that_could_not_be_ended(store: Store) -> None:
    keeper = build_keeper(store, "first")
    lease = ask(keeper)
    lease.token, lease.heard_at = "token-of-the-first", SystemClock().now()
    keeper.remove(lease)
    taken = ask(build_keeper(store, "second"))
    assert taken.standing is Standing.OURS
    assert taken.left["token"] == "token-of-the-first"
