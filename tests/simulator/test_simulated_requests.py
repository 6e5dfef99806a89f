"""Every request of the command table at the simulated host: what it does, what it says, what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from simulator.client import (
    ALL,
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

from ipecs_mw.seeds import read_json
from ipecs_mw.simulator.host.requests import HANDLERS
from ipecs_mw.simulator.pbx import calls, features

New = Callable[..., Client]


def test_every_command_of_the_table_is_carried_out() -> None:
    here = {row["id"] for row in read_json("commands.json")["commands"]}
    assert here == {*HANDLERS, "login", "logout", "checkconnection"}


def test_a_reply_repeats_the_transaction(client: Client) -> None:
    reply = client.call("dnd", deviceNumber="1000", DN="1000", svcType="enable", transactionID=77)
    assert reply.json() == {"data": {}, "transactionID": 77}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"deviceNumber": 1000, "calledDN": "1001"},
        {"deviceNumber": "1000"},
        {"deviceNumber": {"$ne": None}, "calledDN": "1001"},
        {"deviceNumber": "1000", "calledDN": "1001", "transactionID": 0},
        [],
    ],
)
def test_wrong_arguments_are_a_parameter_error(client: Client, body: Any) -> None:
    assert code_of(client.ask("POST", "call/make", json=body)) == 1


def test_a_body_that_is_no_json_is_a_parameter_error(client: Client) -> None:
    assert code_of(client.ask("POST", "call/make", data=b'{"deviceNumber"')) == 1


def test_a_value_that_is_not_allowed_is_an_invalid_parameter_value(client: Client) -> None:
    assert code_of(client.call("dnd", deviceNumber="1000", DN="1000", svcType="maybe")) == 111


def test_what_is_not_there_is_404_and_another_version_too(client: Client) -> None:
    assert client.ask("POST", "call/dance").status_code == 404
    assert client.ask("GET", "call/make").status_code == 404
    client.base = client.base.replace("v1", "v2")
    reply = client.ask("POST", "checkconnection")
    assert (reply.status_code, code_of(reply)) == (404, 2)


def test_without_licence_or_resource_a_request_is_error_3(client: Client, new_client: New) -> None:
    client.host.set_licence("API-CTI", is_there=False)
    assert code_of(client.call("monitor", deviceNumber=["1000"])) == 3
    client.host.set_licence("API-CTI", is_there=True)
    assert client.call("monitor", deviceNumber=["1000"]).ok
    other = new_client(client.host, "records")
    other.log_in()
    assert code_of(other.call("monitor", deviceNumber=["1000"])) == 3
    assert other.ask("GET", "smdr").ok


def test_events_go_to_those_who_may_see_them(client: Client, new_client: New) -> None:
    other = new_client(client.host, "records")
    other.log_in()
    with client.stream() as socket, other.stream() as other_socket:
        ref = call_in(client, "1001")
        client.call("clear_connection", deviceNumber="1001", callRefID=ref)
        seen = read_event(socket, lambda data: data.get("eventCode") == 3)
        assert seen["callRefID"] == ref
        assert json.loads(other_socket.recv(timeout=60))["event"] == "smdr"


def test_monitoring_tells_a_verdict_per_number_and_unregistered_for_what_is_not_connected(
    client: Client,
) -> None:
    with client.stream() as socket:
        reply = client.call("monitor", deviceNumber=["1000", "1019", "9999"])
        assert reply.json()["result"] == [
            {"1000": "OK"},
            {"1019": "OK"},
            {"9999": "invalidMonitorObjectType"},
        ]
        assert json.loads(socket.recv(timeout=60))["data"] == {
            "type": "unregistered",
            "deviceNumber": "1019",
            "evtSerialNum": 1,
        }
        stop = client.ask("DELETE", "call/monitor", json={"deviceNumber": ["1000"]})
        assert stop.json()["result"] == [{"1000": "OK"}]
        assert client.host.sessions["apiuser"].monitored == {"1019"}


def test_at_most_a_hundred_numbers_a_request(client: Client) -> None:
    assert client.call("monitor", deviceNumber=["1000"] * 100).ok
    assert code_of(client.call("monitor", deviceNumber=["1000"] * 101)) == 111


def test_presence_follows_what_a_station_does(client: Client) -> None:
    with client.stream() as socket:
        assert client.call("presence", deviceNumber=["1000", "1001"]).ok
        ref = call_inside(client)
        client.call("clear_connection", deviceNumber="1000", callRefID=ref)
        shown: list[tuple[str, str]] = []
        while len(shown) < 6:
            data = read_type(socket, "presence")
            shown.append((data["deviceNumber"], data["status"]))
        assert [status for number, status in shown if number == "1000"] == ["busy", "stn_talk", "idle"]
        assert [status for number, status in shown if number == "1001"] == ["ring", "stn_talk", "idle"]
        assert client.ask("DELETE", "call/presence", json={"deviceNumber": ["1000"]}).ok
        assert client.host.sessions["apiuser"].presence == {"1001"}


def test_terminals_come_in_pages(client: Client) -> None:
    page = data_of(client.ask("GET", "call/terminals", params={"startIndex": 6, "count": 10}))["terminals"]
    assert [terminal["deviceNumber"] for terminal in page] == ALL[5:15]
    assert set(page[0]) == {"deviceIndex", "deviceNumber", "deviceType", "tenantNumber", "callControl"}
    assert code_of(client.ask("GET", "call/terminals", params={"startIndex": 1, "count": 101})) == 111


def test_forwarding_and_do_not_disturb_are_set_told_and_obeyed(client: Client) -> None:
    with watching(client) as socket:
        who = {"deviceNumber": "1001", "DN": "1001"}
        assert client.call("forward", cfwdType="no_answer", destNumber="1002", **who).ok
        assert read_type(socket, "forwarding")["svcType"] == "no_answer"
        assert data_of(client.ask("GET", "call/forward", params=who)) == {
            "cfwdType": "no_answer",
            "destNumber": "1002",
            "ringTime": 15,
        }
        assert code_of(client.call("forward", cfwdType="busy", destNumber="12", **who)) == 112
        assert client.call("forward", cfwdType="uncondition", destNumber="1002", **who).ok
        client.call("make", deviceNumber="1000", calledDN="1001")
        assert read_type(socket, "ringing")["diversionNum"] == "1001"
        assert client.call("dnd", svcType="enable", **who).ok
        assert read_type(socket, "dnd")["svcType"] == "enable"
        assert data_of(client.ask("GET", "call/dnd", params=who)) == {"svcType": "enable"}
        client.call("forward", cfwdType="disable", destNumber="", **who)
        client.call("make", deviceNumber="1003", calledDN="1001")
        assert read_type(socket, "fail")["causeCode"] == 14


def test_message_counts_are_strings(client: Client) -> None:
    client.host.operate(lambda exchange: features.leave_message(exchange.pbx, "1000", 2, 1, 1))
    assert data_of(client.ask("GET", "call/mwi", params={"deviceNumber": "1000"})) == {
        "msgStatus": "true",
        "newMsg": "2",
        "oldMsg": "1",
        "newUrgentMsg": "1",
    }


def test_paging_is_an_event(client: Client) -> None:
    with client.stream() as socket:
        assert client.call("flexpage", page_index=3, service_num="1").ok
        assert read_event(socket, lambda data: data["eventCode"] == 54)["data1"] == "3"


def test_agents_log_on_change_duty_and_log_off_with_the_event_before_the_reply(client: Client) -> None:
    who = {"deviceNumber": "1000", "agentId": "0042", "groupNumber": "620"}
    with watching(client) as socket:
        duty = {**who, "reasonCode": "*"}
        assert code_of(client.call("agent_state", agentState="dutyOff", **duty)) == 147
        assert client.call("agent_logon", loginPrimary="primary", loginPriority=0, **who).ok
        assert client.host.sent >= 2, "told before it was answered"
        assert read_type(socket, "agent_logon")["primaryAgentId"] == "0042"
        again = client.call("agent_logon", loginPrimary="primary", loginPriority=0, **who)
        assert code_of(again) == 147
        assert client.call("agent_state", agentState="dutyOff", **duty).ok
        assert read_event(socket, lambda data: data.get("eventCode") == 13)["data1"] == "11"
        assert read_type(socket, "agent_notready")["primaryAcdGroup"] == "620"
        queued = call_in(client, "620")
        assert client.call("agent_state", agentState="dutyOn", **duty).ok
        assert read_type(socket, "ringing")["callRefID"] == queued
        assert client.call("agent_logoff", loginPrimary="primary", **who).ok
        assert read_type(socket, "agent_logoff")["primaryAgentId"] == "0042"
    assert code_of(client.call("agent_logoff", loginPrimary="primary", **who)) == 147
    assert (
        code_of(
            client.call("agent_logon", loginPrimary="primary", loginPriority=0, **{**who, "groupNumber": "9"})
        )
        == 111
    )


def test_a_conference_group_is_called_grown_muted_and_cancelled(client: Client) -> None:
    with watching(client) as socket:
        who = {"deviceNumber": "1000", "groupIndex": 5}
        assert code_of(client.ask("DELETE", "call/confgroup_callee", json={**who, "memberIndex": 1})) == 147
        assert client.call("confgroup", **who).ok
        assert read_type(socket, "proceeding")["dialDigit"] == "5"
        assert code_of(client.call("confgroup", **who)) == 301
        member = {**who, "memberIndex": 9}
        assert client.call("confgroup_callee", memberType="station", memberDN="1007", **member).ok
        found = read_event(socket, lambda data: data.get("memberIndex") == 9)
        assert (found["type"], found["memberDN"]) == ("confgroupmember", "1007")
        assert client.call("confgroup_mutecallee", svcType="on", **member).ok
        assert read_type(socket, "setmuteon")["muteOn"] == "true"
        stranger = {**member, "deviceNumber": "1001"}
        assert code_of(client.ask("DELETE", "call/confgroup_callee", json=stranger)) == 143
        assert client.ask("DELETE", "call/confgroup_callee", json=member).ok
        assert client.call("confgroup", deviceNumber="1000", groupIndex=999).ok
        assert client.call("confgroup", **who).ok


def test_a_conference_room_opens_and_closes_with_its_password(client: Client) -> None:
    who = {"deviceNumber": "1000", "roomIndex": 3}
    with watching(client) as socket:
        assert client.call("confroom", roomPwd="12", roomUsage="true", **who).ok
        assert read_type(socket, "confroommember")["roomUsage"] == "true"
        assert code_of(client.call("confroom", roomPwd="13", roomUsage="false", **who)) == 149
        assert data_of(client.ask("GET", "call/confroom", params=who))["roomUsage"] == "true"
        assert client.call("confroom", roomPwd="12", roomUsage="false", **who).ok
        assert data_of(client.ask("GET", "call/confroom", params=who))["roomUsage"] == "false"


def leave_records(client: Client, count: int) -> None:
    for _ in range(count):
        ref = call_in(client, "1005")
        client.call("answer", deviceNumber="1005", callRefID=ref)
        client.call("clear_connection", deviceNumber="1005", callRefID=ref)


def test_call_records_are_counted_filtered_limited_and_deleted(client: Client) -> None:
    client.host.operate(
        lambda exchange: [
            calls.hang_up_outside(exchange.pbx, calls.arrive(exchange.pbx, OUTSIDE, "1", "1006"))  # type: ignore[func-returns-value, arg-type]
            for _ in range(60)
        ]
    )

    def get(**params: Any) -> Any:
        return client.ask("GET", "smdr", params=params).json()

    assert get(countOnly="true") == {"count": 60}
    assert get()["count"] == 50
    assert len(get(maxCount=7)["items"]) == 7
    assert [item["Index"] for item in get(q=json.dumps({"$<=": {"Index": 2}}))["items"]] == [1, 2]
    assert get(countOnly="maybe")["error"]["code"] == 1
    assert get(q="{")["error"]["code"] == 1
    assert code_of(client.ask("DELETE", "smdr")) == 1
    assert client.ask("DELETE", "smdr", json={"$<=": {"Index": 58}}).ok
    assert [item["Index"] for item in get()["items"]] == [59, 60]


def test_a_station_account_reads_only_its_own_records_and_makes_its_own_calls(
    client: Client, new_client: New
) -> None:
    leave_records(client, 1)
    ref = call_in(client, "1006")
    client.call("clear_connection", deviceNumber="1006", callRefID=ref)
    station = new_client(client.host, "1005", "client", "4711#")
    assert "terminalCount" not in station.log_in().json()
    assert {item["StationNumber"] for item in station.ask("GET", "smdr").json()["items"]} == {"1005"}
    assert code_of(station.ask("DELETE", "smdr", json={"Index": 1})) == 299
    assert code_of(station.call("make", deviceNumber="1005", calledDN="1001")) == 102
    assert code_of(station.ask("POST", "clickcall", json={"From": "1006", "To": "1001"})) == 102
    assert code_of(station.ask("POST", "clickcall", json={"From": "1005"})) == 105
    assert code_of(station.ask("POST", "clickcall", json={"From": "1005", "To": "99"})) == 103
    reply = station.ask("POST", "clickcall", json={"From": "1005", "To": "1001"})
    assert (reply.status_code, reply.content) == (200, b"")
    assert code_of(station.ask("POST", "clickcall", json={"From": "1005", "To": "1001"})) == 110
    assert code_of(client.ask("POST", "clickcall", json={"From": "1005", "To": "1001"})) == 102
