"""A scene of the API: `ipecs-mw serve` with the least rights, over a morning of two phone systems."""

import json
import os
import re
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import requests
from call_scene import keep
from figures_scene import make_day
from requests.adapters import HTTPAdapter
from sites import Process, find_forker, kill, make_ready, wait_until

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.messages.rights import Scope
from ipecs_mw.seeds import read_json
from ipecs_mw.store.applications.tokens import create_token
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.coordination.requests import claim_request, finish_request
from ipecs_mw.store.schema.roles import grant, make_uri
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded

MAIN, BRANCH = "main", "branch"
ORIGIN = "https://crm.example.com"
EVERYTHING = (
    "calls.read", "commands.*", "events.read", "figures.read", "missed.write", "numbers.read", "state.read",
    "webhooks.manage",
)  # fmt: skip
BRANCH_STATIONS = ("1001", "1002", "1003", "1004")

_URL = re.compile(r"https?://\S+/api/v1")
_PASSWORD = "canary-of-the-api"
_numbers = count()


class _FromAddress(HTTPAdapter):
    """Connects from another address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **options)


def configure(store: Store, *names: str, **api: Any) -> None:
    """Save a configuration with phone systems of these names."""
    content = read_json("config.json")
    content["hosts"] = [
        {**content["hosts"][0], "name": name, "user": f"user-{name}", "timezone": "UTC"} for name in names
    ]
    content["api"] = {"origins": [ORIGIN], **api}
    save_settings(store, "default", content, "test", at=SystemClock().now())


def fill(store: Store) -> None:
    """Have two phone systems have had a morning."""
    make_day(store)
    keep(store, host=BRANCH)
    configure(store, MAIN, BRANCH)


class Served:
    """`ipecs-mw serve` as the account `api` of MongoDB; `get` asks it, `make_token` lets somebody in."""

    def __init__(self, store: Store, folder: Path, uri: str = "") -> None:
        self.store = store
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log = folder / "serve.log"
        self._tokens: dict[Any, str] = {}
        self._open = requests.Session()
        if not uri:
            grant(store, "api", "served", _PASSWORD)
            uri = make_uri(store, "served").replace("PASSWORD", _PASSWORD)
        (folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
        self.process: Process | None = None
        self.url = ""

    def run(self, *options: str, **environment: str) -> Process:
        """Start it, and return at once."""
        arguments = ["--bootstrap", str(self.folder / "bootstrap.json"), "serve", "--port", "0", *options]
        with self.log.open("w") as output:
            self.process = find_forker().start(arguments, {**os.environ, **environment}, output, output)
        return self.process

    def start(self, *options: str, **environment: str) -> "Served":
        """Start it, and return once it answers."""
        process = self.run(*options, **environment)
        found = wait_until(lambda: _URL.search(self.logged()) or process.poll() is not None, 60)
        assert found is not True, self.logged()
        self.url = found[0].removesuffix("/api/v1")
        return self

    def stop(self) -> int:
        """End it as systemd does; return how it ended."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        if self.process is not None:
            kill(self.process)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def logged(self) -> str:
        return self.log.read_text()

    def make_token(self, *rights: str, expires_at: datetime | None = None, **scope: str) -> str:
        """Return a token with these rights, for this `hosts`, `groups` or `stations`; the same for the same."""
        key = (rights, expires_at, tuple(sorted(scope.items())))
        if key not in self._tokens:
            self._tokens[key] = self.make_own_token(*rights, expires_at=expires_at, **scope)[1]
        return self._tokens[key]

    def make_own_token(
        self, *rights: str, expires_at: datetime | None = None, **scope: str
    ) -> tuple[str, str]:
        """Return a new token that no other test has: its name and itself."""
        name = f"test {next(_numbers)}"
        part = Scope(**{each: frozenset(values.split(",")) for each, values in scope.items()})
        at = SystemClock().now()
        return name, create_token(self.store, name, rights, part, at=at, by="test", expires_at=expires_at)

    @cached_property
    def all(self) -> str:
        """A token that may everything, everywhere."""
        return self.make_token(*EVERYTHING)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        session: requests.Session | None = None,
        **options: Any,
    ) -> requests.Response:
        """Return the answer; with the token that may everything where none is given, with none for a blank one."""
        token = self.all if token is None else token
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        if not path.startswith("/"):
            path = f"/api/v1/{path}"
        return (session or self._open).request(
            method, self.url + path, headers={**signed, **(headers or {})}, timeout=60, **options
        )

    def get(self, path: str, token: str | None = None, **options: Any) -> requests.Response:
        return self.ask("GET", path, token, **options)

    def items(self, path: str, token: str | None = None, **params: Any) -> list[dict[str, Any]]:
        """Return the items of one page that must be there."""
        answer = self.get(path, token, params=params)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def refused(
        self, path: str, token: str | None = None, method: str = "GET", **options: Any
    ) -> tuple[int, str]:
        """Return status and name of the problem that answers this; asks from an address of its own."""
        with self.elsewhere() as session:
            return read_problem(self.ask(method, path, token, session=session, **options))

    def elsewhere(self) -> requests.Session:
        """Return what asks from an address of this machine that nobody else asks from; `address` of it."""
        session = requests.Session()
        number = next(_numbers)
        session.address = f"127.7.{number // 250}.{number % 250 + 1}"  # type: ignore[attr-defined]
        session.mount("http://", _FromAddress(session.address))  # type: ignore[attr-defined]
        return session


