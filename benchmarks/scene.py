"""Where the figures are measured: a real mongod, simulated hosts and the daemon, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from host import PASSWORD, USER

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded

_TICK = os.sysconf("SC_CLK_TCK")
_IDLE_CPU_SECONDS = 0.03
_PASSWORD_VARIABLE = "BENCHMARK_PASSWORD"


def wait_until(is_so: Callable[[], Any], seconds: float, every_seconds: float = 0.02) -> Any:
    """Return the first true answer; raises TimeoutError after `seconds`."""
    until = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > until:
            raise TimeoutError(f"not so within {seconds} s")
        time.sleep(every_seconds)
    return answer


class Child:
    """A program of this folder that answers each line on its stdin, a JSON list, with one of JSON."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def write(self, text: str) -> None:
        """Write to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def ask(self, *command: Any) -> Any:
        """Give a command and return its answer."""
        self.tell(*command)
        return self.read()

    def tell(self, *command: Any) -> None:
        """Give a command whose answer `read` returns later."""
        self.write(json.dumps(command) + "\n")

    def read(self) -> Any:
        """Return the next answer."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class HostProcess(Child):
    """`host.py`, or another program of its kind, as a child; `ask` gives it a command and returns its answer."""

    def __init__(self, count: int = 1, program: str = "host.py") -> None:
        super().__init__(program, str(count))
        self.hosts: list[dict[str, Any]] = self.read()


@dataclass
class Scene:
    """An empty seeded database of its own on `mongo`, a state directory, and the daemons started there."""

    store: Store
    uri: str
    folder: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def events(self) -> Any:
        """The event log."""
        return self.store.database["events"]

    def configure(self, hosts: HostProcess, **changes: Any) -> None:
        """Save settings with these hosts, each with `changes`."""
        content = read_json("config.json")
        pattern = {
            **content["hosts"][0],
            "address": "127.0.0.1",
            "user": USER,
            "password": {"env": _PASSWORD_VARIABLE},
            "monitor": [],
            "presence": [],
            **changes,
        }
        content["hosts"] = [
            {
                **pattern,
                "name": f"host{index}",
                "port": host["port"],
                "tls": {"verify": "pin", "fingerprint_sha256": host["fingerprint"]},
            }
            for index, host in enumerate(hosts.hosts)
        ]
        save_settings(self.store, "default", content, "benchmark", at=SystemClock().now())

    def start_daemon(self, *prefix: str) -> subprocess.Popen[bytes]:
        """Start `ipecs-mw run`, its output in `daemon.log`; `prefix` may be a profiler's command."""
        options = [
            "--bootstrap",
            str(self.folder / "bootstrap.json"),
            "--state-dir",
            str(self.folder / "state"),
        ]
        with (self.folder / "daemon.log").open("ab") as output:
            daemon = subprocess.Popen(
                [*prefix, sys.executable, "-m", "ipecs_mw", *options, "run"],
                env={**os.environ, _PASSWORD_VARIABLE: PASSWORD},
                stdout=output,
                stderr=output,
            )
        self.daemons.append(daemon)
        return daemon

    def count_sessions(self) -> int:
        """Return how many sessions were up so far, as the event log knows."""
        return int(self.events.count_documents({"kind": "system", "type": "session_up"}))

    def await_sessions(self, count: int) -> None:
        """Wait until that many sessions were up."""
        wait_until(lambda: self.count_sessions() >= count, 60)

    def await_stored(self, count: int, seconds: float = 600) -> float:
        """Wait until at least `count` events of calls are stored, and return when that was (monotonic)."""
        last = {"call_ref": {"$gte": count}}
        wait_until(lambda: self.events.estimated_document_count() >= count, seconds)
        wait_until(lambda: self.events.find_one(last, {"_id": 1}), seconds, 0.005)
        return time.monotonic()

    def count_calls(self) -> int:
        """Return how many frames are stored: exactly, and as a majority has them."""
        return int(self.events.count_documents({"call_ref": {"$gte": 1}}))


@contextmanager
def open_scene(mongo: Embedded, folder: Path) -> Iterator[Scene]:
    """Make a scene in a new folder below `folder`; its daemons are killed and its database dropped at the end."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    place = folder / name
    place.mkdir()
    uri = mongo.access.make_uri(name)
    (place / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
    with closing(connect(Bootstrap(path=place / "bootstrap.json", mongo_uri=uri), SystemClock())) as store:
        migrate(store, SystemClock())
        put_right(store, SystemClock())
        apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "benchmark")
        scene = Scene(store, uri, place)
        try:
            yield scene
        finally:
            for daemon in scene.daemons:
                daemon.kill()
                daemon.wait(10)
            store.client.drop_database(name)


def read_cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def read_memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def forget_peak(pid: int) -> None:
    """Have the system note the most memory of a process anew from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def read_peak_bytes(pid: int) -> int:
    """Return the most resident memory that a process has had, as the system notes it: no moment is missed."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@contextmanager
def paused(mongo: Embedded) -> Iterator[None]:
    """Have MongoDB stand still: it takes connections, and answers nothing."""
    pid = int((mongo.directory / "data" / "mongod.lock").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def find_server(scene: Scene) -> int:
    """Return the process of the MongoDB of a scene."""
    return int(scene.store.client.admin.command("serverStatus")["pid"])


def await_idle(pid: int, seconds: float = 300) -> None:
    """Wait until a process has done next to nothing for half a second."""
    until = time.monotonic() + seconds
    used, before = read_cpu_seconds(pid), -1.0
    while used - before > _IDLE_CPU_SECONDS:
        if time.monotonic() > until:
            raise TimeoutError(f"busy for {seconds} s")
        time.sleep(0.5)
        used, before = read_cpu_seconds(pid), used
