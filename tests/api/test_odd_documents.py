"""What somebody wrote into MongoDB as nobody of ours would: it tells nothing, and holds up nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest
from api_scene import Served
from following_scene import names, put_call, wait_open
from odd_documents import ODD
from sites import wait_until
from stream_clients import following, make_token

from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("collection", "document"), ODD, ids=[f"{name} {doc['_id']}" for name, doc in ODD])
def test_a_document_that_is_none_of_ours_holds_up_no_stream(
    site: Served, store: Store, collection: str, document: dict[str, Any]
) -> None:
    token = make_token(store)
    topics = "alarms,calls,state,missed,figures,reports,requests"
    with following(site.port, token, topics=topics, snapshot="true") as follower:
        wait_open(follower)
        store.database[collection].insert_one(document)
        put_call(store, "good", is_open=True, began_at=NOW)
        wait_until(lambda: "call.began" in names(follower))
        follower.drop()
        put_call(store, "better", is_open=True, began_at=NOW)
        wait_until(lambda: names(follower).count("call.began") >= 2)
    with following(site.port, token, topics=topics, snapshot="true") as late:
        wait_open(late)
        if collection == "live":
            store.database["live"].delete_one({"_id": document["_id"]})
        put_call(store, "best", is_open=True, began_at=NOW)
        wait_until(lambda: "call.began" in names(late))


def test_lists_show_such_documents_page_by_page(site: Served, store: Store) -> None:
    token = make_token(store)
    for collection, document in ODD:
        store.database[collection].insert_one(dict(document))
    put_call(store, "good", is_open=True, began_at=NOW)
    for path in (
        "calls",
        "missed?state=all",
        "events",
        "stations",
        "agents",
        "queues",
        "status",
        "figures/queues",
    ):
        assert site.get(path, token).status_code == 200, path
    found, link = [], "calls?limit=1"
    while link:
        page = site.get(link, token).json()
        found += [each["id"] for each in page["items"]]
        link = f"calls?limit=1&cursor={page['next']}" if page["next"] else ""
    assert "main:good" in found
    assert len(found) == len(set(map(str, found)))
