"""Who may log in at the simulated host, for how long, and what a WebSocket has to do with it."""

import ssl
from collections.abc import Callable, Iterator

import pytest
from simulator.client import Client
from sites import wait_until
from support import FakeClock
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ipecs_mw.simulator import SimulatedHost

New = Callable[..., Client]
Build = Callable[..., SimulatedHost]


def error_of(reply: object) -> tuple[int, int, str]:
    error = reply.json()["error"]  # type: ignore[attr-defined]
    return reply.status_code, error["code"], error["message"]  # type: ignore[attr-defined]


def test_a_login_gives_a_token_the_timer_and_with_cti_the_number_of_terminals(
    host: SimulatedHost, new_client: New
) -> None:
    reply = new_client(host).log_in().json()
    assert set(reply) == {
        "token",
        "checkConnectionTimer",
        "systemType",
        "systemVersion",
        "apiVersion",
        "terminalCount",
    }
    assert (reply["checkConnectionTimer"], reply["terminalCount"]) == (120, 20)
    assert "terminalCount" not in new_client(host, "records").log_in().json()


@pytest.mark.parametrize(("user", "password"), [("apiuser", "wrong"), ("nobody", "secret-pass")])
def test_a_wrong_user_or_password_is_401_code_2(
    host: SimulatedHost, new_client: New, user: str, password: str
) -> None:
    assert error_of(new_client(host, user).log_in(password)) == (401, 2, "Invalid Login Information")


def test_an_account_logs_in_only_once_until_it_logs_out(host: SimulatedHost, client: Client) -> None:
    token = client.token
    status, _, message = error_of(client.log_in())
    assert (status, message) == (401, "Already Login")
    client.token = token
    reply = client.ask("POST", "logout")
    assert (reply.status_code, reply.content) == (200, b"")
    assert client.log_in().ok


def test_a_fourth_account_is_refused(host: SimulatedHost, new_client: New) -> None:
    for user in ("apiuser", "second", "third"):
        assert new_client(host, user).log_in().ok
    assert new_client(host, "fourth").log_in().status_code == 403


def test_a_wrong_token_is_401_code_3_on_rest_and_at_the_handshake(client: Client) -> None:
    client.token = "stale"
    assert error_of(client.ask("POST", "checkconnection")) == (401, 3, "Invalid Token")
    with pytest.raises(InvalidStatus) as caught, client.stream():
        pass
    assert caught.value.response.status_code == 401
    assert b'"code": 3' in (caught.value.response.body or b"")


def test_a_token_of_another_account_is_a_mismatch(
    host: SimulatedHost, client: Client, new_client: New
) -> None:
    other = new_client(host, "second")
    other.token = client.token
    assert error_of(other.ask("POST", "checkconnection"))[:2] == (401, 4)


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    return FakeClock(is_manual=True)


def test_a_token_dies_when_nothing_renews_it(build_host: Build, new_client: New, clock: FakeClock) -> None:
    client = new_client(build_host(clock=clock))
    client.log_in()
    clock.advance(119)
    assert client.ask("POST", "checkconnection").ok
    clock.advance(119)
    assert client.ask("POST", "checkconnection").ok
    clock.advance(121)
    assert error_of(client.ask("POST", "checkconnection"))[:2] == (401, 3)
    assert client.log_in().ok


def test_an_open_websocket_keeps_the_session(build_host: Build, new_client: New, clock: FakeClock) -> None:
    host = build_host(clock=clock)
    client = new_client(host)
    client.log_in()
    with client.stream():
        clock.advance(500)
        assert client.ask("POST", "checkconnection").ok
        clock.advance(500)
    wait_until(lambda: not host.sessions["apiuser"].is_streaming)
    assert client.ask("POST", "checkconnection").ok
    clock.advance(121)
    assert client.ask("POST", "checkconnection").status_code == 401


@pytest.mark.parametrize("path", ["/ipxapi", "{base}/acd", "{base}/login"])
def test_all_three_documented_paths_of_the_websocket_are_taken(client: Client, path: str) -> None:
    with client.stream(path.format(base=client.base)) as socket:
        client.host.beat()
        assert b'"eventCode":68' in socket.recv(timeout=60, decode=False)


def test_another_path_of_the_websocket_is_404(client: Client) -> None:
    with pytest.raises(InvalidStatus) as caught, client.stream(f"{client.base}/events"):
        pass
    assert caught.value.response.status_code == 404


def test_the_newest_websocket_of_an_account_replaces_the_earlier_one(client: Client) -> None:
    with client.stream() as first, client.stream() as second:
        with pytest.raises(ConnectionClosed) as caught:
            first.recv(timeout=60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        client.host.beat()
        assert second.recv(timeout=60)


def test_monitors_end_with_their_connection(client: Client) -> None:
    with client.stream():
        client.call("monitor", deviceNumber=["1000"])
        assert client.host.sessions["apiuser"].monitored == {"1000"}
    wait_until(lambda: not client.host.sessions["apiuser"].is_streaming)
    assert client.host.sessions["apiuser"].monitored == frozenset()


def test_a_restart_keeps_port_and_fingerprint_where_the_certificate_is_kept(
    build_host: Build, tmp_path: object
) -> None:
    first = build_host(certificate_dir=tmp_path)
    port, fingerprint = first.port, first.fingerprint_sha256
    first.stop()
    again = build_host(certificate_dir=tmp_path, port=port)
    assert (again.port, again.fingerprint_sha256) == (port, fingerprint)


def test_the_certificate_names_localhost_and_its_fingerprint_is_the_one_told(host: SimulatedHost) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", host.port))
    assert pem.strip() == host.certificate_pem.strip()
