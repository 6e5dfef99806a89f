"""Webhooks: how many deliveries a second reach a receiver on this machine, each durable before it is sent."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rates import running_daemon
from rows import Row
from scene import Scene, wait_until

from ipecs_mw.messages.formats.requests import STANDARD, Target, Told, build_request
from ipecs_mw.messages.formats.signing import decode_secret
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.store.applications.webhooks import add_webhook, make_secret
from ipecs_mw.store.configuration.settings import load_present, save_settings
from ipecs_mw.store.server.embedded import Embedded

_GOAL = 300.0
_BATCH = 50
_TIME_SECONDS = 600.0


class _Counting(ThreadingHTTPServer):
    """A receiver that takes everything; `ids` are those of the deliveries that came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.ids: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that is killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Counting

    def do_POST(self) -> None:
        """Take a delivery."""
        self.rfile.read(int(self.headers["content-length"]))
        self.server.ids.add(self.headers["webhook-id"])
        self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _receiving() -> Iterator[_Counting]:
    with _Counting() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def measure_webhooks(mongo: Embedded, folder: Path, deliveries: int) -> list[Row]:
    """Return the row of deliveries a second, from the first change to the last request."""
    with running_daemon(mongo, folder) as (scene, _), _receiving() as receiver:
        ours = _measure(scene, receiver, deliveries)
        plain = _measure_plain(scene, receiver, deliveries)
    name = "webhook deliveries a second, each durable before it is sent"
    plain_name = "a change stream and one connection, nothing kept"
    return [Row("webhooks", name, ours, "/s", plain_name, plain, goal=_GOAL, is_absolute=True)]


def _measure(scene: Scene, receiver: _Counting, deliveries: int) -> float:
    now = datetime.now(UTC)
    present = load_present(scene.store, "default")
    content = {name: value for name, value in present.items() if name in ("hosts", "locale")}
    save_settings(
        scene.store, "default", content | {"webhooks": {"allow_private": True}}, "benchmark", at=now
    )
    fields = {"url": f"http://127.0.0.1:{receiver.server_port}/", "topics": ["calls"]}
    add_webhook(scene.store, "bench", fields, by="benchmark", now=now)
    positions = scene.store.database["webhook_positions"]
    wait_until(lambda: positions.count_documents({"webhook": "bench", "collection": "calls"}), 30)
    began = time.monotonic()
    _insert(scene, "ours", deliveries)
    wait_until(lambda: len(receiver.ids) >= deliveries, _TIME_SECONDS)
    return deliveries / (time.monotonic() - began)


def _measure_plain(scene: Scene, receiver: _Counting, deliveries: int) -> float:
    """Return the same for a script that posts what it hears and forgets it when it ends."""
    scene.store.database["webhooks"].delete_many({})
    target = Target("/", STANDARD, {}, [decode_secret(make_secret()) or b""], NumberSettings())
    connection = http.client.HTTPConnection("127.0.0.1", receiver.server_port)
    with scene.store.database["calls"].watch() as stream:
        began = time.monotonic()
        writer = threading.Thread(target=_insert, args=(scene, "plain", deliveries))
        writer.start()
        for _ in range(deliveries):
            call = stream.next()["fullDocument"]
            told = Told(str(call["_id"]), "call.began", datetime.now(UTC), "main", call)
            request = build_request(target, told, {}, int(time.time()))
            connection.request("POST", "/", request.body, dict(request.headers))
            connection.getresponse().read()
        seconds = time.monotonic() - began
        writer.join()
    connection.close()
    return deliveries / seconds


def _insert(scene: Scene, name: str, count: int) -> None:
    """Insert calls as the reader of the event log does when they begin."""
    now = datetime.now(UTC)
    call = {
        "host": "main",
        "is_open": True,
        "direction": "inbound",
        "began_at": now,
        "caller": {"number": "+49305550142", "name": "Meier"},
        "dialed": {"did": "0891234560", "group": "620"},
        "stations": ["1001"],
        "groups": ["620"],
        "numbers": ["+49305550142"],
        "segments": [{"kind": "queue", "group": "620", "from": now}],
        "seconds": {"talk": 0.0, "queue": 0.0},
        "revision": 1,
        "updated_at": now,
    }
    for at in range(0, count, _BATCH):
        batch = [{**call, "_id": f"main:{name}-{number}"} for number in range(at, min(at + _BATCH, count))]
        scene.store.database["calls"].insert_many(batch)
