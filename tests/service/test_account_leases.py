"""The leases on accounts, as one daemon keeps them beside another."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import HeldElsewhere
from ipecs_mw.service.leases import AccountLease, LeaseKeeper, Standing
from ipecs_mw.store.connection import Store, open_unseen

ACCOUNT = "account:apiuser@192.0.2.1:8743"


def build_keeper(store: Store, owner: str) -> LeaseKeeper:
    return LeaseKeeper(store, owner, SystemClock(), threading.Event())


def ask(keeper: LeaseKeeper, host: str = "main") -> AccountLease:
    lease = AccountLease(ACCOUNT, host)
    keeper.add(lease, threading.Event())
    return lease


def test_the_second_to_ask_is_told_who_has_the_account(store: Store) -> None:
    ask(build_keeper(store, "first")).check()
    with pytest.raises(HeldElsewhere) as caught:
        ask(build_keeper(store, "second")).check()
    assert caught.value.facts["owner"] == "first"


def test_an_account_that_moves_to_another_host_of_ours_stays_ours(store: Store) -> None:
    keeper = build_keeper(store, "first")
    former = ask(keeper, "old")
    former.token = "token-of-the-old"
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(ask, keeper, "new")
        wait_until(lambda: len(keeper._leases) == 2)
        assert not moving.done(), "two hosts have one account"
        keeper.remove(former)
        present = moving.result(10)
    present.check()
    assert present.left == {"token": "token-of-the-old"}
    assert ask(build_keeper(store, "second")).standing is Standing.THEIRS


def test_a_host_whose_account_another_one_of_ours_keeps_is_told_which(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipecs_mw.service.leases._TURN_SECONDS", 0.0)
    keeper = build_keeper(store, "first")
    ask(keeper, "one").check()
    waiting = ask(keeper, "two")
    with pytest.raises(HeldElsewhere) as caught:
        waiting.check()
    assert caught.value.facts == {"host": "two", "other": "one"}


def test_however_many_leases_there_are_a_mongodb_that_hangs_is_waited_for_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/"
        with closing(open_unseen(uri, "test")) as away:
            keeper = build_keeper(away, "first")
            began = time.monotonic()
            for number in range(10):
                lease = AccountLease(f"account:{number}", "main")
                keeper.add(lease, threading.Event())
                assert lease.standing is Standing.UNKNOWN
            assert time.monotonic() - began < 3


def test_who_takes_over_finds_the_token_of_a_session_that_could_not_be_ended(store: Store) -> None:
    keeper = build_keeper(store, "first")
    lease = ask(keeper)
    lease.token, lease.heard_at = "token-of-the-first", SystemClock().now()
    keeper.remove(lease)
    taken = ask(build_keeper(store, "second"))
    assert taken.standing is Standing.OURS
    assert taken.left["token"] == "token-of-the-first"
