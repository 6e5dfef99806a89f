"""How a stream ends: with its token, and for who does not read."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from api_scene import Served
from following_scene import numbers, put_event, wait_open
from server_failures import failing
from sites import wait_until
from stream_clients import following, make_token

from ipecs_mw.store.applications.tokens import revoke_token
from ipecs_mw.store.server.connection import Store


@pytest.mark.fault(59)
def test_a_stream_ends_within_two_seconds_of_its_token(site: Served, store: Store) -> None:
    revoked, narrowed, expiring, kept = (
        make_token(store, name) for name in ("revoked", "narrowed", "expiring", "kept")
    )
    with ExitStack() as stack:
        followers = [
            stack.enter_context(following(site.port, token, topics="calls", snapshot="true", is_once=True))
            for token in (revoked, narrowed, expiring, kept)
        ]
        wait_open(*followers)
        revoke_token(store, "revoked", at=datetime.now(UTC), by="test")
        store.database["tokens"].update_one({"_id": "narrowed"}, {"$set": {"stations": ["1001"]}})
        store.database["tokens"].update_one({"_id": "expiring"}, {"$set": {"expires_at": datetime.now(UTC)}})
        wait_until(lambda: not any(each.is_open for each in followers[:3]), 4.0)
        assert followers[3].is_open
    assert [each.frames[-1].data["reason"] for each in followers[:3]] == [
        "token_revoked",
        "token_changed",
        "token_revoked",
    ]
    assert site.get("calls", revoked).status_code == 401
    assert site.get("calls", kept).status_code == 200


@pytest.mark.fault(59)
def test_a_token_that_is_revoked_ends_its_stream_also_while_others_ask_what_takes_long(
    site: Served, store: Store
) -> None:
    asking, revoked = make_token(store, "asking"), make_token(store, "revoked")
    with following(site.port, revoked, topics="events", is_once=True) as follower, ExitStack() as stack:
        wait_open(follower)
        admin = store.client.admin
        slow = failing(store, "calls", "find", times=10, blockConnection=True, blockTimeMS=12_000)
        before = stack.enter_context(slow)
        askers = stack.enter_context(ThreadPoolExecutor(10))
        answers = [askers.submit(site.get, "calls", asking) for _ in range(10)]
        admin.command("waitForFailPoint", "failCommand", timesEntered=before + 6, maxTimeMS=20_000)
        revoke_token(store, "revoked", at=datetime.now(UTC), by="test")
        wait_until(
            lambda: not follower.is_open, 6.0
        )  # two seconds, on a busy machine more; the questions take longer
        assert not all(each.done() for each in answers)


@pytest.mark.fault(58)
def test_who_reads_nothing_is_closed_and_the_others_are_served(site: Served, store: Store) -> None:
    token = make_token(store)
    request = f"GET /api/v1/stream?topics=events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    with following(site.port, token, topics="events", snapshot="true") as other, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", site.port))
        deaf.sendall(request.encode())
        wait_open(other)
        for number in range(1, 1501):
            put_event(store, number, data={"x": "y" * 6000})
        wait_until(lambda: 1500 in numbers(other), 60)
        assert numbers(other) == list(range(1, 1501))
        wait_until(lambda: "api.stream_closed" in site.logged(), 30)
    assert "too_slow" in site.logged()
