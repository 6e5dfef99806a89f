"""A database with webhooks, and daemons' senders of them in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import Settings, parse_settings
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.pipeline import open_intake
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.webhooks.sender import Sender
from ipecs_mw.store.applications.webhooks import add_webhook
from ipecs_mw.store.server.connection import Store

BEGAN_AT = SystemClock().now().replace(microsecond=0) - timedelta(minutes=5)


def build_settings(**webhooks: Any) -> Settings:
    content = read_json("config.json")
    content["numbers"] = {"country": "49"}
    content["webhooks"] = {"allow_private": True, "timeout_seconds": 3, **webhooks}
    return parse_settings(content, source="test")


class Scene:
    """Webhooks of a database; `start` has a daemon send for them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.clock = SystemClock()
        self.settings = build_settings()
        self._folder = folder
        self._running: list[tuple[Sender, threading.Event, threading.Thread]] = []

    def add(self, name: str, url: str, *, topics: tuple[str, ...] = ("calls",), **fields: Any) -> str:
        """Add a webhook; return its secret."""
        content = {"url": url, "topics": list(topics), **fields}
        return add_webhook(self.store, name, content, by="test", now=self.clock.now())[1]

    def start(self, owner: str = "one") -> Sender:
        folder = self._folder / f"{owner}-{len(self._running)}"
        folder.mkdir()
        stop = threading.Event()
        intake = open_intake("middleware", None, folder, self.clock)

        def read() -> Spoken:
            return Spoken(self.settings, shipped_texts("en-GB"))

        context = Context(
            self.store, "default", owner, read, lambda locked, _: locked, intake, self.clock, stop
        )
        sender = Sender(context)
        thread = threading.Thread(target=sender.run)
        thread.start()
        self._running.append((sender, stop, thread))
        return sender

    def start_ready(self, owner: str = "one") -> Sender:
        """Start a sender, and return when it follows for all webhooks that there are."""
        sender = self.start(owner)
        wait_until(lambda: sender.describe()["is_sender"])
        count = self.store.database["webhooks"].count_documents({"state": "active"})
        wait_until(lambda: len(self.store.database["webhook_positions"].distinct("webhook")) >= count)
        return sender

    def describe(self, sender: Sender, name: str) -> dict[str, Any]:
        """Return how a sender says that a webhook is; empty where it knows none of this name."""
        return next((each for each in sender.describe()["webhooks"] if each["name"] == name), {})

    def stop(self) -> None:
        for _, stop, _thread in self._running:
            stop.set()
        for *_, thread in self._running:
            thread.join(30)
            assert not thread.is_alive()
        self._running.clear()

    # calls as the reader of the event log writes them

    def begin(self, name: str = "1", **fields: Any) -> None:
        self.store.database["calls"].insert_one(build_call(name, **fields))

    def change(self, name: str = "1", **fields: Any) -> None:
        update = {"$set": {**fields, "updated_at": self.clock.now()}, "$inc": {"revision": 1}}
        self.store.database["calls"].update_one({"_id": f"main:{name}"}, update)

    def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        return list(self.store.database["deliveries"].find(query).sort("order"))


def build_call(name: str = "1", **fields: Any) -> dict[str, Any]:
    """Return the document of an incoming call that has just come."""
    return {
        "_id": f"main:{name}",
        "host": "main",
        "first": name,
        "is_open": True,
        "direction": "inbound",
        "began_at": BEGAN_AT,
        "caller": {"number": "0305550142", "name": "Meier"},
        "dialed": {"did": "0891234560", "group": "620"},
        "stations": [],
        "groups": ["620"],
        "segments": [],
        "numbers": ["+49305550142"],
        "seconds": {"talk": 0.0},
        "revision": 1,
        "updated_at": BEGAN_AT,
        **fields,
    }


def ring(*stations: str, group: str = "620") -> dict[str, Any]:
    """Return what changes when these phones ring."""
    segments = [
        {"kind": "ring", "station": station, "group": group, "from": BEGAN_AT} for station in stations
    ]
    return {"rang_at": BEGAN_AT + timedelta(seconds=1), "stations": list(stations), "segments": segments}


def answer(station: str, *others: str, agent: str = "") -> dict[str, Any]:
    """Return what changes when a station answers, and the others stop ringing."""
    at = BEGAN_AT + timedelta(seconds=5)
    rang = {"kind": "ring", "from": BEGAN_AT, "until": at}
    segments = [{**rang, "station": station, "result": "answered"}]
    segments += [{**rang, "station": each, "result": "answered_elsewhere"} for each in others]
    segments.append({"kind": "talk", "station": station, "from": at})
    by = {"station": station, "group": "620", **({"agent": agent} if agent else {})}
    return {"answered_at": at, "answered_by": by, "segments": segments}


def end(outcome: str = "answered", talk: float = 61.4) -> dict[str, Any]:
    """Return what changes when the call is over."""
    at = BEGAN_AT + timedelta(seconds=70)
    seconds = {"talk": talk, "total": 70.0}
    return {"is_open": False, "ended_at": at, "outcome": outcome, "seconds": seconds}


@contextmanager
def open_scene(store: Store, folder: Path) -> Iterator[Scene]:
    scene = Scene(store, folder)
    try:
        yield scene
    finally:
        scene.stop()
