"""A lease belongs to one owner until it gives it back or dies, by the server's clock."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ipecs_mw.store.coordination.leases import acquire_lease, release_lease
from ipecs_mw.store.server.connection import Store


def run_out(store: Store, name: str) -> None:
    """Make a lease one that ran out, as the server's clock sees it."""
    store.database["leases"].update_one(
        {"_id": name}, [{"$set": {"expires_at": {"$subtract": ["$$NOW", 1]}}}]
    )


def test_a_lease_goes_to_who_asks_first_and_to_nobody_else(store: Store) -> None:
    assert acquire_lease(store, "main", "first", 60)
    assert not acquire_lease(store, "main", "second", 60)


def test_leases_of_different_names_do_not_meet(store: Store) -> None:
    assert acquire_lease(store, "one", "first", 60)
    assert acquire_lease(store, "two", "second", 60)


def test_its_owner_renews_a_lease_by_acquiring_it_again(store: Store) -> None:
    acquire_lease(store, "main", "first", 10)
    before = (store.database["leases"].find_one() or {})["expires_at"]
    assert acquire_lease(store, "main", "first", 60)
    after = (store.database["leases"].find_one() or {})["expires_at"]
    assert 45 < (after - before).total_seconds() < 60


def test_who_is_refused_leaves_the_lease_as_it_was(store: Store) -> None:
    acquire_lease(store, "main", "first", 10)
    before = store.database["leases"].find_one()
    acquire_lease(store, "main", "second", 60)
    assert store.database["leases"].find_one() == before


def test_a_dead_owners_lease_is_taken_over_once_it_ran_out(store: Store) -> None:
    acquire_lease(store, "main", "dead", 60)
    run_out(store, "main")
    assert acquire_lease(store, "main", "next", 60)
    assert not acquire_lease(store, "main", "dead", 60)


def test_a_released_lease_is_free_at_once(store: Store) -> None:
    acquire_lease(store, "main", "first", 60)
    release_lease(store, "main", "first")
    assert acquire_lease(store, "main", "second", 60)


def test_only_its_owner_can_give_a_lease_back(store: Store) -> None:
    acquire_lease(store, "main", "first", 60)
    release_lease(store, "main", "second")
    assert not acquire_lease(store, "main", "second", 60)


@pytest.mark.parametrize("owner", ["$owner", "$$NOW", "host.example:1"])
def test_an_owners_name_is_never_read_as_an_expression(store: Store, owner: str) -> None:
    assert acquire_lease(store, "main", "first", 60)
    assert not acquire_lease(store, "main", owner, 60)
    run_out(store, "main")
    assert acquire_lease(store, "main", owner, 60)
    assert (store.database["leases"].find_one() or {})["owner"] == owner


@pytest.mark.parametrize("state", ["new", "run out"])
def test_of_many_who_ask_at_the_same_moment_exactly_one_gets_it(store: Store, state: str) -> None:
    if state == "run out":
        acquire_lease(store, "main", "dead", 60)
        run_out(store, "main")
    together = threading.Barrier(8, timeout=10)

    def ask(number: int) -> bool:
        together.wait()
        return acquire_lease(store, "main", f"owner-{number}", 60)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(8))) == 1
