"""What a simulated host does with a call that is asked for: made, held, passed on, parked, picked up."""

from collections.abc import Callable

import pytest
import requests
from simulator.client import (
    OUTSIDE,
    Client,
    call_in,
    call_inside,
    code_of,
    data_of,
    read_event,
    read_type,
    watching,
)

from ipecs_mw.simulator import SimulatedHost

New = Callable[..., Client]
Build = Callable[..., SimulatedHost]


def test_a_call_is_made_answered_held_retrieved_and_cleared(client: Client) -> None:
    with watching(client) as socket:
        ref = call_inside(client)
        assert read_type(socket, "proceeding")["dialDigit"] == "1001"
        assert read_type(socket, "ringing")["callingDN"] == "1000"
        assert read_type(socket, "alerting")["deviceNumber"] == "1000"
        assert read_type(socket, "connected")["callRefID"] == ref
        arguments = {"deviceNumber": "1000", "callRefID": ref}
        assert client.call("dial_digit", dialDigit="12#", **arguments).ok
        assert client.call("hold", **arguments).ok
        assert read_type(socket, "hold")["holdDN"] == "1001"
        assert read_type(socket, "held")["deviceNumber"] == "1001"
        assert data_of(client.ask("GET", "call/status", params={"deviceNumber": "1000"})) == {"state": "hold"}
        assert code_of(client.call("hold", **arguments)) == 203
        assert client.call("retrieve", **arguments).ok
        assert read_type(socket, "retrieve")["retrieveDN"] == "1001"
        assert read_type(socket, "retrieved")["retrieveDN"] == "1000"
        assert code_of(client.call("retrieve", **arguments)) == 201
        assert client.call("clear_connection", **arguments).ok
        assert {read_type(socket, "released")["deviceNumber"] for _ in range(2)} == {"1000", "1001"}
        assert code_of(client.call("clear_connection", **arguments)) == 106


def test_a_call_outside_takes_a_trunk_and_leaves_a_record(build_host: Build, new_client: New) -> None:
    client = new_client(build_host(speed=100.0))
    client.log_in()
    with watching(client) as socket:
        ref = data_of(client.call("make", deviceNumber="1000", calledDN=OUTSIDE))["callRefID"]
        assert read_event(socket, lambda data: data.get("eventCode") == 67)["data2"] == OUTSIDE
        assert read_type(socket, "connected")["calledDN"] == OUTSIDE
        client.call("clear_connection", deviceNumber="1000", callRefID=ref)
        record = read_event(socket, lambda data: "StationNumber" in data)
    assert (record["callRefID"], record["DialedNumber1"], record["Direction"]) == (ref, OUTSIDE, "O")
    assert client.ask("GET", "smdr").json() == {"count": 1, "items": [record]}


def test_calls_that_cannot_be_are_refused_by_the_vendor_s_numbers(client: Client) -> None:
    def make(caller: str, called: str) -> requests.Response:
        return client.call("make", deviceNumber=caller, calledDN=called)

    assert code_of(make("1019", "1000")) == 150
    assert code_of(make("2000", "1000")) == 104
    assert code_of(make("1000", "1000")) == 107
    assert code_of(make("1000", "123")) == 107
    assert code_of(client.call("answer", deviceNumber="1000", callRefID=9)) == 106
    ref = data_of(make("1000", "1001"))["callRefID"]
    assert code_of(make("1000", "1002")) == 147
    assert code_of(client.call("answer", deviceNumber="1000", callRefID=ref)) == 204
    assert data_of(make("1005", "566"))["callRefID"] == ref + 1


def test_an_analogue_phone_dials_before_it_proceeds(client: Client) -> None:
    number = client.host.operate(
        lambda exchange: next(n for n, s in exchange.pbx.stations.items() if s.kind == "slt")
    )
    with watching(client) as socket:
        client.call("make", deviceNumber=number, calledDN="1001")
        types = [read_type(socket, "ringing", "dialing", "proceeding")["type"] for _ in range(3)]
    assert types == ["ringing", "dialing", "proceeding"]


def test_a_consultation_ends_in_a_transfer_whose_reference_is_the_held_call_s(client: Client) -> None:
    with watching(client) as socket:
        ref = call_inside(client)
        consult = client.call(
            "consultation", deviceNumber="1000", callRefID=ref, calledDN="1002", svcType="transfer"
        )
        other = data_of(consult)["callRefID"]
        assert client.call("answer", deviceNumber="1002", callRefID=other).ok
        assert data_of(client.call("transfer", deviceNumber="1000", callRefID=other)) == {"callRefID": ref}
        event = read_type(socket, "transferring")
        assert (event["transferedDN"], event["transferToDN"], event["callType"]) == (
            "1001",
            "1002",
            "screened",
        )
        assert read_type(socket, "transferred")["transferorDN"] == "1000"
        legs = client.host.operate(lambda exchange: dict(exchange.pbx.calls[ref].legs))
    assert legs == {"1001": "connected", "1002": "connected"}
    assert code_of(client.call("transfer", deviceNumber="1001", callRefID=ref)) == 106


