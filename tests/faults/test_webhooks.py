"""Daemons that are killed or frozen while they send webhooks, and receivers that fail."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from faults.recording import Rounds
from hook_receiver import Receiver, Said, Told, serve_hooks
from hook_scene import build_call
from sites import Site, kill, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import read_json
from ipecs_mw.store.applications.webhooks import add_webhook
from ipecs_mw.store.configuration.settings import save_settings

_UP_SECONDS = 60.0


@pytest.fixture
def receiver(site: Site) -> Iterator[Receiver]:
    content = read_json("config.json")
    content["hosts"] = []
    content["webhooks"] = {"allow_private": True, "timeout_seconds": 5}
    save_settings(site.store, "default", content, "test", at=SystemClock().now())
    with serve_hooks() as served:
        fields = {"url": served.url, "topics": ["calls"]}
        add_webhook(site.store, "crm", fields, by="test", now=SystemClock().now())
        yield served
        site.stop()


def await_sender(site: Site) -> None:
    positions = site.store.database["webhook_positions"]
    wait_until(lambda: positions.count_documents({"webhook": "crm", "collection": "calls"}), _UP_SECONDS)


def count(site: Site, **query: str) -> int:
    return site.store.database["deliveries"].count_documents(query)


@pytest.mark.fault(61, few=2, many=20)
def test_a_sender_killed_before_it_notes_a_delivery_sends_it_again_as_it_was(
    site: Site, receiver: Receiver, rounds: Rounds
) -> None:
    site.start()
    await_sender(site)
    for number in rounds:
        is_killed, came = threading.Event(), threading.Event()

        def hold(_: Told, is_killed: threading.Event = is_killed, came: threading.Event = came) -> Said:
            came.set()
            is_killed.wait(30)  # it has the message, and its answer never comes
            return Said()

        receiver.answer = hold
        site.store.database["calls"].insert_one(build_call(str(number)))
        assert came.wait(30)
        kill(site.processes[-1])
        is_killed.set()
        receiver.answer = lambda _: Said()
        site.start()
        wait_until(
            lambda number=number: count(site, state="delivered", call=f"main:{number}") == 1, _UP_SECONDS
        )
    told = {(each.headers["webhook-id"], each.body) for each in receiver.told}
    calls = Counter(each.json["data"]["id"] for each in receiver.told)
    assert len(told) == len(calls)
    assert min(calls.values()) > 1


@pytest.mark.fault(61, few=1, many=5)
def test_a_frozen_sender_is_replaced_within_15_s_and_tells_nothing_twice_when_it_wakes(
    site: Site, receiver: Receiver
) -> None:
    first = site.start()
    await_sender(site)
    other = site.beside(site.folder / "other")
    other.start()
    try:
        site.store.database["calls"].insert_one(build_call("before"))
        receiver.wait(1, _UP_SECONDS)
        wait_until(lambda: count(site, state="delivered") == 1, _UP_SECONDS)
        first.send_signal(signal.SIGSTOP)
        try:
            for number in range(50):
                site.store.database["calls"].insert_one(build_call(str(number)))
            receiver.wait(51, _UP_SECONDS)
        finally:
            first.send_signal(signal.SIGCONT)
        site.store.database["calls"].insert_one(build_call("after"))
        receiver.wait(52, _UP_SECONDS)
        wait_until(lambda: count(site, state="waiting") == 0, _UP_SECONDS)
        assert len({each.headers["webhook-id"] for each in receiver.told}) == len(receiver.told) == 52
    finally:
        other.stop()


@pytest.mark.fault(60, few=1, many=5)
def test_what_is_set_aside_is_replayed_on_demand(site: Site, receiver: Receiver) -> None:
    site.start()
    await_sender(site)
    receiver.answer = lambda _: Said(500)
    site.store.database["calls"].insert_one(build_call("1"))
    receiver.wait(1, _UP_SECONDS)
    deliveries = site.store.database["deliveries"]
    wait_until(lambda: deliveries.count_documents({"tries": 1}), _UP_SECONDS)
    deliveries.update_many({}, {"$set": {"tries": 9, "next_at": SystemClock().now()}})
    wait_until(lambda: count(site, state="set_aside") == 1, _UP_SECONDS)
    receiver.answer = lambda _: Said()
    assert site.run("webhook", "replay", "crm").returncode == 0
    wait_until(lambda: count(site, state="delivered") == 1, _UP_SECONDS)
    assert len({each.headers["webhook-id"] for each in receiver.told}) == 1
