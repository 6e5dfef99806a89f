"""The session with the host breaks: tokens, accounts, sockets, certificates and passwords."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness, ask, count_logins
from faults.recording import Rounds
from sites import PASSWORD, USER, Site, is_streaming, kill, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost

_UP_SECONDS = 40.0
_BACK_SECONDS = 20.0


def begin(witness: Witness, **changes: Any) -> None:
    witness.site.configure(witness.host, **changes)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


@pytest.mark.fault(15, few=2, many=20)
def test_a_token_that_dies_in_mid_session_costs_one_login_for_everybody_and_no_event(
    witness: Witness, rounds: Rounds
) -> None:
    begin(witness)
    for number in rounds:
        if number % 5 == 4:  # a host that forgets its tokens again and again is tried ever more slowly
            witness.site.processes[-1].terminate()
            assert witness.site.processes[-1].wait(60) == 0
            witness.site.start()
            wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
            witness.await_flow()
        witness.host.expire_tokens()
        before, logins = witness.site.count(type="session_up"), count_logins(witness.host)
        asked = [ask(witness.site, "call.status", deviceNumber="1001") for _ in range(4)]
        witness.send(100)
        for look in asked:
            assert wait_until(look, _UP_SECONDS)["state"] == "done"
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.await_flow()
        assert count_logins(witness.host) == logins + 1
        assert witness.site.count(type="session_up") == before + 1
    witness.judge()


@pytest.mark.fault(15)
def test_a_token_that_dies_before_the_websocket_opens_is_renewed_at_once(witness: Witness) -> None:
    begin(witness)
    logins = count_logins(witness.host)
    witness.host.faults.is_refusing_streams = True
    witness.host.drop()
    wait_until(lambda: "error.token_expired" in witness.site.logged(), _UP_SECONDS)
    witness.host.faults.is_refusing_streams = False
    wait_until(lambda: is_streaming(witness.host), _BACK_SECONDS)
    assert count_logins(witness.host) > logins
    witness.judge()


@pytest.mark.fault(16, few=1, many=10)
def test_a_killed_daemon_is_back_within_seconds_although_its_account_was_logged_in(
    witness: Witness, rounds: Rounds
) -> None:
    begin(witness)
    for _ in rounds:
        kill(witness.site.processes[-1])
        watch = Stopwatch()
        witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        assert watch.seconds < 15
        witness.await_flow()
    assert witness.site.logged().count("session.account_freed") == len(rounds)
    assert witness.judge(may_lose=True).gaps == len(rounds)


@pytest.mark.fault(16)
def test_an_account_that_is_held_by_somebody_is_waited_for_with_a_countdown(
    site: Site, host: SimulatedHost
) -> None:
    host.faults.is_refusing_logins = True
    site.configure(host)
    site.start()
    found = wait_until(
        lambda: site.store.database["instances"].find_one({"hosts.host0.state": "waiting_out"}), _UP_SECONDS
    )
    assert found["hosts"]["host0"]["retry_at"] > SystemClock().now() + timedelta(seconds=60)
    assert "waiting until" in site.run("status").stdout
    assert site.logged().count("session.failed") == 1


@pytest.mark.fault(18, few=1, many=3)
def test_a_half_open_connection_is_found_within_forty_seconds_and_leaves_a_gap(
    witness: Witness, rounds: Rounds
) -> None:
    with FaultProxy(witness.host.port) as proxy:
        begin(witness, port=proxy.port)
        for _ in rounds:
            before = witness.site.count(type="session_down")
            proxy.swallow()
            watch = Stopwatch()
            witness.send(10)
            wait_until(lambda before=before: witness.site.logged().count("session.down") > before, 60)
            assert watch.seconds < 40
            wait_until(lambda before=before: witness.site.logged().count("session.up") > before + 1, 60)
            assert watch.seconds < 43, "a dead connection was used again"
            witness.await_flow()
        verdict = witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)


@pytest.mark.parametrize(
    ("how", "code"),
    [("rst", 0), ("fin", 0), *(("close", code) for code in (1001, 1006, 1008, 1011, 1012, 1013))],
)
@pytest.mark.fault(19, few=1, many=3)
def test_whatever_way_a_socket_ends_what_was_received_is_stored(
    witness: Witness, how: Any, code: int, rounds: Rounds
) -> None:
    begin(witness)
    for _ in rounds:
        witness.send(300)
        ups = witness.site.count(type="session_up")
        witness.host.drop(how=how, code=code)
        wait_until(lambda ups=ups: witness.site.count(type="session_up") > ups, _BACK_SECONDS)
        witness.await_flow()
    assert witness.judge().gaps == len(rounds)


@pytest.mark.fault(22, few=1, many=2)
def test_the_waits_of_a_flapping_connection_grow_and_the_log_stays_short(
    witness: Witness, rounds: Rounds
) -> None:
    with FaultProxy(witness.host.port) as proxy:
        begin(witness, port=proxy.port)
        for _ in rounds:
            for _ in range(15):
                proxy.cut()
                time.sleep(1)
        sessions = witness.site.count(type="session_up")
        assert sessions <= 8 + 2 * len(rounds), "the waits do not grow"
        wait_until(lambda: is_streaming(witness.host), 120)
        witness.judge(may_lose=True)
    assert len(witness.site.logged().splitlines()) < 40 + 12 * sessions


@pytest.mark.fault(23, few=1, many=10)
def test_numbers_that_begin_again_after_a_restart_of_the_host_are_no_duplicates(
    witness: Witness, rounds: Rounds
) -> None:
    begin(witness)

    def call() -> None:
        for serial in (1, 2):
            held = {"type": "hold", "callRefID": 9, "evtSerialNum": serial}
            witness.host.send({"event": "call", "data": held})

    call()
    for _ in rounds:
        witness.send(50)
        witness.await_flow()
        witness.host.reboot()
        wait_until(lambda: is_streaming(witness.host), 90)
        call()
    assert witness.judge().gaps == len(rounds)
    for serial in (1, 2):
        assert witness.site.count(kind="call", serial=serial) == len(rounds) + 1
    assert witness.site.count(is_repeat=True) == 0


@pytest.mark.fault(29)
def test_a_wrong_password_is_one_clear_error_and_no_hammering(site: Site) -> None:
    refusing = SimulatedHost(accounts=(Account(USER, "other-than-" + PASSWORD),), is_scripted=False)
    with refusing, FaultProxy(refusing.port) as proxy:
        site.configure(refusing, port=proxy.port)
        site.start()
        wait_until(lambda: "needs_attention" in read_states(site), _UP_SECONDS)
        (instance,) = site.store.database["instances"].find()
        assert instance["hosts"]["host0"]["retry_at"] > SystemClock().now() + timedelta(seconds=240)
        tried = proxy.accepted
        time.sleep(5)
        assert proxy.accepted == tried
        assert count_logins(refusing) == 1
        kill(site.processes[-1])
    (told,) = [line for line in site.logged().splitlines() if "session.failed" in line]
    assert "refuses the user or the password" in told


def read_states(site: Site) -> str:
    return json.dumps(
        [instance.get("hosts") for instance in site.store.database["instances"].find()], default=str
    )
