"""The host answers requests wrongly, slowly or not at all, or shows another certificate."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness, ask, count_logins
from faults.recording import Rounds
from sites import PASSWORD, USER, is_streaming, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.simulator.wire.faults import KINDS
from ipecs_mw.store.schema.examination import STORED

_UP_SECONDS = 60.0
_DEADLINE_SECONDS = 25.0
_OUTSIDE = "61234567"
_UNKNOWN = ["queued", "sent", "unknown"]
_RESOLVED = [*_UNKNOWN, "done"]


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


ERRORS = {
    "empty": None,  # what some requests promise, and this one cannot tell from
    "500": "reply_unreadable",
    "503": "reply_unreadable",
    "html": "reply_unreadable",
    "redirect": "reply_unreadable",
    "truncated": "reply_unreadable",
    "slow": "deadline",
    "silent": "deadline",
    "cut": "reply_lost",
    "lost": "reply_lost",
}
"""A wrong reply → the name of the error with which its command ends as unknown: it may have been carried out."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault(26, few=1, many=2)
def test_a_wrong_reply_ends_its_command_in_time_with_a_name_and_touches_no_event(
    witness: Witness, kind: str, rounds: Rounds
) -> None:
    begin(witness)
    for _ in rounds:
        witness.host.answer_wrongly(kind, feature="call/make")
        watch = Stopwatch()
        look = ask(witness.site, "call.make", deviceNumber="1001", calledDN="1002")
        request = wait_until(look, _UP_SECONDS)
        assert watch.seconds < _DEADLINE_SECONDS
        if "resolved_by" in request:  # an event has shown by now that it was carried out
            assert kind == "lost"
        else:
            assert request["state"] == ("done" if ERRORS[kind] is None else "unknown")
            assert request.get("error", {}).get("name") == ERRORS[kind]
        witness.await_flow()
    assert witness.judge().gaps == 0
    assert witness.site.count(type="session_up") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault(26)
def test_a_wrong_reply_to_the_login_is_told_and_tried_again(witness: Witness, kind: str) -> None:
    begin(witness)
    witness.host.answer_wrongly(kind, feature="login")
    witness.host.drop()
    wait_until(lambda: "session.failed" in witness.site.logged(), _UP_SECONDS)
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    assert witness.judge().gaps == 1
    assert witness.site.logged().count("session.failed") == 1
    assert "Traceback" not in witness.site.logged()


@pytest.mark.fault(27, few=2, many=20)
def test_a_call_whose_reply_is_lost_is_not_made_twice_and_its_events_tell_whether_it_was_made(
    witness: Witness, rounds: Rounds
) -> None:
    begin(witness)
    expected: dict[Any, list[str]] = {}
    with witness.site.store.database["requests"].watch(max_await_time_ms=1000) as changes:
        for number in rounds:
            call = {"deviceNumber": str(1001 + number % 8), "calledDN": _OUTSIDE}
            # the second is the same command: what it causes says nothing of the first
            unmade = lose(witness, "cut", 0, "call.make", **call)
            made = lose(witness, "lost", 1, "call.make", **call)
            event = await_proof(witness, made)
            assert event["type"] in ("alerting", "connected")
            assert (event["data"]["device_number"], event["data"]["called_dn"]) == tuple(call.values())
            leg = {"deviceNumber": call["deviceNumber"], "callRefID": event["call_ref"]}
            unended = lose(witness, "cut", 0, "call.clear", **leg)
            ended = lose(witness, "lost", -1, "call.clear", **leg)
            assert await_proof(witness, ended)["type"] == "released"
            expected |= dict.fromkeys((unmade, unended), _UNKNOWN)
            expected |= dict.fromkeys((made, ended), _RESOLVED)
        witness.judge(may_lose=True)
        assert read_states(changes, expected) == expected
    for request in witness.site.store.database["requests"].find():
        assert ("error" in request) is (request["state"] == "unknown")
        assert "result" not in request


def lose(witness: Witness, how: str, difference: int, command: str, **arguments: Any) -> Any:
    """Give a command whose reply is lost and that makes so many calls more; return its id once it has ended."""
    before = witness.host.operate(lambda exchange: len(exchange.pbx.calls))
    witness.host.answer_wrongly(how, feature=command.replace(".", "/"))
    request = wait_until(ask(witness.site, command, **arguments), _UP_SECONDS)
    assert witness.host.operate(lambda exchange: len(exchange.pbx.calls)) == before + difference
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    return request["_id"]


