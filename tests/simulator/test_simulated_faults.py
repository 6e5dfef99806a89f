"""How the simulated host breaks things, and what it counts as sent."""

import base64
import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.client import Client, read_event, read_type
from sites import wait_until
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from ipecs_mw.errors import CannotStart
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.simulator.host.control import Control

New = Callable[..., Client]
Build = Callable[..., SimulatedHost]


def read_all(socket: Any) -> tuple[list[Any], ConnectionClosed]:
    """Return what arrives until the connection ends, and how it ended."""
    received = []
    try:
        while True:
            received.append(socket.recv(timeout=60))
    except ConnectionClosed as closed:
        return received, closed


@pytest.mark.parametrize("code", [1001, 1008, 1011, 1012, 1013])
def test_a_close_frame_carries_the_code_asked_for(client: Client, code: int) -> None:
    with client.stream() as socket:
        client.host.drop(how="close", code=code)
        _, closed = read_all(socket)
    assert closed.rcvd is not None
    assert closed.rcvd.code == code


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_a_dropped_socket_has_no_close_frame_and_everything_sent_before_arrives(
    client: Client, how: Any
) -> None:
    with client.stream() as socket:
        for number in range(200):
            client.host.send({"event": "acd", "data": {"eventCode": 66, "data1": number}})
        assert client.host.drop(how=how) == 1
        received, closed = read_all(socket)
    assert isinstance(closed, ConnectionClosedError)
    assert closed.rcvd is None
    assert [json.loads(frame)["data"]["data1"] for frame in received] == list(range(200))
    assert client.host.sent == 200


def test_frames_go_out_as_they_are_given(client: Client) -> None:
    with client.stream() as socket:
        client.host.send('{"a": "\x01"}')
        client.host.send(b"\x00\xff")
        client.host.send("한글".encode("cp949"), is_text=True)
        client.host.send("x" * 200_000)
        assert socket.recv(timeout=60) == '{"a": "\x01"}'
        assert socket.recv(timeout=60) == b"\x00\xff"
        assert socket.recv(timeout=60, decode=False) == "한글".encode("cp949")
        assert len(socket.recv(timeout=60)) == 200_000


def test_the_log_of_what_was_sent_has_every_frame_and_nothing_else(
    build_host: Build, new_client: New, tmp_path: Path
) -> None:
    path = tmp_path / "sent.jsonl"
    host = build_host(sent_log=path)
    client = new_client(host)
    client.log_in()
    host.send("nobody is there")
    with client.stream() as socket:
        host.send("one")
        host.send(b"\xff")
        socket.recv(timeout=60)
        socket.recv(timeout=60)
    host.stop()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"n": 1, "connection": 1, "frame": "one"},
        {"n": 2, "connection": 1, "frame_base64": base64.b64encode(b"\xff").decode()},
    ]
    assert host.sent == 2


def test_skipped_serial_numbers_show_as_a_jump(client: Client) -> None:
    with client.stream() as socket:
        client.call("monitor", deviceNumber=["1000"])
        client.call("dnd", deviceNumber="1000", DN="1000", svcType="enable")
        client.host.skip_serials(5)
        client.call("dnd", deviceNumber="1000", DN="1000", svcType="disable")
        serials = [read_type(socket, "dnd")["evtSerialNum"] for _ in range(2)]
    assert serials == [1, 7]


def test_expired_tokens_are_refused_while_the_socket_stays_until_the_next_login(client: Client) -> None:
    with client.stream() as socket:
        client.host.expire_tokens()
        assert client.ask("POST", "checkconnection").status_code == 401
        client.host.beat()
        assert read_event(socket, lambda data: data["eventCode"] == 68)
        assert client.log_in().ok
        read_all(socket)


def test_after_a_reboot_references_begin_again_and_nobody_is_logged_in(client: Client) -> None:
    first = client.call("make", deviceNumber="1000", calledDN="1001").json()["data"]["callRefID"]
    client.host.reboot()
    assert client.ask("POST", "checkconnection").status_code == 401
    assert client.log_in().ok
    assert client.call("make", deviceNumber="1000", calledDN="1001").json()["data"]["callRefID"] == first == 1


def test_a_silent_host_sends_nothing_but_answers_pings(client: Client) -> None:
    with client.stream() as socket:
        client.host.faults.is_silent = True
        client.host.beat()
        assert socket.ping().wait(5)
        assert client.host.sent == 0


def test_ignored_pings_get_no_pong_while_events_flow(client: Client) -> None:
    with client.stream() as socket:
        client.host.faults.is_ignoring_pings = True
        pong = socket.ping()
        client.host.beat()
        socket.recv(timeout=60)
        assert not pong.is_set()


def test_switches_refuse_logins_and_handshakes(client: Client) -> None:
    client.host.faults.is_refusing_streams = True
    with pytest.raises(Exception, match="401"), client.stream():
        pass
    client.host.faults.is_refusing_logins = True
    assert client.log_in().json()["error"]["message"] == "Already Login"


