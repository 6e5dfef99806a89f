"""The API and its stream: how soon a frame reaches a thousand clients, what idle ones cost, pages and commands."""

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rates import running_daemon
from rows import Row, percentile
from scene import Child, Scene, wait_until
from serve_process import ServeProcess

from ipecs_mw.client import Client
from ipecs_mw.store.server.embedded import Embedded

CLIENTS = 1000
_ALL_RATE, _SITE_RATE = 20, 56
_GROUPS = 20
_PLAIN_CLIENTS = 50
_IDLE = 5000
_MISSED = 10_000
_P99_MS = 250.0
_SCRIPT = "a change stream a client"


class Readers(Child):
    """Clients that follow, in a process of their own; all have begun once it is made."""

    def __init__(self, port: int, token: str, paths: Sequence[str]) -> None:
        super().__init__("readers.py", str(port), token, str(len(paths)))
        self.write("".join(f"{path}\n" for path in paths))
        self.read()


def measure_applications(mongo: Embedded, folder: Path, seconds: int, commands: int) -> list[Row]:
    """Return the rows of streams, of idle clients, of what was missed and of commands."""
    with running_daemon(mongo, folder) as (scene, host):
        with ServeProcess(scene) as serve:
            everything = ["/api/v1/stream?topics=events"] * CLIENTS
            with Readers(serve.port, serve.token, everything) as readers:
                all_of_it = _measure_stream(host, readers, _ALL_RATE, seconds, CLIENTS, 1)
        with ServeProcess(scene) as serve:
            own = [
                f"/api/v1/stream?topics=events&station={1000 + index}&group={620 + index % _GROUPS}"
                for index in range(CLIENTS)
            ]
            with Readers(serve.port, serve.token, own) as readers:
                first = _ALL_RATE * seconds + 1
                part_of_it = _measure_stream(host, readers, _SITE_RATE, seconds, None, first)
        first += _SITE_RATE * seconds
        with _PlainServer(scene) as plain:
            paths = ["/"] * _PLAIN_CLIENTS
            with Readers(plain.port, "-", paths) as readers:
                plainly = _measure_stream(host, readers, _ALL_RATE, seconds, _PLAIN_CLIENTS, first)
        with ServeProcess(scene) as serve:
            missed, idle = _measure_missed(scene, serve), _measure_idle(serve)
    through, directly = _measure_commands(mongo, folder, commands)
    words = f"frame leaves the host → {CLIENTS:,} clients have it, "
    more = statistics.median(through) - statistics.median(directly)
    of_plain = f"{_SCRIPT}, {_PLAIN_CLIENTS} of them"
    return [
        _row(
            f"{words}all events, {_ALL_RATE}/s, p99",
            percentile(all_of_it, 99),
            of_plain,
            percentile(plainly, 99),
        ),
        _row(f"{words}each those of a station and a group, {_SITE_RATE}/s, p99", percentile(part_of_it, 99)),
        _bound(f"memory of {_IDLE:,} idle clients", idle, "MiB", 150.0),
        _bound(f"{_MISSED:,} missed events are resumed", missed, "s", 1.0),
        _bound("command through the API, more than `Client.send`, p50", 1000 * more, "ms", 20.0),
    ]


def _bound(name: str, value: float, unit: str, goal: float) -> Row:
    return Row("applications", name, value, unit, goal=goal, is_most=True, is_absolute=True)


def _row(name: str, seconds: float, plain_name: str = "", plain: float | None = None) -> Row:
    return Row(
        "applications",
        name,
        1000 * seconds,
        "ms",
        plain_name,
        None if plain is None else 1000 * plain,
        _P99_MS,
        is_most=True,
        is_absolute=True,
    )


def _measure_stream(
    host: Any, readers: Readers, rate: int, seconds: int, clients: int | None, first: int
) -> list[float]:
    """Return the seconds of each delivery, those of the first second aside; every frame has to reach `clients`."""
    count = rate * seconds
    host.tell("pace", first, count, rate)
    left = {int(number): at for number, at in host.read()["left"].items()}
    if clients is not None:
        wait_until(lambda: readers.ask("count") >= count * clients, 120, 0.2)
    else:
        time.sleep(3)
    arrivals = readers.ask("arrivals")
    if clients is not None:
        wrong = [number for number, at in arrivals if len(at) != clients]
        assert not wrong, f"frames that did not reach each client once: {wrong[:10]}"
    return [
        at - left[number]
        for number, each in arrivals
        if number in left and number > first + rate
        for at in each
    ]


def _measure_missed(scene: Scene, serve: ServeProcess) -> float:
    """Return the seconds until a client that comes back has what it missed."""
    path = "/api/v1/stream?topics=events&snapshot=true"
    with closing(http.client.HTTPConnection("127.0.0.1", serve.port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {serve.token}"})
        answer = connection.getresponse()
        position = ""
        while line := answer.readline():
            if line.startswith(b"id: "):
                position = line[4:].decode().strip()
                break
    now = datetime.now(UTC)
    event = scene.events.find_one({"kind": {"$in": ["acd", "call"]}}) or {}
    for begin in range(0, _MISSED, 1000):
        scene.events.insert_many(
            [event | {"_id": f"missed:{begin + index}", "received_at": now} for index in range(1000)]
        )
    time.sleep(5)
    with closing(http.client.HTTPConnection("127.0.0.1", serve.port, timeout=60)) as connection:
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {serve.token}", "Last-Event-ID": position}
        connection.request("GET", "/api/v1/stream?topics=events", headers=headers)
        answer = connection.getresponse()
        found = 0
        while found < _MISSED and (line := answer.readline()):
            found += line.startswith(b"event: event")
        return time.monotonic() - began


def _measure_idle(serve: ServeProcess) -> float:
    """Return the memory that idle clients take, of which nothing is sent but that the stream lives."""
    before = serve.resident_mebibytes
    with Readers(serve.port, serve.token, ["/api/v1/stream?topics=missed"] * _IDLE):
        time.sleep(20)
        return serve.resident_mebibytes - before


def _measure_commands(mongo: Embedded, folder: Path, commands: int) -> tuple[list[float], list[float]]:
    body = {"command": "terminals.get", "args": {"startIndex": 1, "count": 10}}
    with (
        running_daemon(mongo, folder, program="simulated_host.py") as (scene, _host),
        ServeProcess(scene) as serve,
        Client(scene.uri) as client,
    ):
        through, directly = [], []
        for number in range(commands + 5):
            began = time.monotonic()
            assert serve.ask("POST", "/api/v1/requests", body)["state"] == "done"
            middle = time.monotonic()
            client.send("terminals.get", startIndex=1, count=10)
            if number >= 5:
                through.append(middle - began)
                directly.append(time.monotonic() - middle)
    return through, directly


class _PlainServer:
    """A script that gives every client a change stream of its own: a thread each that writes what it reads."""

    def __init__(self, scene: Scene) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("naive_stream.py")), scene.uri],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
