"""The leases on accounts, as one daemon keeps them beside another."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from lease_scene import ACCOUNT, HEARD_AT, ask, build_keeper, find
from pymongo import MongoClient, monitoring
from sites import wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import HeldElsewhere
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.session.leases import (
    AccountLease,
    LeaseKeeper,
    Standing,
    build_lease,
)
from ipecs_mw.store.server.connection import Store, open_unseen


def test_the_second_to_ask_is_told_who_has_the_account(store: Store) -> None:
    LeaseKeeper(store, "first", SystemClock(), threading.Event(), "machine:/state").add(
        AccountLease(ACCOUNT, "main"), threading.Event()
    )
    with pytest.raises(HeldElsewhere) as caught:
        ask(build_keeper(store, "second")).check()
    assert caught.value.facts["owner"] == "machine:/state"


@pytest.mark.parametrize("edited", ["unset", "many", -5, 2**60, 1.5])
def test_a_holder_number_that_somebody_has_edited_is_a_number_again(store: Store, edited: object) -> None:
    change = {"$unset": {"holder_number": 1}} if edited == "unset" else {"$set": {"holder_number": edited}}
    keeper = build_keeper(store, "first")
    lease = ask(keeper)
    keeper.remove(lease)
    store.database["leases"].update_one({"_id": ACCOUNT}, change)
    assert 0 <= ask(build_keeper(store, "second")).holder_number <= 1_000_000_000


def test_the_holders_of_an_account_are_numbered_in_their_order(store: Store) -> None:
    numbers = []
    for owner in ("first", "second", "first"):
        keeper = build_keeper(store, owner)
        lease = ask(keeper)
        numbers.append(lease.holder_number)
        lease.ask()  # to renew it changes nothing
        assert lease.holder_number == numbers[-1]
        keeper.remove(lease)
    assert numbers == [0, 1, 2]


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
    monkeypatch.setattr("ipecs_mw.service.session.leases._TURN_SECONDS", 0.0)
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
            watch = Stopwatch()
            for number in range(10):
                lease = AccountLease(f"account:{number}", "main")
                keeper.add(lease, threading.Event())
                assert lease.standing is Standing.UNKNOWN
                lease.publish("token")
                lease.confirm()
            assert watch.seconds < 3


@pytest.mark.parametrize(
    ("one", "other"),
    [("PBX.example", "pbx.example."), ("2001:db8::1", "2001:DB8:0:0::1"), ("192.0.2.1", "::ffff:192.0.2.1")],
)
def test_all_spellings_of_an_address_share_a_lease(one: str, other: str) -> None:
    names = {
        build_lease(HostSettings("main", address, "api", "secret", "UTC")).name for address in (one, other)
    }
    assert len(names) == 1


def test_the_token_is_in_the_lease_when_the_login_is_done_and_with_it_since_when_events_are_ours(
    store: Store,
) -> None:
    lease = ask(build_keeper(store, "first"))
    lease.publish("token-1")
    note = find(store)["note"]
    assert note["token"] == "token-1"
    assert abs((note["heard_at"] - SystemClock().now()).total_seconds()) < 5


def test_of_many_who_take_a_free_lease_at_the_same_moment_exactly_one_gets_it(store: Store) -> None:
    together = threading.Barrier(8, timeout=10)

    def take(number: int) -> bool:
        together.wait()
        return ask(build_keeper(store, f"owner-{number}")).standing is Standing.OURS

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(8))) == 1


@pytest.mark.parametrize("count", [1, 50])
def test_a_round_is_two_commands_however_many_leases_there_are(
    store: Store, mongo_uri: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    commands: list[str] = []

    class Counting(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            if event.command.get(event.command_name) == "leases":
                commands.append(event.command_name)

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

        def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    with MongoClient[dict[str, Any]](mongo_uri, event_listeners=[Counting()], tz_aware=True) as client:
        keeper = build_keeper(Store(client, client.get_database(store.database.name)), "first")
        leases = [AccountLease(f"account:{number}", f"host{number}") for number in range(count)]
        keeper._leases += leases
        keeper._go_round(5)
        assert commands == ["update", "find", "update", "find"], "those that are free are taken"
        for lease in leases:
            lease.token, lease.heard_at = f"token-of-{lease.name}", HEARD_AT
        commands.clear()
        keeper._go_round(5)
        keeper._go_round(5)
        assert commands == ["update", "find"] * 2
    assert {lease.standing for lease in leases} == {Standing.OURS}
    found = store.database["leases"].find()
    assert all(lease["note"]["token"] == f"token-of-{lease['_id']}" for lease in found)


def test_many_who_ask_at_the_same_moment_share_a_round(store: Store) -> None:
    keeper = build_keeper(store, "first")
    leases = [AccountLease(f"account:{number}", f"host{number}") for number in range(50)]
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda lease: keeper.add(lease, threading.Event()), leases))
    assert {lease.standing for lease in leases} == {Standing.OURS}
    assert keeper._rounds < 25


@pytest.mark.parametrize("note", ["text", 1, None, [1], {"token": 1, "heard_at": "yesterday"}])
def test_a_note_that_somebody_has_edited_to_nonsense_is_none(store: Store, note: object) -> None:
    store.database["leases"].insert_one({"_id": ACCOUNT, "note": note})
    lease = ask(build_keeper(store, "first"))
    assert (lease.standing, lease.left) == (Standing.OURS, {})


@pytest.mark.parametrize("owner", ["$owner", "$$NOW", "host.example:1"])
def test_an_owner_s_name_is_never_read_as_an_expression(store: Store, owner: str) -> None:
    assert ask(build_keeper(store, owner)).standing is Standing.OURS
    assert (find(store)["owner"], find(store)["holder"]) == (owner, owner)
    assert ask(build_keeper(store, "second")).standing is Standing.THEIRS
