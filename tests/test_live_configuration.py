"""What changes in MongoDB takes effect while the daemon runs, each change touching only what it must."""

import threading
import time
from typing import Any

import pytest
from fault_proxy import FaultProxy
from live_scene import change, config, host_of, instance, refused, start
from sites import PASSWORD, USER, Site, is_up, make_ready, ring, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.configuration.settings import DIRECTLY
from ipecs_mw.store.server.connection import Store


def test_monitors_change_by_the_difference_only(site: Site, simulated: SimulatedHost) -> None:
    start(site, simulated, presence=[])
    monitored = lambda: simulated.sessions[USER].monitored  # noqa: E731
    wait_until(lambda: len(monitored()) == 10)
    change(site, "hosts.0.monitor", ["1002-1011"])
    wait_until(lambda: monitored() == {str(number) for number in range(1002, 1012)}, 10)
    assert site.count(type="session_up") == 1, "no new session"
    wait_until(lambda: site.count(type="monitor_stopped") == 1)
    wanted = {"type": {"$in": ["monitor_started", "monitor_stopped"]}}
    events = site.store.database["events"].find(wanted).sort("_id", 1)
    assert [(e["type"], e["data"].get("accepted"), e["data"].get("count")) for e in events] == [
        ("monitor_started", 10, None),
        ("monitor_started", 2, None),
        ("monitor_stopped", None, 2),
    ]


def test_a_host_is_added_changed_and_removed_while_the_other_goes_on(
    site: Site, simulated: SimulatedHost
) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other:
        start(site, simulated)
        site.configure(simulated, other)
        wait_until(lambda: is_up(site, "host1"), 10)
        wait_until(lambda: site.count(type="config_changed") == 1)
        change(site, "hosts.1.stream_path", "/ipxapi")
        wait_until(lambda: site.count(type="session_up", host="host1") == 2, 15)
        site.configure(simulated)
        wait_until(lambda: not other.sessions, 10)
        wait_until(lambda: "host1" not in instance(site)["hosts"])
        site.configure(simulated, other)
        wait_until(lambda: is_up(site, "host1"), 10)
    assert site.count(type="session_up", host="host0") == 1


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("hosts.0.port", "many", "hosts[0].port"),
        ("hosts.0.timezone", "Mars/Base", "hosts[0].timezone"),
        ("hosts.0.monitor", {"$ne": None}, "hosts[0].monitor"),
        ("colour", "red", "colour"),
    ],
)
def test_an_invalid_change_is_refused_as_a_whole_until_it_is_mended(
    site: Site, simulated: SimulatedHost, path: str, value: Any, named: str
) -> None:
    start(site, simulated)
    good = config(site)
    wait_until(lambda: len(simulated.sessions[USER].presence) == 10)
    changes = {"hosts.0.presence": ["1003"], path: value}
    site.store.database["config"].update_one({"_id": "default"}, {"$set": changes})
    wait_until(lambda: refused(site).get("path") == named, 10)
    wait_until(lambda: site.count(type="config_refused") == 1)
    assert named in refused(site)["reason"]
    assert named in site.run("status").stdout
    assert is_up(site)
    assert len(simulated.sessions[USER].presence) == 10, "a part of what was refused took effect"
    site.store.database["config"].replace_one({"_id": "default"}, good)
    wait_until(lambda: not refused(site), 10)
    change(site, "hosts.0.presence", ["1003"])
    wait_until(lambda: simulated.sessions[USER].presence == {"1003"}, 10)
    assert site.count(type="session_up") == 1


def test_an_edit_by_hand_becomes_a_revision_that_says_so(site: Site, simulated: SimulatedHost) -> None:
    start(site, simulated, presence=[])
    revision = config(site)["revision"]
    for count, monitor in enumerate((["1003"], ["1004"]), 1):
        change(site, "hosts.0.monitor", monitor)
        wait_until(lambda monitor=monitor: simulated.sessions[USER].monitored == set(monitor), 10)  # type: ignore[misc]
        wait_until(lambda count=count: site.count(type="config_changed") == count, 10)  # type: ignore[misc]
    events = list(site.store.database["events"].find({"type": "config_changed"}).sort("_id", 1))
    assert [(event["data"]["revision"], event["data"]["by"]) for event in events] == [
        (revision + 1, DIRECTLY),
        (revision + 2, DIRECTLY),
    ]
    wait_until(lambda: instance(site).get("revision") == revision + 2)
    kept = site.store.database["config_history"].find({"updated_by": DIRECTLY}).sort("revision", 1)
    assert [(found["revision"], found["hosts"][0]["monitor"]) for found in kept] == [
        (revision + 1, ["1003"]),
        (revision + 2, ["1004"]),
    ]
    assert config(site)["updated_by"] == DIRECTLY
    assert site.count(type="session_up") == 1


