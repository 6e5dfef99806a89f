"""Clients that follow while the primary of MongoDB is killed: nothing missing, nothing twice."""

from pathlib import Path

import pytest
from api_scene import served
from faults.servers import ReplicaSet
from following_scene import numbers, put_event, wait_open
from pymongo.errors import PyMongoError
from sites import wait_until
from stream_clients import following, make_token

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store, connect

_UP_SECONDS = 60.0


def put_until_stored(store: Store, number: int) -> bool:
    """Store an event; one that was stored although its reply was lost is not stored again."""
    try:
        if store.database["events"].find_one({"_id": f"main:{number:06d}"}) is None:
            put_event(store, number)
    except PyMongoError:  # whatever an election brings is tried again
        return False
    return True


@pytest.mark.fault(57)
def test_an_election_costs_no_client_anything(three: ReplicaSet, tmp_path: Path) -> None:
    uri = three.make_uri("streams")
    wait_until(three.find_primary, _UP_SECONDS)
    store = connect(Bootstrap(path=tmp_path / "b.json", mongo_uri=uri), SystemClock())
    try:
        migrate(store, SystemClock())
        put_right(store, SystemClock())
        store.database["config"].insert_one({"_id": "default", "revision": 1, "hosts": []})
        token = make_token(store)
        with (
            served(store, tmp_path / "serve", uri=uri) as process,
            following(process.port, token, topics="events", snapshot="true") as follower,
        ):
            wait_open(follower)
            for number in range(1, 200):
                wait_until(lambda number=number: put_until_stored(store, number), _UP_SECONDS)
                if number == 100:
                    primary = wait_until(three.find_primary, _UP_SECONDS)
                    primary.kill()
            wait_until(lambda: 199 in numbers(follower), _UP_SECONDS)
            assert numbers(follower) == list(range(1, 200))
            primary.start()
    finally:
        store.close()
