"""`ipecs-mw serve` as a process: where it listens, TLS, MongoDB that goes away, its end."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from api_scene import EVERYTHING, MAIN, Served, configure, read_problem, served
from fault_proxy import FaultProxy
from sites import wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator.wire.certificate import make_certificate
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.embedded import Embedded

STOP_SECONDS = 10.0
AWAY_SECONDS = 25.0
"""So long an answer may take while MongoDB does not answer: its own operations are bounded by 20 s."""

Start = Callable[..., Served]


@pytest.fixture
def start(seeded: Store, mongo_uri: str, tmp_path: Path) -> Iterator[Start]:
    """Serve with this configuration and these options."""
    with ExitStack() as stack:

        def begin(*options: str, uri: str = mongo_uri, **api: Any) -> Served:
            configure(seeded, MAIN, **api)
            return stack.enter_context(served(seeded, tmp_path, *options, uri=uri))

        yield begin


@pytest.fixture
def refuse(seeded: Store, mongo_uri: str, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Return how serving with this ends, and what it says."""

    def run(*options: str, **api: Any) -> tuple[int, str]:
        configure(seeded, MAIN, **api)
        place = Served(seeded, tmp_path, mongo_uri)
        return place.run(*options).wait(60), place.logged()

    return run


def read_until_closed(wire: ClientConnection) -> Iterator[str]:
    with suppress(ConnectionClosed):
        for message in wire:
            yield str(message)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_refuses_to_listen_where_others_hear_without_tls(refuse: Any, address: str) -> None:
    code, said = refuse("--address", address)
    assert code == 3
    assert "api.address" in said
    assert address in said
    assert "Traceback" not in said


@pytest.mark.parametrize("address", ["nonsense of mine", "999.1.1.1", "", "localhost\nx", "http://127.0.0.1"])
def test_an_address_that_is_none_is_said_to_be_none(refuse: Any, address: str) -> None:
    code, said = refuse("--address", address)
    assert code == 2
    assert "host name" in said
    assert "TLS" not in said


def test_it_listens_elsewhere_where_somebody_says_so(start: Start) -> None:
    api = start("--address", "0.0.0.0", "--allow-plain")
    port = urlsplit(api.url).port
    assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=30).json()["status"] == "ok"


def test_it_listens_on_ipv6(start: Start) -> None:
    api = start("--address", "::1")
    assert api.url.startswith("http://[::1]:")
    assert api.get("/healthz").json()["status"] == "ok"


