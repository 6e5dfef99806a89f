"""Login, logout and commands against a host on a real TLS socket that answers as told."""

import json
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tls_host import settings

from ipecs_mw import logs
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import (
    AlreadyLoggedIn,
    CommandRefused,
    LoginRefused,
    SessionError,
    TokenExpired,
    TransportError,
)
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.seeds import read_json
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.simulator.wire.certificate import make_certificate
from ipecs_mw.transport.tls import build_context

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
CODES = parse_codes(read_json("codes.json"))
HELD = (401, {"error": {"code": 5, "message": "Already Login"}})
NO_TOKEN = (401, {"error": {"code": 3, "message": "Invalid Token"}})
CUT = (0, None)  # the connection ends without a reply

Answer = tuple[int, Any]


class Scripted:
    """The replies that a host has left to give, and what it was asked: (last part of the path, authorization)."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []


@contextmanager
def scripted(script: Scripted) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.asked.append((self.path.rsplit("/", 1)[-1], self.headers["Authorization"]))
            status, content = script.answers.pop(0)
            if not status:
                self.close_connection = True
                return
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make_certificate(["127.0.0.1"], datetime.now(UTC)).load_into(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "host-main.token"


@pytest.fixture
def client(memory: Path) -> Callable[..., Any]:
    @contextmanager
    def begin(script: Scripted) -> Iterator[HostClient]:
        with scripted(script) as port:
            host = settings(port)
            made = HostClient(
                host, lambda: "pw-pw", build_context(host), COMMANDS, CODES, memory, SystemClock()
            )
            with closing(made):
                yield made

    return begin


def login_ok(token: str) -> Answer:
    return 200, {"token": token, "checkConnectionTimer": 60}


def test_a_login_keeps_its_token_for_what_follows_and_for_after_a_crash(client: Any, memory: Path) -> None:
    script = Scripted(login_ok("token-1"), (200, {"result": []}))
    with client(script) as opened:
        assert opened.login().timer_seconds == 60
        assert opened.call("monitor.start", {"deviceNumber": ["1001"]}) == {"result": []}
    assert script.asked[0][0] == "login"
    assert script.asked[1][1] == "bearer token-1"
    assert json.loads(memory.read_text()) == {"token": "token-1"}
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert logs.mask("a token-1 b") == "a *** b"


def test_a_logout_forgets_the_token(client: Any, memory: Path) -> None:
    with client(Scripted(login_ok("token-1"), (200, None))) as opened:
        opened.login()
        opened.logout()
        assert not memory.exists()
        opened.logout()  # nothing is left to end
        with pytest.raises(SessionError):
            opened.call("checkconnection", {})


def test_an_account_that_a_crash_left_held_is_freed_with_the_remembered_token(
    client: Any, memory: Path
) -> None:
    memory.parent.mkdir()
    memory.write_text('{"token": "token-0"}')
    script = Scripted(HELD, (200, None), login_ok("token-1"))
    with client(script) as opened:
        assert opened.login().token == "token-1"
    assert [path for path, _ in script.asked] == ["login", "logout", "login"]
    assert script.asked[1][1] == "bearer token-0"


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"token": null}', "\x00"])
def test_without_a_readable_token_a_held_account_stays_held(
    client: Any, memory: Path, content: str | None
) -> None:
    memory.parent.mkdir()
    if content is not None:
        memory.write_text(content)
    with client(Scripted(HELD, NO_TOKEN)) as opened, pytest.raises(AlreadyLoggedIn):
        opened.login()


def test_a_remembered_token_that_the_host_refuses_is_tried_once(client: Any, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text('{"token": "token-0"}')
    script = Scripted(HELD, NO_TOKEN, HELD)
    with client(script) as opened:
        for _ in range(2):
            with pytest.raises(AlreadyLoggedIn):
                opened.login()
    assert [path for path, _ in script.asked] == ["login", "logout", "login"]


def test_a_remembered_token_survives_a_network_that_failed(client: Any, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text('{"token": "token-0"}')
    with client(Scripted(HELD, CUT, HELD, (200, None), login_ok("token-1"))) as opened:
        with pytest.raises(AlreadyLoggedIn):
            opened.login()
        assert opened.login().token == "token-1"


def test_a_remembered_token_survives_an_answer_that_says_nothing_of_it(client: Any, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text('{"token": "token-0"}')
    script = Scripted(HELD, (503, None), HELD, (200, None), login_ok("token-1"))
    with client(script) as opened:
        with pytest.raises(AlreadyLoggedIn):
            opened.login()
        assert opened.login().token == "token-1"
    assert [path for path, _ in script.asked] == ["login", "logout", "login", "logout", "login"]


def test_a_logout_leaves_the_token_of_a_later_session(client: Any, memory: Path) -> None:
    with client(Scripted(login_ok("token-1"), (200, None))) as opened:
        opened.login()
        memory.write_text('{"token": "token-2"}')
        opened.logout()
    assert json.loads(memory.read_text()) == {"token": "token-2"}


def test_a_token_that_cannot_be_kept_does_not_end_the_session(client: Any, memory: Path) -> None:
    memory.parent.parent.mkdir(exist_ok=True)
    memory.parent.write_text("a file where the folder should be")
    with client(Scripted(login_ok("token-1"), (200, None))) as opened:
        assert opened.login().token == "token-1"
        opened.logout()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"error": {"code": 2, "message": "Invalid Login Information"}}), LoginRefused),
        ((403, {"error": {"code": 3, "message": "license"}}), CommandRefused),
        (CUT, TransportError),
    ],
)
def test_a_login_that_fails_says_how_and_is_not_repeated(client: Any, answer: Answer, error: Any) -> None:
    script = Scripted(answer)
    with client(script) as opened:
        with pytest.raises(error):
            opened.login()
        assert opened.token is None
    assert len(script.asked) == 1


def test_a_token_that_expired_is_told_as_such(client: Any) -> None:
    with client(Scripted(login_ok("token-1"), NO_TOKEN)) as opened:
        opened.login()
        with pytest.raises(TokenExpired):
            opened.call("checkconnection", {})
