"""The heartbeat: what instances gets, and when systemd is told that all is well."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.service.health.heartbeat import Heartbeat
from ipecs_mw.store.server.connection import Store

DEAD: list[str] = []


@pytest.fixture
def told(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of systemd, beside a heartbeat that turns; `DEAD` are its dead threads."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setattr("ipecs_mw.service.health.heartbeat._EVERY_SECONDS", 0.01)
    has_store = threading.Event()
    has_store.set()

    def describe(state: str) -> dict[str, Any]:
        return {"state": state, "nothing": None}

    heartbeat = Heartbeat(store, "one", describe, lambda: DEAD, lambda _: "summary", has_store, SystemClock())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        thread = threading.Thread(target=heartbeat.run, daemon=True)
        thread.start()
        yield listener
        DEAD.clear()
        heartbeat.end()
        thread.join(30)
    saved = store.database["instances"].find_one({"_id": "one"}) or {}
    assert (saved["state"], "nothing" in saved) == ("stopped", False)


def test_the_watchdog_is_fed_only_while_every_thread_lives(told: socket.socket) -> None:
    assert told.recv(1000) == b"STATUS=summary\nWATCHDOG=1"
    DEAD.append("forward-main")
    wait_until(lambda: told.recv(1000) == b"STATUS=summary", 30)
    assert {told.recv(1000) for _ in range(5)} == {b"STATUS=summary"}
