"""Two daemons for one account: one holds it, the other stands by and takes over, also from the dead."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from fault_proxy import FaultProxy
from sites import PASSWORD, USER, Site, is_streaming, is_up, kill, ring, wait_until
from stopwatch import Stopwatch

from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.simulator import Account, SimulatedHost

HOSTS = 8


def states_of(site: Site) -> list[str]:
    query = {"state_dir": str((site.folder / "state").absolute())}
    found = site.store.database["instances"].find_one(query) or {}
    return [str(host.get("state")) for host in found.get("hosts", {}).values()]


def state_of(site: Site) -> str:
    return (states_of(site) or ["None"])[0]


def find_gap(site: Site) -> tuple[datetime, datetime]:
    gap = site.store.database["events"].find_one({"type": "gap"}, sort=[("received_at", -1)])
    assert gap is not None
    since, until = (datetime.fromisoformat(gap["data"][name]) for name in ("since", "until"))
    return since, until


def count_waiting(site: Site) -> int:
    with open_salvage(site.folder / "state" / "host-host0.journal") as found:
        return found.count_entries()


@contextmanager
def hung_mongod(site: Site) -> Iterator[None]:
    pid = int(site.store.client.admin.command("serverStatus")["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_change_that_asks_for_a_new_session_leaves_the_account_with_its_daemon(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    site.start()
    wait_until(lambda: state_of(site) == "up", 30)
    try:
        second.start()
        wait_until(lambda: state_of(second) == "standing_by", 30)
        for number, keepalive in enumerate(("checkconnection", "ping", "checkconnection"), 2):
            change = {"$set": {"hosts.0.keepalive": keepalive}}
            site.store.database["config"].update_one({"_id": "default"}, change)
            wait_until(lambda number=number: site.count(type="session_up") >= number, 20)
        assert "lease.theirs" not in site.logged()
        assert "lease.taken_over" not in second.logged()
        reasons = site.store.database["events"].distinct("data.reason", {"type": "gap"})
        assert reasons == ["config.changed"]
    finally:
        second.stop()


def test_a_second_daemon_stands_by_and_takes_over_from_a_dead_one_within_15_s(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    first_process = site.start()
    wait_until(lambda: state_of(site) == "up", 30)
    try:
        second_process = second.start()
        wait_until(lambda: state_of(second) == "standing_by", 30)
        simulated.send(ring(1))
        wait_until(lambda: site.count(type="station_ring") == 1)
        kill(first_process)
        watch = Stopwatch()
        wait_until(lambda: state_of(second) == "up", 15)
        assert watch.seconds < 15
        simulated.send(ring(2))
        wait_until(lambda: site.count(type="station_ring") == 2)
        heard = site.store.database["events"].find_one({"call_ref": 1})
        assert heard is not None
        since, until = find_gap(site)
        assert abs((since - heard["received_at"]).total_seconds()) < 10
        assert until > heard["received_at"]
        # the first comes back: the account is the other's now
        site.start()
        wait_until(lambda: state_of(site) == "standing_by", 30)
        assert state_of(second) == "up"
        second_process.terminate()
        assert second_process.wait(60) == 0
        wait_until(lambda: state_of(site) == "up", 6)
    finally:
        second.stop()


def test_what_an_account_sent_stays_in_order_when_it_moves_to_another_daemon_and_back(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    numbers = iter(range(1000))

    def send() -> None:
        for _ in range(5):
            simulated.send(ring(next(numbers)))
        last = next(numbers)
        simulated.send(ring(last))
        wait_until(lambda: site.count(call_ref=last) == 1)

    try:
        site.start()
        wait_until(lambda: state_of(site) == "up", 30)
        for owner, heir in ((site, second), (second, site), (site, second)):
            send()
            simulated.drop(how="rst")
            wait_until(lambda: is_streaming(simulated), 30)
            send()
            heir.start()
            wait_until(lambda heir=heir: state_of(heir) == "standing_by", 30)
            owner.processes[-1].terminate()
            assert owner.processes[-1].wait(60) == 0
            wait_until(lambda heir=heir: state_of(heir) == "up", 30)
        send()
    finally:
        second.stop()
    found = site.store.database["events"].find({"type": "station_ring"}).sort([("connection", 1), ("seq", 1)])
    sent = list(range(next(numbers)))
    assert [event["call_ref"] for event in found] == sent
    by_id = site.store.database["events"].find({"type": "station_ring"}).sort("_id", 1)
    assert [event["call_ref"] for event in by_id] != sent, "ids alone order one journal"


def test_a_frozen_owner_that_wakes_lets_go_of_an_account_that_was_taken_over(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    first = site.start()
    wait_until(lambda: state_of(site) == "up", 30)
    try:
        second.start()
        wait_until(lambda: state_of(second) == "standing_by", 30)
        first.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(second) == "up", 20)
        first.send_signal(signal.SIGCONT)
        wait_until(lambda: state_of(site) == "standing_by", 20)
        time.sleep(2)
        assert state_of(second) == "up", "not thrown out again"
        assert is_streaming(simulated)
    finally:
        first.send_signal(signal.SIGCONT)
        second.stop()


def test_an_owner_that_is_killed_as_soon_as_it_is_up_leaves_its_token_and_when_it_began(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    try:
        second.start()
        wait_until(lambda: state_of(second) == "up", 30)
        first = site.start()
        wait_until(lambda: state_of(site) == "standing_by", 30)
        kill(second.processes[-1])
        wait_until(lambda: not is_streaming(simulated), 10)
        wait_until(lambda: is_streaming(simulated), 15)
        kill(first)  # nothing of this session but what the login itself has left
        watch = Stopwatch()
        second.start()
        wait_until(lambda: not is_streaming(simulated), 10)
        wait_until(lambda: is_streaming(simulated), 15)
        assert watch.seconds < 15
    finally:
        second.stop()


def test_a_mongodb_that_hangs_never_makes_two_sessions_of_one_account(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    simulated.faults.is_admitting_twice = True
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    site.start()
    wait_until(lambda: state_of(site) == "up", 30)
    try:
        second.start()
        wait_until(lambda: state_of(second) == "standing_by", 30)
        with hung_mongod(site):
            time.sleep(12)  # longer than a lease
        simulated.send(ring(1))
        wait_until(lambda: site.count(type="station_ring") == 1)
        time.sleep(10)  # until whoever takes it for dead would have taken the account
        assert (state_of(site), state_of(second)) == ("up", "standing_by")
        assert site.count(type="session_up") == 1
        assert simulated.operate(lambda exchange: exchange.sessions.most_streams) == 1
    finally:
        second.stop()


def test_eight_hosts_of_a_dead_owner_are_all_taken_over_within_15_s(site: Site, tmp_path: Path) -> None:
    second = site.beside(tmp_path / "second")
    with ExitStack() as stack:
        stack.callback(second.stop)
        hosts = [
            stack.enter_context(SimulatedHost(accounts=(Account(USER, PASSWORD),), is_scripted=False))
            for _ in range(HOSTS)
        ]
        site.configure(*hosts)
        first = site.start()
        wait_until(lambda: states_of(site) == ["up"] * HOSTS, 60)
        second.start()
        wait_until(lambda: states_of(second) == ["standing_by"] * HOSTS, 60)
        kill(first)
        watch = Stopwatch()
        wait_until(lambda: states_of(second) == ["up"] * HOSTS, 15)
        assert watch.seconds < 15
        for number, host in enumerate(hosts):
            host.send(ring(number))
        wait_until(lambda: site.count(type="station_ring") == HOSTS)
        assert site.count(type="gap") == HOSTS


def test_who_began_without_mongodb_and_waits_for_the_account_takes_over_when_the_lease_is_its_own(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    second = site.beside(tmp_path / "second")
    site.configure(simulated)
    try:
        once = second.start()  # keeps the configuration
        wait_until(lambda: state_of(second) == "up", 30)
        once.terminate()
        assert once.wait(60) == 0
        first = site.start()
        wait_until(lambda: state_of(site) == "up", 30)
        simulated.send(ring(1))
        wait_until(lambda: site.count(type="station_ring") == 1)
        heard = site.store.database["events"].find_one({"call_ref": 1}) or {}
        bootstrap = second.folder / "bootstrap.json"
        uri = json.loads(bootstrap.read_text())["mongo_uri"]
        port = int(re.search(r":(\d+)/", uri)[1])  # type: ignore[index]
        with FaultProxy(port) as proxy:
            proxy.is_refusing = True
            bootstrap.write_text(json.dumps({"mongo_uri": uri.replace(f":{port}/", f":{proxy.port}/")}))
            second.start()
            wait_until(lambda: "error.already_logged_in" in second.logged(), 30)
            kill(first)
            proxy.is_refusing = False
            wait_until(lambda: state_of(second) == "up", 30)  # the host's timer runs for two minutes
            since, until = wait_until(lambda: site.count(type="gap") and find_gap(site))
            assert abs((since - heard["received_at"]).total_seconds()) < 5
            assert until > heard["received_at"]
            second.stop()
    finally:
        second.stop()


def test_without_mongodb_it_starts_with_what_it_last_found_there_and_journals(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site), 30)
    process.terminate()
    assert process.wait(60) == 0
    bootstrap = site.folder / "bootstrap.json"
    uri = json.loads(bootstrap.read_text())["mongo_uri"]
    port = int(re.search(r":(\d+)/", uri)[1])  # type: ignore[index]
    with FaultProxy(port) as proxy:
        proxy.is_refusing = True
        bootstrap.write_text(json.dumps({"mongo_uri": uri.replace(f":{port}/", f":{proxy.port}/")}))
        process = site.start()
        wait_until(lambda: is_streaming(simulated), 30)
        assert "last good configuration" in site.logged()
        for number in range(50):
            simulated.send(ring(number))
        wait_until(lambda: count_waiting(site) >= 50)
        assert site.count(type="station_ring") == 0
        wait_until(lambda: site.logged().count("monitor.started") == 4)
        simulated.send({"event": "call", "data": {"deviceINFO": [{"deviceNumber": "1001"}]}})
        wait_until(lambda: site.logged().count("monitor.started") == 6, 10)  # it does not wait for MongoDB
        proxy.is_refusing = False
        wait_until(lambda: site.count(type="station_ring") == 50, 40)
        wait_until(lambda: is_up(site), 10)
        told = "with the last good configuration, because MongoDB did not answer; the"
        wait_until(lambda: told in site.run("status").stdout)
        assert site.logged().count("monitor.started") == 6, "what waited in the journal is not news"
        process.terminate()
        assert process.wait(60) == 0
