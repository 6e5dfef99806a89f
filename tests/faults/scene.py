"""Everything that a soak breaks, in one place: mongod, a proxy before it, the daemon, a proxy before the host."""

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fault_proxy import FaultProxy
from faults.oracle import Witness
from faults.servers import ReplicaSet
from sites import PASSWORD, USER, Site, make_ready, wait_until

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.server.connection import connect

_SESSION_TIMER_SECONDS = 15.0
_DATABASE = "soak"


@dataclass
class Scene:
    """The parts; `chance` decides everything, so that a seed tells the sequence."""

    chance: random.Random
    servers: ReplicaSet
    to_mongod: FaultProxy
    to_host: FaultProxy
    host: SimulatedHost
    site: Site
    witness: Witness
    is_quiet: threading.Event = field(default_factory=threading.Event)
    may_lose: bool = False
    peak_kib: int = 0
    slowest_stop_seconds: float = 0.0

    @property
    def daemon(self) -> subprocess.Popen[str]:
        return self.site.processes[-1]

    def await_stream(self, seconds: float = 320.0) -> None:
        """Wait until the daemon is connected; it may have to wait out the longest time between tries.

        A host that has forgotten the token keeps the connection: with nothing to ask, the daemon cannot know.
        """
        wait_until(lambda: any(session.is_streaming for session in self.host.sessions.values()), seconds)

    def await_start(self) -> None:
        """Wait until the newest daemon is more than a Python that loads its modules."""
        log = self.site.folder / f"run{len(self.site.processes) - 1}.log"
        wait_until(lambda: "start.bootstrap" in log.read_text(), 60)

    def pause(self, shortest: float, longest: float) -> None:
        time.sleep(self.chance.uniform(shortest, longest))

    def note_memory(self) -> None:
        """Remember the most memory that a daemon has had."""
        for line in Path(f"/proc/{self.daemon.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.peak_kib = max(self.peak_kib, int(line.split()[1]))

    def trickle(self, stop: threading.Event) -> None:
        """Send frames all the time, but for quiet points, at a rate that changes."""
        chance = random.Random(self.chance.random())
        while not stop.is_set():
            if self.is_quiet.is_set():
                stop.wait(0.1)
                continue
            self.witness.send(chance.choice((1, 1, 2, 5, 20)))
            stop.wait(chance.uniform(0.01, 0.1))


@contextmanager
def open_scene(folder: Path, seed: int) -> Iterator[Scene]:
    """Start all of it but the daemon in `folder`; afterwards nothing runs any more."""
    servers = ReplicaSet(folder / "mongo", 1)
    try:
        servers.start()
        accounts = (Account(USER, PASSWORD),)
        host = SimulatedHost(
            accounts=accounts,
            is_scripted=False,
            sent_log=folder / "sent.jsonl",
            check_connection_seconds=_SESSION_TIMER_SECONDS,
        )
        with host, FaultProxy(servers.servers[0].port) as to_mongod, FaultProxy(host.port) as to_host:
            uri = f"mongodb://127.0.0.1:{to_mongod.port}/{_DATABASE}?directConnection=true"
            bootstrap = Bootstrap(path=folder / "bootstrap.json", mongo_uri=servers.make_uri(_DATABASE))
            store = connect(bootstrap, SystemClock())
            make_ready(store)
            site = Site(store, uri, folder)
            site.configure(host, port=to_host.port)
            witness = Witness(site, host, folder / "sent.jsonl")
            try:
                yield Scene(random.Random(seed), servers, to_mongod, to_host, host, site, witness)
            finally:
                site.stop()
                site.store.close()
    finally:
        servers.kill()
