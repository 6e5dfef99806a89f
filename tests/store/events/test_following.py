"""Who follows the event log goes on following, whatever happens to the collection."""

import itertools
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreError
from ipecs_mw.store.events.event_query import Filter, follow_events
from ipecs_mw.store.server.connection import Store

SECONDS = 30.0


class Follower:
    """Follows the events of the host `main` in a thread of its own, which ends with the process."""

    def __init__(self, store: Store) -> None:
        self._events = store.database["events"]
        self._numbers = itertools.count()
        self._found: queue.Queue[str] = queue.Queue()
        self._store = store
        threading.Thread(target=self._follow, daemon=True).start()
        wait_until(self._is_following, SECONDS)

    def _follow(self) -> None:
        with suppress(StoreError):  # what ends it too early shows by what never comes
            for event in follow_events(self._store, Filter(host="main"), SystemClock()):
                self._found.put(event["_id"])

    def _is_following(self) -> bool:
        self.insert(f"try {next(self._numbers)}")
        try:
            return bool(self._found.get(timeout=1))
        except queue.Empty:
            return False

    def insert(self, event_id: str, host: str = "main") -> None:
        self._events.insert_one({"_id": event_id, "host": host, "received_at": SystemClock().now()})

    def read_until(self, event_id: str) -> list[str]:
        """Return what came up to this one, without the tries of the beginning."""
        found: list[str] = []
        while event_id not in found:
            found.append(self._found.get(timeout=SECONDS))
        return [one for one in found if not one.startswith("try")]


def drop_database(store: Store) -> None:
    store.client.drop_database(store.database.name)


def restore(store: Store) -> None:
    """Put a copy in its place, as who restores beside and renames does."""
    store.database["copy"].insert_one({"_id": "of a backup", "host": "main"})
    store.database["copy"].rename("events", dropTarget=True)


CHANGES: dict[str, Callable[[Store], Any]] = {
    "dropped": lambda store: store.database["events"].drop(),
    "renamed": lambda store: store.database["events"].rename("former", dropTarget=True),
    "restored": restore,
    "the whole database dropped": drop_database,
}


@pytest.mark.parametrize("change", CHANGES)
def test_following_goes_on_over_a_collection_that_goes_away_and_misses_nothing(
    store: Store, change: str
) -> None:
    follower = Follower(store)
    follower.insert("before")
    for number in range(2):
        CHANGES[change](store)
        follower.insert(f"other {number}", host="branch")
        follower.insert(f"at once {number}")
    assert follower.read_until("at once 1") == ["before", "at once 0", "at once 1"]


def test_following_by_polling_goes_on_too(standalone_store: Store) -> None:
    follower = Follower(standalone_store)
    standalone_store.database["events"].drop()
    follower.insert("afterwards")
    assert follower.read_until("afterwards") == ["afterwards"]
