"""The truth and the variants as tests and people at a shell ask for them: from Python and on the control port."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests
from sites import wait_until

from ipecs_mw.simulator import SimulatedHost, Variants
from ipecs_mw.simulator.host.control import Control
from ipecs_mw.simulator.pbx import calls

Build = Callable[..., SimulatedHost]
OUTSIDE = "61234567"


def call_in(host: SimulatedHost, target: str = "620") -> int:
    def act(exchange: Any) -> int:
        call = calls.arrive(exchange.pbx, OUTSIDE, "6500620", target)
        assert call is not None
        return call.ref

    return host.operate(act)


def pass_time(host: SimulatedHost, seconds: float) -> None:
    def act(exchange: Any) -> None:
        table = exchange.pbx.timetable
        table.run_until(table.now_seconds + seconds)

    host.operate(act)


def ask(control: Control, path: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"http://127.0.0.1:{control.port}{path}", timeout=30)


def test_the_control_port_tells_the_truth_since_an_instant(host: SimulatedHost) -> None:
    ref = call_in(host)
    host.operate(lambda exchange: calls.hang_up_outside(exchange.pbx, exchange.pbx.calls[ref]))
    pass_time(host, 1000)
    other = call_in(host, "1000")
    with Control(host, 0) as control:
        told = ask(control, "/truth").json()
        assert [c["refs"] for c in told["conversations"]] == [[ref], [other]]
        assert [c["is_open"] for c in told["conversations"]] == [False, True]
        later = ask(control, "/truth?since=500.5").json()
        assert [c["refs"] for c in later["conversations"]] == [[other]]
        assert host.truth(500.5)["conversations"] == later["conversations"]
        assert later["now_seconds"] >= 1000


@pytest.mark.parametrize(
    ("query", "argument", "allowed"),
    [("since=yesterday", "since", "seconds"), ("since=-1", "since", "from 0"), ("until=5", "until", "since")],
)
def test_a_wrong_question_for_the_truth_is_named_with_what_is_allowed(
    host: SimulatedHost, query: str, argument: str, allowed: str
) -> None:
    with Control(host, 0) as control:
        reply = ask(control, f"/truth?{query}")
        assert (reply.status_code, reply.json()["argument"]) == (400, argument)
        assert allowed in reply.json()["allowed"]
        assert ask(control, "/lies").status_code == 404


def test_variants_change_on_the_control_port_while_the_host_runs(build_host: Build) -> None:
    host = build_host(variants=Variants(transfer_ref="active"))
    with Control(host, 0) as control, requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{control.port}/vary"
        reply = session.post(url, json={"bins": "number", "unanswered_share": 0.5}, timeout=60)
        found = reply.json()["result"]
        assert (found["bins"], found["transfer_ref"], found["unanswered_share"]) == ("number", "active", 0.5)
        assert ask(control, "/").json()["variants"] == found
        assert host.operate(lambda exchange: exchange.pbx.bin_of(exchange.pbx.groups["620"])) == "620"
        for given, allowed in (
            ({"bins": "letters"}, "number"),
            ({"records": "none"}, "segment"),
            ({"unanswered_share": 2}, "1"),
            ({"announcement": "hello"}, "regex"),
            ({"mood": "good"}, "transfer_ref"),
        ):
            reply = session.post(url, json=given, timeout=60)
            (argument,) = given
            assert (reply.status_code, reply.json()["argument"]) == (400, argument)
            assert allowed in reply.json()["allowed"]
        assert ask(control, "/").json()["variants"] == found, "nothing of what is wrong is taken"


def test_the_clock_of_the_phone_system_goes_with_the_simulated_day(build_host: Build) -> None:
    host = build_host(begins_at=datetime(2026, 3, 2, 8, 0))  # noqa: DTZ001 - the PBX's local time
    pass_time(host, 3600)
    call_in(host)
    told = host.truth()
    (conversation,) = told["conversations"]
    assert conversation["began_at"].startswith("2026-03-02T09:00:")
    assert conversation["began_at"].endswith("+08:00")
    shown = datetime.fromisoformat(conversation["began_at"])
    seconds = (shown - datetime.fromisoformat("2026-03-02T08:00:00+08:00")).total_seconds()
    assert seconds == pytest.approx(conversation["began_seconds"], abs=0.002)


def test_the_truth_outlives_a_restart_of_the_phone_system(host: SimulatedHost) -> None:
    call_in(host)
    pass_time(host, 100)
    host.reboot()
    call_in(host)
    before, after = host.truth()["conversations"]
    assert (before["outcome"], before["ended_by"], before["refs"]) == ("unknown", "reboot", [1])
    assert (after["is_open"], after["refs"]) == (True, [1])
    assert after["began_seconds"] >= before["ended_seconds"] >= 100


def test_the_truth_of_a_scripted_day_at_speed_is_that_of_its_seed(build_host: Build) -> None:
    def live() -> list[Any]:
        host = build_host(is_scripted=True, speed=1.0, seed=7, begins_at=datetime(2026, 3, 2, 8, 0))  # noqa: DTZ001
        pass_time(host, 1800)
        return [c for c in host.truth()["conversations"] if c.get("ended_seconds", 1e9) < 1800]

    first = live()
    assert len(first) > 50
    assert first == live()


def test_the_simulated_time_stands_still_at_the_end_of_the_day_and_while_it_is_paused(
    build_host: Build,
) -> None:
    host = build_host(speed=1000.0, day_seconds=500)
    wait_until(lambda: host.truth(1e9)["now_seconds"] == 500)
    other = build_host(speed=1000.0)
    other.faults.is_paused = True
    stands_at = other.truth()["now_seconds"]  # a tick is over before the next question is answered
    pass_time(other, 10)
    assert other.truth()["now_seconds"] == pytest.approx(stands_at + 10, abs=0.01)
