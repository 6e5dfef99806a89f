"""A place to run the daemon as a user does: its own process, a real MongoDB, the simulated host over TLS."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store

PASSWORD = "canary-password-1"
USER = "apiuser"


def wait_until(is_so: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true answer; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < until, f"not so within {seconds} s"
        time.sleep(0.05)
    return answer


class Site:
    """A seeded database, a bootstrap file and a state directory; `start` runs the daemon there."""

    def __init__(self, store: Store, mongo_uri: str, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": mongo_uri}))
        migrate(store, SystemClock())
        put_right(store, SystemClock())
        apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")

    def beside(self, folder: Path) -> "Site":
        """Return another daemon's place: the same database, a folder and state directory of its own."""
        other = Site.__new__(Site)
        other.store, other.folder, other.processes = self.store, folder, []
        folder.mkdir()
        (folder / "bootstrap.json").write_text((self.folder / "bootstrap.json").read_text())
        return other

    def configure(self, *hosts: SimulatedHost, **changes: Any) -> None:
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
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, "CANARY": PASSWORD, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, **environment: str) -> subprocess.Popen[str]:
        with (self.folder / f"run{len(self.processes)}.log").open("w") as output:
            process = subprocess.Popen(
                self.command("run"),
                env={**os.environ, "CANARY": PASSWORD, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End every daemon of this site, however it is."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)

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


def is_up(site: Site, name: str = "host0") -> bool:
    instance = site.store.database["instances"].find_one({f"hosts.{name}.state": "up"})
    return instance is not None