def test_a_switch_admits_an_account_twice_and_it_is_counted(client: Client) -> None:
    client.host.faults.is_admitting_twice = True
    with client.stream():
        assert client.log_in().status_code == 200
        with client.stream():
            assert sum(session.is_streaming for session in client.host.sessions.values()) == 2
    assert client.host.operate(lambda exchange: exchange.sessions.most_streams) == 2


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("500", 500, b"Internal Server Error"),
        ("503", 503, b"Service Unavailable"),
        ("html", 200, b"<html>"),
        ("empty", 200, b""),
        ("redirect", 302, b""),
        ("truncated", 200, b'{"data": {"callRef'),
    ],
)
def test_a_wrong_reply_is_given_once(client: Client, kind: str, status: int, content: bytes) -> None:
    client.host.answer_wrongly(kind)
    reply = client.ask("POST", "checkconnection", allow_redirects=False)
    assert reply.status_code == status
    assert reply.content.startswith(content)
    assert client.ask("POST", "checkconnection").json() == {}


@pytest.mark.parametrize(("kind", "failure"), [("silent", "Timeout"), ("cut", "ConnectionError")])
def test_a_request_can_stay_without_a_reply(client: Client, kind: str, failure: str) -> None:
    client.host.answer_wrongly(kind, feature="call/make")
    with pytest.raises(getattr(requests, failure)):
        client.ask("POST", "call/make", json={"deviceNumber": "1000", "calledDN": "1001"}, timeout=0.3)
    assert client.host.operate(lambda exchange: len(exchange.pbx.calls)) == 0


def test_a_lost_reply_leaves_the_request_carried_out(client: Client) -> None:
    client.host.answer_wrongly("lost", feature="call/make")
    with pytest.raises(requests.ConnectionError):
        client.call("make", deviceNumber="1000", calledDN="1001")
    assert client.host.operate(lambda exchange: len(exchange.pbx.calls)) == 1


def test_a_slow_reply_comes_byte_by_byte(client: Client) -> None:
    client.host.answer_wrongly("slow")
    with client.ask("POST", "checkconnection", stream=True) as reply:
        assert next(reply.iter_content(1)) == b"{"


def test_an_unknown_kind_of_fault_is_an_error(host: SimulatedHost) -> None:
    with pytest.raises(ValueError, match="sideways"):
        host.answer_wrongly("sideways")
    with pytest.raises(ValueError, match="sideways"):
        host.drop(how="sideways")  # type: ignore[arg-type]


def test_a_changed_certificate_is_another_one(host: SimulatedHost) -> None:
    before = host.fingerprint_sha256
    host.change_certificate()
    pem = ssl.get_server_certificate(("127.0.0.1", host.port))
    assert pem.strip() == host.certificate_pem.strip()
    assert host.fingerprint_sha256 != before


@pytest.mark.parametrize("how", [{"days": -1}, {"names": ["elsewhere.invalid"]}])
def test_a_certificate_can_be_expired_or_for_another_name(host: SimulatedHost, how: dict[str, Any]) -> None:
    made = host.change_certificate(**how)
    context = ssl.create_default_context(cadata=made.pem)
    with socket.create_connection(("127.0.0.1", host.port)) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_a_port_in_use_is_a_clear_error(host: SimulatedHost, build_host: Build) -> None:
    with pytest.raises(CannotStart, match="simulator_port_taken"):
        build_host(port=host.port)


def test_the_control_interface_tells_the_state_and_drives_calls_and_faults(client: Client) -> None:
    with Control(client.host, 0) as control, client.stream() as stream, requests.Session() as session:
        session.trust_env = False
        base = f"http://127.0.0.1:{control.port}/"

        def do(action: str, **arguments: Any) -> Any:
            return session.post(base + action, json=arguments, timeout=60)

        assert do("arrive", outside="61234567", did="6500620", target="1001").json() == {"result": 1}
        assert read_event(stream, lambda data: data["eventCode"] == 3)["callRefID"] == 1
        assert do("answer", number="1001", ref=1).ok
        state = session.get(base, timeout=60).json()
        assert state["stations"]["1001"] == "trk_talk"
        assert state["sessions"]["apiuser"]["is_streaming"]
        assert do("hang-up-outside", ref=1).ok
        assert do("switch", is_silent=True).json()["result"]["is_silent"]
        assert do("answer", number="1001", ref=1).status_code == 409
        assert do("switch", is_sillent=True).status_code == 400
        assert do("dance").status_code == 404
        assert session.post(base + "beat", data="{}", timeout=60).status_code == 400
        assert do("drop", how="close", code=1012).json() == {"result": 1}
    wait_until(lambda: not client.host.sessions["apiuser"].is_streaming)


def test_a_host_that_comes_back_keeps_its_port_its_certificate_and_its_call_records(client: Client) -> None:
    host, pem = client.host, client.host.certificate_pem
    port = host.port
    with Control(host, 0) as control, requests.Session() as session:
        session.trust_env = False
        session.post(
            f"http://127.0.0.1:{control.port}/arrive",
            json={"outside": "61234567", "did": "1", "target": "1001"},
            timeout=60,
        )
        session.post(f"http://127.0.0.1:{control.port}/hang-up-outside", json={"ref": 1}, timeout=60)
    host.stop()
    with pytest.raises(requests.ConnectionError):
        client.ask("POST", "checkconnection")
    host.start()
    assert (host.port, host.certificate_pem) == (port, pem)
    assert client.log_in().ok
    assert client.ask("GET", "smdr", params={"countOnly": "true"}).json() == {"count": 1}


def test_a_rate_is_kept_and_silence_does_not_stop_the_host(build_host: Build, new_client: New) -> None:
    host = build_host(is_scripted=True, rate=2000.0, speed=60.0)
    client = new_client(host)
    client.log_in()
    with client.stream() as socket:
        for _ in range(500):
            socket.recv(timeout=60)
        host.faults.is_silent = True
        assert client.ask("POST", "checkconnection").ok