def read_problem(answer: requests.Response) -> tuple[int, str]:
    """Return the status and name of a problem, which must be one by all rules."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "name"}
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:ipecs-mw:problem:{problem['name']}"
    assert problem["title"]
    assert problem["detail"]
    assert answer.headers["Content-Language"] in {"en-GB", "de-DE", "ko-KR"}
    assert ("Retry-After" in answer.headers) == (answer.status_code in (429, 503))
    return answer.status_code, problem["name"]


Act = Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]


@contextmanager
def carrying_out(store: Store, act: Act) -> Iterator[list[Mapping[str, Any]]]:
    """Claim requests and end each as `act` says, as the daemon does; give what was carried out."""
    done: list[Mapping[str, Any]] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            with suppress(StoreUnavailable):  # on a busy machine it may answer late; it is asked again
                carry_out(f"claim-{next(_numbers)}")

    def carry_out(claim: str) -> None:
        request = claim_request(store, [MAIN, BRANCH, None], "test", claim, "default")
        if request is not None:
            done.append(request)
            state, fields = act(request)
            finish_request(store, claim, state, frozenset(), **fields)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def make_missed(store: Store, number: str = "0612345678", group: str = "620", host: str = MAIN) -> str:
    """Have a missed call be there that no other test has, and return its id."""
    name = f"{host}:missed-{next(_numbers)}"
    at = SystemClock().now() - timedelta(minutes=5)
    store.database["missed"].insert_one(
        {
            "_id": name, "host": host, "group": group, "number": number, "numbers": [number], "state": "open",
            "count": 1, "first_at": at, "last_at": at, "calls": [], "revision": 1, "updated_at": at,
        }
    )  # fmt: skip
    return name


@contextmanager
def served(store: Store, folder: Path, *options: str, uri: str = "") -> Iterator[Served]:
    """Serve for a while."""
    place = Served(store, folder, uri)
    try:
        yield place.start(*options)
    finally:
        place.kill()
        with suppress(Exception):
            store.database.command("dropAllUsersFromDatabase")
            store.database.command("dropAllRolesFromDatabase")


@contextmanager
def served_anew(mongo: Embedded, folder: Path) -> Iterator[Served]:
    """Serve a database of its own in which something has happened; `admin.json` in the folder may all."""
    name = f"api_{uuid.uuid4().hex[:12]}"
    uri = mongo.access.make_uri(name)
    (folder / "admin.json").write_text(json.dumps({"mongo_uri": uri}))
    bootstrap = Bootstrap(path=folder / "admin.json", mongo_uri=uri)
    with closing(connect(bootstrap, SystemClock())) as store:
        make_ready(store)
        fill(store)
        with served(store, folder) as place:
            yield place
        store.client.drop_database(name)