def test_a_single_step_transfer_rings_the_other_station(client: Client) -> None:
    ref = call_inside(client)
    arguments = {"deviceNumber": "1000", "callRefID": ref}
    assert code_of(client.call("1step_transfer", transferDN="77", **arguments)) == 107
    assert data_of(client.call("1step_transfer", transferDN="1003", **arguments)) == {"callRefID": ref}
    assert client.call("answer", deviceNumber="1003", callRefID=ref).ok


def test_reconnecting_drops_the_consultation_and_returns_to_the_held_call(client: Client) -> None:
    ref = call_inside(client)
    client.call("consultation", deviceNumber="1000", callRefID=ref, calledDN="1002", svcType="conference")
    assert client.call("reconnect", deviceNumber="1000", callRefID=ref).ok
    assert client.host.operate(lambda exchange: list(exchange.pbx.calls)) == [ref]
    assert code_of(client.call("reconnect", deviceNumber="1000", callRefID=ref)) == 201


def test_a_conference_joins_the_held_and_the_active_call(client: Client) -> None:
    with watching(client) as socket:
        ref = call_inside(client)
        consult = client.call(
            "consultation", deviceNumber="1000", callRefID=ref, calledDN="1002", svcType="conference"
        )
        client.call("answer", deviceNumber="1002", callRefID=data_of(consult)["callRefID"])
        assert data_of(client.call("conference", deviceNumber="1000", callRefID=ref)) == {"callRefID": ref}
        assert read_type(socket, "conferencing")["newConfMemberDN"] == "1002"
        assert set(read_type(socket, "conferenced")["memberDN"]) == {"1000", "1001", "1002"}
        assert data_of(client.ask("GET", "call/status", params={"deviceNumber": "1002"})) == {"state": "conf"}
    assert code_of(client.call("conference", deviceNumber="1000", callRefID=ref)) == 106


def test_a_ringing_call_is_rerouted_and_a_queued_one_routed_to_an_agent(client: Client) -> None:
    with watching(client) as socket:
        ref = data_of(client.call("make", deviceNumber="1000", calledDN="1001"))["callRefID"]
        assert client.call("reroute", deviceNumber="1001", callRefID=ref, divertToDN="1002").ok
        assert read_type(socket, "rerouting")["reroutingDN"] == "1002"
        assert read_type(socket, "rerouted")["deviceNumber"] == "1000"
        assert client.call("answer", deviceNumber="1002", callRefID=ref).ok
        queued = call_in(client, "620")
        assert read_type(socket, "queueing")["qCount"] == 1
        assert client.call("reroute", deviceNumber="620", callRefID=queued, divertToDN="1003").ok
        assert client.call("answer", deviceNumber="1003", callRefID=queued).ok
    assert code_of(client.call("reroute", deviceNumber="620", callRefID=queued, divertToDN="1003")) == 106


def test_a_parked_call_is_taken_elsewhere(client: Client) -> None:
    ref = call_inside(client)
    place = data_of(client.call("park", deviceNumber="1000", callRefID=ref))["parkingLoc"]
    assert code_of(client.call("unpark", deviceNumber="1002", callingDN="1002", parkingLoc=place + 1)) == 107
    assert client.call("unpark", deviceNumber="1002", callingDN="1002", parkingLoc=place).ok
    assert client.host.operate(lambda exchange: dict(exchange.pbx.calls[ref].legs)) == {
        "1001": "connected",
        "1002": "connected",
    }


@pytest.mark.parametrize(
    "kind", [{"pickupType": "direct_pickup", "pickedDN": "1001"}, {"pickupType": "group_pickup"}]
)
def test_a_ringing_call_is_picked_up(client: Client, kind: dict[str, str]) -> None:
    arguments = {"deviceNumber": "1002", "callingDN": "1002", **kind}
    assert code_of(client.call("pickup", **arguments)) == 106
    ref = data_of(client.call("make", deviceNumber="1000", calledDN="1001"))["callRefID"]
    assert client.call("pickup", **arguments).ok
    assert set(client.host.operate(lambda exchange: exchange.pbx.calls[ref].legs)) == {"1000", "1002"}


@pytest.mark.parametrize("kind", ["intrude", "callback", "campon", "callwait"])
def test_a_busy_station_can_be_served_right_after_the_call_failed(client: Client, kind: str) -> None:
    with watching(client) as socket:
        call_inside(client, "1001", "1002")
        ref = data_of(client.call("make", deviceNumber="1000", calledDN="1001"))["callRefID"]
        failed = read_type(socket, "fail")
        assert (failed["causeCode"], set(failed["busySvcList"])) == (
            3,
            {"callback", "campon", "callwait", "intrude"},
        )
        assert client.call("busy_service", deviceNumber="1000", callRefID=ref, type=kind).ok
        if kind == "intrude":
            assert read_type(socket, "conferenced")["newConfMemberDN"] == "1000"
        if kind == "callback":
            assert client.call("call_back", deviceNumber="1000", svcType="false").ok
        assert code_of(client.call("call_back", deviceNumber="1000", svcType="false")) == 147


def test_busy_services_are_refused_where_nothing_failed(client: Client) -> None:
    ref = call_inside(client)
    assert code_of(client.call("busy_service", deviceNumber="1000", callRefID=ref, type="intrude")) == 147
