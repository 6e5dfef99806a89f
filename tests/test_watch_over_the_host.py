"""What the daemon notices of its host: silence, missing numbers, repeats, busy stations, a new numbering plan."""

import json
import time

from sites import PASSWORD, USER, Site, is_up, ring, wait_until

from ipecs_mw.simulator import Account, SimulatedHost


def call_event(kind: str, serial: int, number: str = "1001", ref: int = 5) -> str:
    data = {"type": kind, "deviceNumber": number, "callRefID": ref, "evtSerialNum": serial}
    return json.dumps({"event": "call", "data": data})


def start(site: Site, host: SimulatedHost, **changes: object) -> None:
    site.configure(host, **changes)
    site.start()
    wait_until(lambda: is_up(site), 40)


def test_a_host_that_told_its_time_and_then_falls_silent_is_asked_and_then_reconnected(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated, silence_seconds=5)
    time.sleep(6)
    assert site.count(type="session_up") == 1, "a host that never told its time may be silent"
    simulated.beat()
    wait_until(lambda: "asks the host" in site.logged(), 15)
    wait_until(lambda: site.count(type="session_up") == 2, 20)
    down = site.store.database["events"].find_one({"type": "session_down"})
    assert down is not None
    assert down["data"]["reason"] == "error.connection_silent"
    wait_until(lambda: site.count(type="gap") == 1)


def test_a_silent_host_whose_session_is_gone_is_reconnected_as_soon_as_it_is_asked(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated, silence_seconds=5)
    simulated.beat()
    simulated.answer_wrongly("500", feature="checkconnection")
    wait_until(lambda: site.count(type="session_up") == 2, 15)


def test_a_host_that_answers_no_pings_is_kept_by_checkconnection(site: Site) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as host:
        host.faults.is_ignoring_pings = True
        start(site, host, keepalive="checkconnection")
        time.sleep(33)  # by ping it would be given up after 30 s
        assert site.count(type="session_up") == 1
        assert host.operate(lambda exchange: exchange.asked["checkconnection"]) >= 2
        host.send(ring(1))
        wait_until(lambda: site.count(type="station_ring") == 1)
        site.stop()


def test_a_serial_number_that_jumps_makes_a_gap_and_one_that_falls_back_none(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    for serial in (1, 2, 6, 7, 1, 2):
        simulated.send(call_event("dialing", serial, ref=serial * 100 + site.count()))
    gap = wait_until(lambda: site.store.database["events"].find_one({"type": "gap"}))
    assert (gap["data"]["first_serial"], gap["data"]["last_serial"]) == (3, 5)
    assert gap["data"]["reason"] == "serial_jump"
    after = site.store.database["events"].find_one({"serial": 6})
    assert after is not None
    assert after["_id"] < gap["_id"] < after["_id"] + "~", "the gap stands beside the event that told it"
    wait_until(lambda: site.count(type="dialing") == 6)
    assert site.count(type="gap") == 1
    done = site.run("events", "--type", "gap", "--count")
    assert done.stdout.strip() == "1"


def test_a_frame_that_comes_twice_is_stored_twice_and_marked(site: Site, simulated: SimulatedHost) -> None:
    start(site, simulated)
    for frame in (call_event("dialing", 1), call_event("dialing", 1), call_event("connected", 2)):
        simulated.send(frame)
    wait_until(lambda: site.count(kind="call") == 3)
    found = site.store.database["events"].find({"kind": "call"}).sort("_id", 1)
    assert [event.get("is_repeat") for event in found] == [None, True, None]
    assert site.count(type="gap") == 0


def test_after_a_loss_the_state_of_what_was_busy_is_asked(site: Site, simulated: SimulatedHost) -> None:
    start(site, simulated)
    simulated.send(call_event("dialing", 1, "1001"))
    simulated.send(call_event("dialing", 2, "1002", 6))
    simulated.send(call_event("released", 3, "1002", 6))
    wait_until(lambda: site.count(kind="call") >= 3)
    simulated.drop()
    read = wait_until(lambda: site.store.database["events"].find_one({"type": "call_state_read"}), 30)
    assert read["data"] == {"station": "1001", "state": "idle"}
    assert site.count(type="call_state_read") == 1


def test_after_the_daemon_was_killed_the_state_of_what_the_log_leaves_in_a_call_is_asked(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    wait_until(lambda: site.count(type="monitor_started") == 2)
    simulated.send(call_event("dialing", 1, "1001"))
    simulated.send(call_event("dialing", 2, "1002", 6))
    simulated.send(call_event("released", 3, "1002", 6))
    simulated.send(call_event("released", 4, "1003", 7))
    wait_until(lambda: site.count(kind="call") == 4)
    site.stop()
    site.start()
    read = wait_until(lambda: site.store.database["events"].find_one({"type": "call_state_read"}), 30)
    assert read["data"] == {"station": "1001", "state": "idle"}
    simulated.send(call_event("released", 5, "1001"))
    wait_until(lambda: site.count(kind="call") == 5)
    site.stop()
    site.start()
    wait_until(lambda: site.count(type="monitor_started") == 6, 30)
    simulated.drop()  # what follows is of a later session
    wait_until(lambda: site.count(type="monitor_started") == 8, 30)
    assert site.count(type="call_state_read") == 1


def test_a_new_numbering_plan_renews_monitoring_and_unconnected_stations_are_shown(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    wait_until(lambda: site.count(type="monitor_started") == 2)
    simulated.send({"event": "call", "data": {"deviceINFO": [{"deviceNumber": "1001"}]}})
    wait_until(lambda: site.count(type="monitor_started") == 4)
    simulated.send(call_event("unregistered", 1, "1003"))

    def unconnected() -> list[str]:
        found = site.store.database["instances"].find_one({"state": "running"}) or {}
        shown: list[str] = found["hosts"]["host0"]["monitors"]["monitor"]["unconnected"]
        return shown

    wait_until(lambda: "1003" in unconnected())
    simulated.send(call_event("registered", 2, "1003"))
    wait_until(lambda: "1003" not in unconnected())
    assert "1003" not in site.run("status").stdout


def test_the_status_counts_what_was_not_understood_and_names_what_is_not_connected(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    for frame in ('{"event": "acd", "data": {"eventCode": 999}}', '{"event": "news"}', "no JSON"):
        simulated.send(frame)
    simulated.send(call_event("unregistered", 1, "1004"))
    wait_until(lambda: site.count(kind="undecodable") == 1)
    wait_until(lambda: "unknown 2, undecodable 1" in site.run("status").stdout)
    assert "not connected: 1004" in site.run("status").stdout
