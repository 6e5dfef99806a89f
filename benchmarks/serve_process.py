"""`ipecs-mw serve` as a process of its own, on the database of a scene."""

import http.client
import json
import re
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Self

from scene import Scene, read_memory_bytes, wait_until

from ipecs_mw.messages.rights import EVERYTHING
from ipecs_mw.store.applications.tokens import create_token

_RIGHTS = ("calls.read", "commands.*", "events.read", "numbers.read", "state.read")
_URL = re.compile(rb"http://127\.0\.0\.1:(\d+)/")


class ServeProcess:
    """`ipecs-mw serve` on the database of a scene, with a token for everything."""

    def __init__(self, scene: Scene) -> None:
        log = scene.folder / "serve.log"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "ipecs_mw", "--bootstrap", str(scene.folder / "bootstrap.json")]
        with log.open("wb") as output:
            self.process = subprocess.Popen([*command, "serve", "--port", "0"], stdout=output, stderr=output)
        wait_until(lambda: _URL.search(log.read_bytes()), 30)
        found = _URL.search(log.read_bytes())
        assert found is not None
        self.port = int(found[1])
        name = f"bench-{time.monotonic_ns()}"
        now = datetime.now(UTC)
        self.token = create_token(scene.store, name, _RIGHTS, EVERYTHING, at=now, by="benchmark")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def resident_mebibytes(self) -> float:
        """The memory that it has."""
        return read_memory_bytes(self.process.pid) / 2**20

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
