"""MongoDB servers of a test's own, to be killed, stopped and restarted: one alone, or a replica set."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from databases import SMALL_LOG
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from sites import wait_until

from ipecs_mw.store.server.mongod import ADDRESS, find_free_port, start_mongod

SET = "faults"


class Server:
    """One mongod without a password, its data in `directory`; failpoints are allowed."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.port = find_free_port()
        self.pid = 0
        self._options = (*SMALL_LOG, "--setParameter", "enableTestCommands=1", *options)
        (directory / "data").mkdir(parents=True)

    @property
    def address(self) -> str:
        return f"{ADDRESS}:{self.port}"

    @property
    def direct_uri(self) -> str:
        return f"mongodb://{self.address}/?directConnection=true"

    def start(self) -> None:
        """Start it, again on the same port after a kill."""
        until = time.monotonic() + 60
        while start_mongod(self.directory, ["--port", str(self.port), *self._options], seconds=60) != 0:
            assert time.monotonic() < until, "the port stays taken"
            time.sleep(0.1)
        self.pid = int((self.directory / "data" / "mongod.lock").read_text())

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL, and return when it is gone."""
        if not self.pid:
            return
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        wait_until(lambda: is_gone(self.pid), 30)
        self.pid = 0

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        with MongoClient[dict[str, Any]](self.direct_uri, timeoutMS=20000) as client:
            yield client


def is_gone(pid: int) -> bool:
    """Tell whether no process has this number, or only what nobody has waited for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


class ReplicaSet:
    """`count` servers that elect within about two seconds; of one, it is the documented minimum."""

    def __init__(self, directory: Path, count: int) -> None:
        self.servers = [Server(directory / f"member{index}", "--replSet", SET) for index in range(count)]

    @property
    def hosts(self) -> str:
        return ",".join(server.address for server in self.servers)

    def make_uri(self, database: str) -> str:
        return f"mongodb://{self.hosts}/{database}?replicaSet={SET}"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        members = [{"_id": index, "host": server.address} for index, server in enumerate(self.servers)]
        settings = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
        with self.servers[0].client() as client:
            client.admin.command("replSetInitiate", {"_id": SET, "members": members, "settings": settings})
        wait_until(self.find_primary, 60)

    def find_primary(self) -> Server | None:
        for server in self.servers:
            with suppress(PyMongoError), server.client() as client:
                if server.pid and client.admin.command("hello").get("isWritablePrimary"):
                    return server
        return None

    def kill(self) -> None:
        for server in self.servers:
            server.kill()


def fail_point(client: MongoClient[dict[str, Any]], name: str, times: int, **data: Any) -> int:
    """Have the server fail the next `times` commands as `data` says; 0 turns it off.

    Return how often it has failed one since it was started.
    """
    mode: Any = {"times": times} if times else "off"
    return int(client.admin.command("configureFailPoint", name, mode=mode, data=data)["count"])


def await_failures(client: MongoClient[dict[str, Any]], name: str, count: int) -> None:
    """Wait until the server has failed so many commands since it was started, by what `fail_point` returns."""
    client.admin.command("waitForFailPoint", name, timesEntered=count, maxTimeMS=60_000)
