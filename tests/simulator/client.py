"""A client of the simulated host that knows nothing of the product's, and waits that end."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import requests
from stopwatch import Stopwatch
from websockets.sync.client import ClientConnection, connect

from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.simulator.pbx import calls

_PATIENCE_SECONDS = 60.0  # a busy machine is no reason to fail
OUTSIDE = "61234567"
ALL = [str(number) for number in range(1000, 1020)]


class Client:
    """One account's view of a host: REST through requests, events through websockets."""

    def __init__(self, host: SimulatedHost, folder: Path, user: str, service: str, password: str) -> None:
        self.host = host
        self.user = user
        self.base = f"/ipxapi/{service}/v1/users/{user}"
        self.password = password
        self.token = ""
        self.pem = folder / "host.pem"
        self.pem.write_text(host.certificate_pem)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = str(self.pem)

    def ask(self, method: str, feature: str, **options: Any) -> requests.Response:
        """Send one request with the token."""
        headers = {"Authorization": f"bearer {self.token}"}
        url = f"https://127.0.0.1:{self.host.port}{self.base}/{feature}"
        return self.http.request(method, url, **{"headers": headers, "timeout": _PATIENCE_SECONDS, **options})

    def call(self, feature: str, **arguments: Any) -> requests.Response:
        """Post one request with a JSON body."""
        return self.ask("POST", f"call/{feature}", json=arguments)

    def log_in(self, password: str | None = None) -> requests.Response:
        reply = self.ask("GET", "login", headers={}, auth=(self.user, password or self.password))
        if reply.ok:
            self.token = reply.json()["token"]
        return reply

    def stream(self, path: str | None = None) -> AbstractContextManager[ClientConnection]:
        """Open the WebSocket."""
        return connect(
            f"wss://127.0.0.1:{self.host.port}{path or self.base + '/acd'}",
            ssl=ssl.create_default_context(cafile=str(self.pem)),
            additional_headers={"Authorization": f"bearer {self.token}"},
            compression=None,
            max_queue=None,  # a full queue would hold up the closing handshake
            proxy=None,
        )


def read_event(socket: ClientConnection, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the data of the first event that is wanted."""
    watch = Stopwatch()
    while not watch.is_over(5):
        data: dict[str, Any] = json.loads(socket.recv(timeout=_PATIENCE_SECONDS))["data"]
        if is_wanted(data):
            return data
    raise AssertionError("the event did not come")


def read_type(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """Return the data of the first call event of one of these types."""
    return read_event(socket, lambda data: str(data.get("type", "")).strip() in kinds)


def code_of(reply: requests.Response) -> int:
    assert not reply.ok, reply.text
    code: int = reply.json()["error"]["code"]
    return code


def data_of(reply: requests.Response) -> Any:
    assert reply.ok, reply.text
    return reply.json()["data"]


@contextmanager
def watching(client: Client) -> Iterator[ClientConnection]:
    """Give a WebSocket on which every station and group is monitored."""
    with client.stream() as socket:
        client.call("monitor", deviceNumber=[*ALL, "620"])
        yield socket


def call_inside(client: Client, caller: str = "1000", called: str = "1001") -> int:
    """Have two stations talk; return the call's reference."""
    ref: int = data_of(client.call("make", deviceNumber=caller, calledDN=called))["callRefID"]
    data_of(client.call("answer", deviceNumber=called, callRefID=ref))
    return ref


def call_in(client: Client, target: str) -> int:
    """Have a call come in from outside; return its reference."""

    def act(exchange: Any) -> int:
        call = calls.arrive(exchange.pbx, OUTSIDE, "6500620", target)
        assert call is not None
        return call.ref

    return client.host.operate(act)