def await_proof(witness: Witness, request_id: Any) -> Any:
    """Return the event that resolves a request, once it has."""
    database = witness.site.store.database
    done = wait_until(
        lambda: database["requests"].find_one({"_id": request_id, "state": "done"}), _UP_SECONDS
    )
    return database["events"].find_one({"_id": done["resolved_by"]})


def read_states(changes: Any, expected: Mapping[Any, Sequence[str]]) -> dict[Any, list[str]]:
    """Return the states that each request went through, read until there are as many as expected."""
    found: dict[Any, list[str]] = {}
    while sum(map(len, found.values())) < sum(map(len, expected.values())):
        change = changes.try_next()
        assert change is not None, f"no more states than {found}"
        document = change.get("fullDocument") or change["updateDescription"]["updatedFields"]
        if "state" in document:
            found.setdefault(change["documentKey"]["_id"], []).append(document["state"])
    return found


@pytest.mark.parametrize(("days", "names"), [(3650, None), (-1, None), (3650, ["pbx.example"])])
@pytest.mark.fault(28)
def test_another_certificate_is_refused_before_anything_is_sent_with_both_fingerprints(
    witness: Witness, days: int, names: list[str] | None
) -> None:
    begin(witness)
    pinned, logins = witness.host.fingerprint_sha256, count_logins(witness.host)
    witness.host.change_certificate(days=days, names=names)
    witness.host.drop()
    wait_until(lambda: "error.certificate_changed" in witness.site.logged(), _UP_SECONDS)
    told = witness.site.logged().replace(":", "").lower()
    assert pinned.replace(":", "").lower() in told
    assert witness.host.fingerprint_sha256.replace(":", "").lower() in told
    found = wait_until(
        lambda: witness.site.store.database["instances"].find_one({"hosts.host0.state": "needs_attention"}),
        _UP_SECONDS,
    )
    assert found["hosts"]["host0"]["retry_at"] > SystemClock().now() + timedelta(seconds=60)
    assert not is_streaming(witness.host)
    assert count_logins(witness.host) == logins
    assert witness.site.logged().count("error.certificate_changed") <= 2


@pytest.mark.fault(28)
def test_a_host_in_the_middle_with_another_certificate_sees_neither_password_nor_token(
    witness: Witness, host: SimulatedHost
) -> None:
    with FaultProxy(host.port) as proxy:
        witness.site.configure(host, port=proxy.port, tls={"verify": "pin", "fingerprint_sha256": "ab" * 32})
        witness.site.start()
        wait_until(lambda: "error.certificate_changed" in witness.site.logged(), _UP_SECONDS)
        assert count_logins(host) == 0
        tried = proxy.accepted
        time.sleep(4)
        assert proxy.accepted == tried, "tried again at once"
    assert PASSWORD not in witness.site.logged()


@pytest.mark.fault(35)
def test_no_secret_is_in_anything_that_a_run_with_many_faults_writes(witness: Witness) -> None:
    begin(witness)
    tokens = [read_token(witness.host)]
    witness.host.send(
        {"event": "smdr", "data": {"StationNumber": "1001", "AccountCode": "STA-P[4711471147]"}}
    )
    witness.host.send('{"event":"smdr","data":{"AccountCode":"SYS-P[4711471147]","broken')
    for kind in ("500", "html", "truncated", "lost"):
        witness.host.answer_wrongly(kind, feature="call/status")
        wait_until(ask(witness.site, "call.status", deviceNumber="1001"), _UP_SECONDS)
    room = {"deviceNumber": "1001", "roomIndex": 1, "roomUsage": True, "roomPwd": "4711471147"}
    for command in ("confroom.set", "confroom.sett"):  # carried out, and refused for how it is written
        wait_until(ask(witness.site, command, **room), _UP_SECONDS)
    witness.host.expire_tokens()
    witness.host.drop()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    tokens.append(read_token(witness.host))
    witness.await_flow()
    database = witness.site.store.database
    written = {
        name: json.dumps(list(database[name].find()), default=str)
        for name in database.list_collection_names(filter=STORED)
    }
    assert written.keys() > {"events", "instances", "requests"}
    del written["leases"]  # its token is what frees the account; only the daemon's own user reads it
    written |= {"log": witness.site.logged()}
    written |= {
        command: witness.site.run(*command.split()).stdout for command in ("status", "events --limit 0")
    }
    secrets = (PASSWORD, "4711471147", *tokens)
    found = [(place, secret) for place, text in written.items() for secret in secrets if secret in text]
    assert not found


def read_token(host: SimulatedHost) -> str:
    return host.operate(lambda exchange: exchange.sessions.by_user[USER].token)
