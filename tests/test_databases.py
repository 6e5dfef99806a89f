"""What the tests' own databases promise: whatever a test leaves behind, the next one finds a database as new."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from databases import Pool, Ready
from pymongo import MongoClient
from pymongo.database import Database
from sites import make_ready

from ipecs_mw.store.schema.examination import STORED
from ipecs_mw.store.server.embedded import Embedded

Data = Database[dict[str, Any]]

# what can be put back, and what is left to another database
LEFT: dict[str, tuple[Callable[[Data], object], bool]] = {
    "nothing": (lambda _: None, True),
    "documents": (lambda data: data["events"].insert_many([{"_id": "a"}, {"_id": "b"}]), True),
    "a command that was changed": (lambda data: data["commands"].update_one({}, {"$set": {"path": "/"}}), True),
    "one text of thousands": (lambda data: data["languages"].update_one({}, {"$set": {"text": "x"}}), False),
    "codes that were deleted": (lambda data: data["codes"].delete_many({}), True),
    "another collection": (lambda data: data["mine"].insert_one({}), True),
    "another index": (lambda data: data["events"].create_index("mine", expireAfterSeconds=1), True),
    "an index fewer": (lambda data: data["events"].drop_index("newest"), True),
    "an index made otherwise": (
        lambda data: (data["events"].drop_index("newest"), data["events"].create_index("x", name="newest")), True
    ),
    "a collection fewer": (lambda data: data["events"].drop(), False),
    "a collection made anew": (lambda data: (data["leases"].drop(), data.create_collection("leases")), False),
    "another validator": (lambda data: data.command("collMod", "config", validator={}), False),
    "more than can be deleted soon": (lambda data: data["events"].insert_many([{} for _ in range(1001)]), False),
    "a role": (lambda data: data.command("createRole", "mine", privileges=[], roles=[]), False),
    "a user": (lambda data: data.command("createUser", "mine", pwd="x", roles=[]), False),
    "no database": (lambda data: data.client.drop_database(data.name), False),
}  # fmt: skip


@pytest.fixture
def client(mongo: Embedded) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo.uri) as opened:
        yield opened


def look_at(data: Data) -> list[Any]:
    names = sorted(data.list_collection_names(filter=STORED))
    documents = [list(data[name].find(sort=[("_id", 1)])) for name in names]
    return [names, documents, [data[name].index_information() for name in names]]


@pytest.mark.parametrize("what", LEFT)
def test_what_a_test_left_is_put_back_or_the_database_is_another(
    client: MongoClient[dict[str, Any]], seeded: Any, what: str
) -> None:
    data = client[seeded.database.name]
    ready = Ready(data)
    before = look_at(data)
    leave, can_be_restored = LEFT[what]
    leave(data)
    assert ready.restore() is can_be_restored
    if can_be_restored:
        assert look_at(data) == before
    data.command("dropAllUsersFromDatabase")
    data.command("dropAllRolesFromDatabase")


def test_a_database_rests_before_another_test_has_it_and_one_that_is_spoilt_is_dropped(
    client: MongoClient[dict[str, Any]], mongo: Embedded
) -> None:
    pool = Pool(client, mongo.access.make_uri, make_ready)
    first, second, third = pool.take(), pool.take(), pool.take()
    for ready in (first, second, third):
        pool.give_back(ready)
    assert pool.take().name == first.name
    pool.give_back(first)
    client[second.name]["events"].drop()
    fourth = pool.take()
    assert fourth.name not in {first.name, second.name, third.name}
    assert second.name not in client.list_database_names()
    for ready in (first, third, fourth):
        client.drop_database(ready.name)