def test_a_port_that_is_taken_is_named(refuse: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refuse("--port", str(port))
    assert code == 3
    assert f"127.0.0.1, port {port}: another program does" in said


def test_an_address_that_this_machine_does_not_have_is_named(refuse: Any) -> None:
    code, said = refuse("--address", "192.0.2.1", "--allow-plain")
    assert code == 3
    assert "192.0.2.1" in said


def test_it_serves_tls_by_files(start: Start, tmp_path: Path) -> None:
    made = make_certificate(["127.0.0.1"], SystemClock().now())
    files = {"certificate_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    files["certificate_file"].write_text(made.pem)
    files["key_file"].write_text(made.key_pem)
    api = start(tls={name: str(path) for name, path in files.items()})
    assert api.url.startswith("https://")
    answer = api.get("status", verify=str(files["certificate_file"]))
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(api.url.replace("https", "http") + "/healthz", timeout=30)


@pytest.mark.parametrize("wrong", ["missing", "other key", "no certificate"])
def test_files_that_are_no_certificate_are_named(refuse: Any, tmp_path: Path, wrong: str) -> None:
    made, other = (make_certificate(["127.0.0.1"], SystemClock().now()) for _ in range(2))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    key.write_text((other if wrong == "other key" else made).key_pem)
    if wrong != "missing":
        certificate.write_text("nothing" if wrong == "no certificate" else made.pem)
    code, said = refuse(tls={"certificate_file": str(certificate), "key_file": str(key)})
    assert code == 3
    assert str(certificate) in said
    assert "PRIVATE" not in said


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "httptools"])
def test_a_missing_extra_is_told_in_a_sentence(
    seeded: Store, mongo_uri: str, tmp_path: Path, package: str
) -> None:
    (tmp_path / "bootstrap.json").write_text(json.dumps({"mongo_uri": mongo_uri}))
    program = f"import sys; sys.modules[{package!r}] = None; from ipecs_mw.cli import main; main()"
    command = [sys.executable, "-c", program, "--bootstrap", str(tmp_path / "bootstrap.json"), "serve"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 3
    assert f"{package} is missing; install ipecs-mw with the extra `api`" in ended.stderr


def test_a_database_without_the_schema_is_told_in_a_sentence(
    store: Store, mongo_uri: str, tmp_path: Path
) -> None:
    place = Served(store, tmp_path, mongo_uri)
    assert place.run().wait(60) == 3
    assert "config_shared" in place.logged()


def test_it_ends_within_ten_seconds_with_open_streams_and_says_why(start: Start) -> None:
    api = start()
    name, token = api.make_own_token(*EVERYTHING)
    headers = {"Authorization": f"Bearer {token}"}
    with ExitStack() as stack:
        streams = [
            stack.enter_context(api.get("stream?topics=calls,events", token, stream=True)) for _ in range(3)
        ]
        url = api.url.replace("http", "ws") + "/api/v1/stream?topics=state&snapshot=true&station=none"
        wire = stack.enter_context(connect(url, additional_headers=headers))
        contents = [stream.iter_content(None) for stream in streams]
        assert all(next(content).startswith(b"retry: ") for content in contents)
        assert "snapshot" in str(wire.recv(30))
        began = time.monotonic()
        assert api.stop() == 0
        assert time.monotonic() - began < STOP_SECONDS
        assert all(b"stopping" in b"".join(content) for content in contents)
        assert "stopping" in "".join(read_until_closed(wire))
    assert api.store.database["token_uses"].find_one({"_id": name}), "its last uses are noted"


def test_it_ends_although_a_client_takes_nothing(start: Start) -> None:
    api = start()
    head = f"GET /api/v1/stream?topics=events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.all}\r\n\r\n"
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port)) as silent:
        silent.sendall(head.encode())
        assert silent.recv(12) == b"HTTP/1.1 200"
        assert api.stop() == 0


def test_ctrl_c_ends_it(start: Start) -> None:
    api = start()
    assert api.process is not None
    api.process.send_signal(signal.SIGINT)
    assert api.process.wait(30) == 0


def test_mongodb_that_goes_away_is_told_in_time_and_comes_back_by_itself(
    start: Start, mongo: Embedded, seeded: Store, mongo_uri: str
) -> None:
    with FaultProxy(mongo.access.port) as proxy:
        direct = mongo_uri.replace(f":{mongo.access.port}/", f":{proxy.port}/")
        uri = direct.replace(f"replicaSet={mongo.access.replica_set}", "directConnection=true")
        api = start(uri=uri)
        assert api.get("status").status_code == 200
        proxy.is_refusing = True
        proxy.cut()
        began = time.monotonic()
        for path in ("status", "calls", "figures/queues", "commands"):
            answer = api.get(path)
            assert answer.status_code == 503, answer.text
            assert read_problem(answer)[0] == 503
            assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() - began < AWAY_SECONDS
        assert api.get("/healthz").status_code == 503
        assert api.get("openapi.json").status_code == 200, "what needs no MongoDB goes on"
        proxy.is_refusing = False
        wait_until(lambda: api.get("status").status_code == 200, 60)
        assert api.get("/healthz").status_code == 200
        with api.get("stream?topics=missed", stream=True) as stream:
            assert stream.status_code == 200
        assert "Traceback" not in api.logged()


def test_settings_that_are_wrong_stop_the_start_and_not_what_runs(
    start: Start, refuse: Any, seeded: Store
) -> None:
    api = start()
    seeded.database["config"].update_one({"_id": "default"}, {"$set": {"figures": 5}})
    wait_until(lambda: "the settings could not be loaded anew" in api.logged(), 60)
    assert api.get("status").status_code == 200


def test_two_processes_answer_alike(start: Start, seeded: Store, mongo_uri: str, tmp_path: Path) -> None:
    first = start()
    (tmp_path / "second").mkdir()
    with served(seeded, tmp_path / "second", uri=mongo_uri) as second:
        token = first.all
        assert first.get("commands", token).json() == second.get("commands", token).json()
        ticket = first.ask("POST", "stream-tickets", token).json()["ticket"]
        with second.get(f"stream?topics=state&ticket={ticket}", "", stream=True) as stream:
            assert stream.status_code == 200