def test_an_edit_by_hand_while_no_daemon_ran_is_counted_at_the_start(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    revision = config(site)["revision"]
    change(site, "hosts.0.monitor", ["1003"])
    site.start()
    wait_until(lambda: is_up(site))
    assert instance(site)["revision"] == revision + 1
    assert (config(site)["revision"], config(site)["updated_by"]) == (revision + 1, DIRECTLY)


def test_a_deleted_configuration_and_emptied_words_leave_the_last_good_ones(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    good, words = config(site), list(site.store.database["languages"].find())
    site.store.database["config"].delete_one({"_id": "default"})
    wait_until(lambda: "default" in refused(site).get("reason", ""), 10)
    site.store.database["config"].insert_one(good)
    wait_until(lambda: not refused(site), 10)
    site.store.database["languages"].delete_many({})
    wait_until(lambda: "languages" in refused(site).get("reason", ""), 10)
    site.store.database["languages"].insert_many(words)
    wait_until(lambda: not refused(site), 10)
    assert site.count(type="session_up") == 1


def test_definitions_tables_and_words_change_without_a_restart(site: Site, simulated: SimulatedHost) -> None:
    start(site, simulated)
    database = site.store.database
    command = database["commands"].find_one({"_id": "call.status"})
    assert command is not None
    database["commands"].insert_one({**command, "_id": "call.state"})
    wait_until(lambda: site.count(type="config_changed") == 1, 10)
    done = site.run("send", "call.state", "deviceNumber=1001")
    assert done.returncode == 0, done.stderr
    database["languages"].update_one(
        {"_id": "en-GB:request.done"}, {"$set": {"text": "{host} DID {command}", "seeded": None}}
    )
    wait_until(lambda: site.count(type="config_changed") == 2, 10)
    site.run("send", "call.status", "deviceNumber=1001")
    wait_until(lambda: "host0 DID call.status" in site.logged())
    table = database["codes"].find_one({"_id": "acd_events"})
    assert table is not None
    entries = [{**row, "name": "ring_renamed"} if row["code"] == 66 else row for row in table["entries"]]
    database["codes"].update_one({"_id": "acd_events"}, {"$set": {"entries": entries}})
    wait_until(lambda: site.count(type="config_changed") == 3, 10)
    simulated.send({"event": "acd", "data": {"eventCode": 66}})
    wait_until(lambda: site.count(type="ring_renamed") == 1)
    database["codes"].update_one({"_id": "acd_events"}, {"$set": {"entries": [*entries, entries[0]]}})
    wait_until(lambda: "acd_events" in refused(site).get("path", ""), 10)


def test_without_change_streams_it_looks_every_second(
    standalone_store: Store, standalone_uri: str, database_name: str, simulated: SimulatedHost, tmp_path: Any
) -> None:
    make_ready(standalone_store)
    site = Site(standalone_store, standalone_uri + database_name, tmp_path)
    try:
        start(site, simulated, presence=[])
        change(site, "hosts.0.monitor", ["1003"])
        wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 10)
    finally:
        site.stop()


def test_a_journal_whose_host_was_renamed_while_the_daemon_was_down_is_named_and_stored(
    site: Site, simulated: SimulatedHost
) -> None:
    folder = site.folder / "state"
    folder.mkdir(mode=0o700)
    clock = SystemClock()
    journal, _ = open_journal(folder / "host-former.journal", clock)
    journal.append([Arrival(1, clock.now(), "frame", b"kept")])
    journal.close()
    start(site, simulated)
    found = wait_until(lambda: site.store.database["events"].find_one({"type": "journal_orphaned"}))
    assert found["data"]["count"] == 1
    assert "host-former.journal" in found["data"]["file"]
    assert found["data"]["name"] == "former"
    wait_until(lambda: site.count(host="former", kind="undecodable") == 1)
    assert "former_hosts" not in instance(site) or not instance(site)["former_hosts"]
    change(site, "hosts.0.name", "former")
    wait_until(lambda: is_up(site, "former"))
    simulated.send(ring(1))
    wait_until(lambda: site.count(host="former", type="station_ring") == 1)
    assert site.count(type="journal_set_aside") == 0, "its journal was opened twice"


def test_a_host_that_hangs_holds_up_neither_the_others_nor_the_next_change(
    site: Site, simulated: SimulatedHost
) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other, FaultProxy(other.port) as to_other:
        start(site, simulated, other)
        change(site, "hosts.1.port", to_other.port)
        wait_until(lambda: to_other.accepted and site.count(type="session_up", host="host1") == 2)
        wait_until(lambda: host_of(site, "host1").get("monitors", {}).get("presence"))
        to_other.is_silent = True
        to_other.swallow()
        monitored = lambda: simulated.sessions[USER].monitored  # noqa: E731
        changed = {"hosts.1.stream_path": "/ipxapi", "hosts.0.monitor": ["1003"]}
        site.store.database["config"].update_one({"_id": "default"}, {"$set": changed})
        wait_until(lambda: monitored() == {"1003"}, 2)
        change(site, "hosts.0.monitor", ["1004"])
        wait_until(lambda: monitored() == {"1004"}, 2)
        site.configure(simulated, monitor=["1005"])
        wait_until(lambda: monitored() == {"1005"}, 2)
        # wanted again, and reached another way, while its former session still hangs
        site.configure(simulated, other)
        wait_until(lambda: is_up(site, "host1"), 60)
        assert site.count(type="session_failed") == 0, "two sessions of one account at once"
        assert site.count(type="session_up", host="host0") == 1


def test_asked_to_stop_during_a_change_every_host_that_answers_is_logged_out(
    site: Site, simulated: SimulatedHost
) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other, FaultProxy(other.port) as to_other:
        start(site, simulated, other)
        change(site, "hosts.1.port", to_other.port)
        wait_until(lambda: to_other.accepted and site.count(type="session_up", host="host1") == 2)
        to_other.is_silent = True
        to_other.swallow()
        changed = {"hosts.1.stream_path": "/ipxapi", "hosts.0.stream_path": "/ipxapi"}
        site.store.database["config"].update_one({"_id": "default"}, {"$set": changed})
        wait_until(lambda: site.count(type="session_up", host="host0") == 2, 5)
        watch = Stopwatch()
        site.processes[-1].terminate()
        assert site.processes[-1].wait(60) == 0
        assert watch.seconds < 10
        assert not simulated.sessions


def test_an_account_goes_from_one_host_to_another_without_a_second_login_beside_the_first(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    change(site, "hosts.0.name", "renamed")
    wait_until(lambda: is_up(site, "renamed"), 10)
    wait_until(lambda: site.count(type="session_ended", host="host0") == 1)
    assert site.count(type={"$in": ["session_failed", "session_standing_by"]}) == 0


def test_changes_take_effect_within_2_s_however_fast_others_follow(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    done = threading.Event()

    def edit_on() -> None:
        number = 0
        while not done.wait(0.05):
            number += 1
            change(site, "events.retention_days", 100 + number)

    editing = threading.Thread(target=edit_on)
    editing.start()
    try:
        time.sleep(0.5)
        change(site, "hosts.0.monitor", ["1003"])
        wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 2)
    finally:
        done.set()
        editing.join()


def test_emptied_code_tables_and_a_code_given_twice_are_named_and_leave_the_last_good_ones(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    codes = site.store.database["codes"]
    good = list(codes.find())
    codes.delete_many({})
    wait_until(lambda: "codes" in refused(site).get("reason", ""), 10)
    codes.insert_many(good)
    wait_until(lambda: not refused(site), 10)
    table = next(table for table in good if table["_id"] == "acd_events")
    codes.update_one({"_id": "acd_events"}, {"$push": {"entries": table["entries"][0]}})
    wait_until(lambda: "acd_events" in refused(site).get("reason", ""), 10)
    assert str(table["entries"][0]["code"]) in refused(site)["reason"]
    simulated.send({"event": "acd", "data": {"eventCode": 66}})
    wait_until(lambda: site.count(type="station_ring") == 1)
    codes.replace_one({"_id": "acd_events"}, table)
    wait_until(lambda: not refused(site), 10)


@pytest.mark.parametrize(
    ("collection", "named", "advice"),
    [
        ("config", "default", "config rollback 2"),
        ("languages", "languages", "ipecs-mw seed"),
        ("commands", "commands", "ipecs-mw seed"),
        ("codes", "codes", "ipecs-mw seed"),
    ],
)
def test_without_its_documents_the_daemon_does_not_start_and_says_what_to_do(
    site: Site, simulated: SimulatedHost, collection: str, named: str, advice: str
) -> None:
    site.configure(simulated)
    site.store.database[collection].delete_many({})
    ended = site.run("run")
    assert ended.returncode == 3
    assert advice in ended.stderr
    assert named in ended.stderr
