"""MongoDB answers writes late, wrongly or not at all, elects another primary, or is no replica set."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness, ask
from faults.recording import Rounds
from faults.servers import ReplicaSet, await_failures, fail_point
from pymongo.errors import PyMongoError
from sites import Site, is_streaming, kill, wait_until

from ipecs_mw.simulator import SimulatedHost

_UP_SECONDS = 60.0
_INSERT_OF_EVENTS = b"insert\x00\x07\x00\x00\x00events"


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


def judge_untouched(witness: Witness) -> None:
    """Judge, and see that the connection to the host never noticed."""
    assert witness.judge().gaps == 0
    assert witness.site.count(type="session_up") == 1


def fail_inserts(own_set: ReplicaSet, times: int, **data: Any) -> int:
    """Have the next inserts of the daemon fail; return how many have done so up to now."""
    with own_set.servers[0].client() as client:
        return fail_point(client, "failCommand", times, failCommands=["insert"], appName="ipecs-mw", **data)


def await_failed(own_set: ReplicaSet, count: int) -> None:
    """Wait until so many inserts have failed, counted as `fail_inserts` does."""
    with own_set.servers[0].client() as client:
        await_failures(client, "failCommand", count)


@pytest.mark.fault(6, few=4, many=40)
def test_a_batch_whose_reply_is_lost_after_the_write_is_stored_once(
    own_set: ReplicaSet, build_site: Callable[..., Site], host: SimulatedHost, sent_log: Any, rounds: Rounds
) -> None:
    with FaultProxy(own_set.servers[0].port) as proxy:
        uri = f"mongodb://127.0.0.1:{proxy.port}/test_{uuid.uuid4().hex[:12]}?directConnection=true"
        witness = Witness(build_site(uri), host, sent_log)
        begin(witness)
        for _ in rounds:
            before = proxy.cut_replies
            proxy.fatal_request = _INSERT_OF_EVENTS
            witness.send(200)
            wait_until(lambda before=before: proxy.cut_replies > before + 1, _UP_SECONDS)
            proxy.fatal_request = None
            witness.await_flow()
        judge_untouched(witness)


@pytest.mark.fault(7, few=4, many=40)
def test_a_write_concern_error_is_written_again_and_stored_once(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness)
    for number in rounds:
        wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)
        concern = {"code": (64, 91, 100, 189)[number % 4], "errmsg": "not by a majority"}
        before = fail_inserts(own_set, 1_000_000, writeConcernError=concern)
        own_witness.send(200)
        await_failed(own_set, before + 3)
        # they are there, yet MongoDB may take them back
        wait_until(lambda: own_witness.count_rings(own_witness.next - 200) == 1, _UP_SECONDS)
        wait_until(lambda: own_witness.count_waiting() >= 200, _UP_SECONDS)
        fail_inserts(own_set, 0)
        own_witness.await_flow()
    judge_untouched(own_witness)


@pytest.mark.fault(7, 36)
def test_what_was_written_and_not_confirmed_when_the_daemon_was_killed_is_stored_once(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    begin(own_witness)
    wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)
    fail_inserts(own_set, 1_000_000, writeConcernError={"code": 64, "errmsg": "not by a majority"})
    try:
        own_witness.send(200)
        wait_until(lambda: own_witness.count_rings(own_witness.next - 200) == 1, _UP_SECONDS)
        kill(own_witness.site.processes[-1])
    finally:
        fail_inserts(own_set, 0)
    own_witness.site.start()
    wait_until(lambda: is_streaming(own_witness.host), _UP_SECONDS)
    assert own_witness.judge(may_lose=True).gaps == 1


@pytest.mark.parametrize(
    ("code", "level"),
    [(10107, None), (50, "WARNING"), (13, "ERROR"), (14031, "ERROR"), (8000, "ERROR")],
)
@pytest.mark.fault(8, few=1, many=3)
def test_a_server_that_refuses_is_told_apart_and_nothing_is_dropped(
    own_witness: Witness, own_set: ReplicaSet, code: int, level: str | None, rounds: Rounds
) -> None:
    begin(own_witness)
    for _ in rounds:
        before = own_witness.site.logged().count("forwarding.stalled")
        failed = fail_inserts(own_set, 4, errorCode=code)
        own_witness.send(200)
        await_failed(own_set, failed + 4)
        if level is not None:  # else the driver asks again by itself
            wait_until(
                lambda before=before: own_witness.site.logged().count("forwarding.stalled") > before,
                _UP_SECONDS,
            )
        own_witness.await_flow()
    stalls = [line for line in own_witness.site.logged().splitlines() if "forwarding.stalled" in line]
    assert bool(stalls) is (level is not None)
    assert all(f" {level} " in line for line in stalls), stalls
    judge_untouched(own_witness)


@pytest.mark.fault(9, few=1, many=2)
def test_inserts_that_take_two_seconds_hold_up_neither_reading_nor_pings(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness)
    for _ in rounds:
        failed = fail_inserts(own_set, 1_000_000, blockConnection=True, blockTimeMS=2000)
        own_witness.send(4000)
        wait_until(
            lambda: own_witness.count_waiting() >= 2000, _UP_SECONDS
        )  # read on while the first are written
        await_failed(own_set, failed + 2)
        own_witness.await_flow(120)
        fail_inserts(own_set, 0)
    judge_untouched(own_witness)


@pytest.mark.fault(5, few=2, many=12)
def test_a_primary_that_steps_down_or_dies_costs_nothing(
    three: ReplicaSet, build_site: Callable[..., Site], host: SimulatedHost, sent_log: Any, rounds: Rounds
) -> None:
    witness = Witness(build_site(three.make_uri(f"test_{uuid.uuid4().hex[:12]}")), host, sent_log)
    begin(witness)
    for number in rounds:
        primary = wait_until(three.find_primary, _UP_SECONDS)
        witness.send(500)
        if number % 2:
            primary.kill()
            witness.send(500)
            wait_until(three.find_primary, _UP_SECONDS)
            primary.start()
        else:
            with primary.client() as client:
                wait_until(lambda client=client: step_down(client), _UP_SECONDS)
            witness.send(500)
        witness.await_flow()
    judge_untouched(witness)


def step_down(client: Any) -> bool:
    """Have the primary step down; refused as long as no other member has caught up."""
    try:
        client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=3)
    except PyMongoError:
        return not client.admin.command("hello")["isWritablePrimary"]
    return True


@pytest.mark.fault(10)
def test_on_a_standalone_server_events_flow_and_commands_are_noticed_by_looking(
    standalone_uri: str, build_site: Callable[..., Site], host: SimulatedHost, sent_log: Any
) -> None:
    witness = Witness(build_site(standalone_uri + f"test_{uuid.uuid4().hex[:12]}"), host, sent_log)
    begin(witness)
    witness.send(500)
    look = ask(witness.site, "call.status", deviceNumber="1001")
    assert wait_until(look, _UP_SECONDS)["state"] == "done"
    judge_untouched(witness)


@pytest.mark.fault(11, few=2, many=10)
def test_a_change_stream_whose_history_is_lost_has_everything_read_again(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness)
    site = own_witness.site
    for number in rounds:
        before = site.logged().count("configuration.watch_interrupted")
        last = str(1003 + number)
        with own_set.servers[0].client() as client:
            data = {"failCommands": ["getMore", "aggregate"], "errorCode": 286, "appName": "ipecs-mw"}
            fail_point(client, "failCommand", 10_000, **data)
            wait_until(
                lambda before=before: site.logged().count("configuration.watch_interrupted") > before,
                _UP_SECONDS,
            )
            # nothing watches now, and what is written meanwhile no stream will tell
            changes = {"$set": {"hosts.0.monitor": [f"1000-{last}"]}, "$inc": {"revision": 1}}
            site.store.database["config"].update_one({"_id": "default"}, changes)
            look = ask(site, "call.status", deviceNumber="1001")
            fail_point(client, "failCommand", 0)
        wait_until(lambda last=last: last in monitored(own_witness.host), _UP_SECONDS)
        assert wait_until(look, _UP_SECONDS)["state"] == "done"
    judge_untouched(own_witness)


def monitored(host: SimulatedHost) -> set[str]:
    return {number for session in host.sessions.values() for number in session.monitored}
