"""A place to run the daemon as a user does: its own process, a real MongoDB, the simulated host over TLS."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from faults.recording import IS_FULL
from forker import ForkedProcess, Forker
from pymongo.errors import AutoReconnect
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import find_differences
from ipecs_mw.store.server.connection import Store

PASSWORD = "canary-password-1"
USER = "apiuser"

Process = subprocess.Popen[str] | ForkedProcess

_SEEDED_COLLECTIONS = ("config", "config_history", "languages", "commands", "codes")
_OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG")
_ENCODING = "PYTHONIOENCODING"
"""The one of these that the forker knows."""


@cache
def find_forker() -> Forker:
    """Return what starts the processes of this test run; it ends with it."""
    return Forker()


def wait_until(is_so: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true answer; fail after `seconds`, those of a busy machine not counted."""
    watch = Stopwatch()
    while not (answer := _ask(is_so)):
        assert not watch.is_over(seconds), f"not so within {seconds} s"
        time.sleep(0.05)
    return answer


def _ask(is_so: Callable[[], Any]) -> Any:
    """Return the answer; False where a busy machine broke the test's own connection to MongoDB."""
    try:
        return is_so()
    except AutoReconnect:
        return False


@cache
def _seeded() -> dict[str, list[dict[str, Any]]]:
    """What seeding leaves in an empty database, by collection: filled by the first that was seeded."""
    return {}


def make_schema(store: Store) -> None:
    """Give an empty database all that the program expects of one."""
    migrate(store, SystemClock())
    put_right(store, SystemClock(), find_differences)


def seed(store: Store) -> None:
    """Seed an empty database with what ships; from the second one on as a copy of the first."""
    seeded = _seeded()
    for name, documents in seeded.items():
        store.database[name].insert_many(documents)
    if not seeded:
        apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")
        for name in _SEEDED_COLLECTIONS:
            seeded[name] = list(store.database[name].find())


def make_ready(store: Store) -> None:
    """Give an empty database the schema and what ships."""
    make_schema(store)
    seed(store)


class Site:
    """On a seeded database, a bootstrap file and a state directory; `start` runs the daemon there."""

    def __init__(self, store: Store, mongo_uri: str, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.processes: list[Process] = []
        self._family = [self]
        self._hosts: list[SimulatedHost] = []
        (folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": mongo_uri}))

    def beside(self, folder: Path) -> "Site":
        """Return another daemon's place: the same database, a folder and state directory of its own."""
        other = Site.__new__(Site)
        other.store, other.folder, other.processes = self.store, folder, []
        other._family, other._hosts = self._family, self._hosts
        self._family.append(other)
        folder.mkdir()
        (folder / "bootstrap.json").write_text((self.folder / "bootstrap.json").read_text())
        return other

    def configure(self, *hosts: SimulatedHost, **changes: Any) -> None:
        self._hosts[:] = hosts if changes.keys().isdisjoint(("address", "port")) else ()
        content = read_json("config.json")
        entry = content["hosts"][0]
        content["hosts"] = [
            {
                **entry,
                "name": f"host{index}",
                "address": host.address,
                "port": host.port,
                "user": USER,
                "password": {"env": "CANARY"},
                "tls": {"verify": "pin", "fingerprint_sha256": host.fingerprint_sha256},
                "monitor": ["1000-1009"],
                "presence": ["1000-1009"],
                **changes,
            }
            for index, host in enumerate(hosts)
        ]
        save_settings(self.store, "default", content, "test", at=SystemClock().now())

    def command(self, *arguments: str) -> list[str]:
        folder = self.folder
        options = ["--bootstrap", str(folder / "bootstrap.json"), "--state-dir", str(folder / "state")]
        return [sys.executable, "-m", "ipecs_mw", *options, *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        encoding = environment.get(_ENCODING, "utf-8")
        with (
            TemporaryFile("w+", encoding=encoding) as output,
            TemporaryFile("w+", encoding=encoding) as errors,
        ):
            process = self._start(arguments, {"COLUMNS": "200", **environment}, output, errors)
            try:
                code = process.wait(60)
            finally:
                process.kill()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, output.read(), errors.read())

    def start(self, **environment: str) -> Process:
        self.await_notice()
        with (self.folder / f"run{len(self.processes)}.log").open("w") as output:
            process = self._start(["run"], environment, output, output)
        self.processes.append(process)
        return process

    def _start(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: IO[str], errors: IO[str]
    ) -> Process:
        """Start a command: forked, unless what is asked for works only at the start of an interpreter."""
        command = self.command(*arguments)
        whole = {**os.environ, "CANARY": PASSWORD, **environment}
        if IS_FULL or any(name.startswith(_OF_THE_INTERPRETER) for name in environment.keys() - {_ENCODING}):
            return subprocess.Popen(command, env=whole, stdout=output, stderr=errors, text=True)
        return find_forker().start(command[3:], whole, output, errors)

    def find_running(self) -> list[int]:
        """Return the process ids of the daemons that run, here and beside."""
        return [each.pid for site in self._family for each in site.processes if each.poll() is None]

    def await_notice(self) -> None:
        """Wait until no host takes a daemon that has ended for one that listens, if all have ended.

        What a test sends then, or waits for, is for the next one. A host behind a proxy may never notice.
        """
        if not self.find_running():
            wait_until(lambda: not any(map(is_streaming, self._hosts)))

    def stop(self) -> None:
        """End every daemon of this site, however it is."""
        for process in self.processes:
            kill(process)

    def logged(self) -> str:
        return "".join(file.read_text() for file in sorted(self.folder.glob("run*.log")))

    def count(self, **query: Any) -> int:
        return self.store.database["events"].count_documents(query)


def ring(number: int) -> str:
    data = {
        "time": "2026/11/24 10:00:00",
        "callRefID": number,
        "eventCode": 66,
        "eventString": "STATION RING",
        "sourceType": "Station",
        "sourceNumber": "1001",
        "destType": "CO",
        "destNumber": "001",
        "data1": "620",
        "data2": "620",
    }
    return json.dumps({"event": "acd", "data": data})


def kill(process: Process) -> None:
    """End a process with SIGKILL, and return when it is gone."""
    process.kill()
    process.wait(60)


def is_up(site: Site, name: str = "host0") -> bool:
    """Tell whether a daemon that runs, here or beside, says that it is connected to the host."""
    query = {f"hosts.{name}.state": "up", "pid": {"$in": site.find_running()}}
    return site.store.database["instances"].find_one(query) is not None


def is_streaming(host: SimulatedHost) -> bool:
    """Tell whether the host has a WebSocket open to somebody who is logged in."""
    return any(session.is_streaming and not session.is_expired for session in host.sessions.values())
