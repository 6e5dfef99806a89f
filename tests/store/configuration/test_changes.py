"""The one change stream: what the daemon loads, requests as they are queued, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ipecs_mw.store.configuration.changes import Change, watch_changes
from ipecs_mw.store.configuration.setup import WATCHED
from ipecs_mw.store.coordination.requests import expire_request, submit_request
from ipecs_mw.store.server.connection import Store


@pytest.fixture
def changes(store: Store) -> Iterator[Iterator[Change | None]]:
    stream = watch_changes(store)
    assert next(stream) is None, "the stream is open"
    yield stream
    stream.close()  # type: ignore[attr-defined]


def submit(store: Store, host: str | None) -> object:
    now = datetime.now(UTC)
    return submit_request(
        store, "call.make", {}, host=host, by="test", created_at=now, expires_at=now + timedelta(minutes=1)
    )


@pytest.mark.parametrize("name", WATCHED)
def test_what_the_daemon_loads_is_told_when_it_comes_changes_and_goes(
    store: Store, changes: Iterator[Change | None], name: str
) -> None:
    documents = store.database[name]
    documents.insert_one({"_id": "x"})
    documents.update_one({"_id": "x"}, {"$set": {"y": 1}})
    documents.delete_one({"_id": "x"})
    assert [next(changes) for _ in range(3)] == [Change(is_request=False)] * 3


def test_a_request_is_told_with_its_host_when_it_is_queued_and_not_when_it_ends(
    store: Store, changes: Iterator[Change | None]
) -> None:
    expire_request(store, submit(store, "main"))
    submit(store, None)
    assert [next(changes) for _ in range(2)] == [
        Change(is_request=True, host="main"),
        Change(is_request=True),
    ]


def test_events_and_all_else_are_not_told(store: Store, changes: Iterator[Change | None]) -> None:
    for name in ("events", "instances", "leases"):
        store.database[name].insert_one({"host": "main"})
    store.database["requests"].insert_one({"host": {"$ne": 1}})
    assert next(changes) == Change(is_request=True, host=None, is_queued=False)
