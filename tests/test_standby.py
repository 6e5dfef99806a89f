"""Two daemons for one account: one holds it, the other stands by and takes over, also from the dead."""

import json
import re
import signal
import time
from datetime import datetime
from pathlib import Path

from fault_proxy import FaultProxy
from sites import USER, Site, is_up, ring, wait_until

from ipecs_mw.simulator import SimulatedHost


def state_of(site: Site) -> str:
    query = {"state_dir": str((site.folder / "state").absolute())}
    found = site.store.database["instances"].find_one(query) or {}
    return str(found.get("hosts", {}).get("host0", {}).get("state"))


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
        first_process.kill()
        killed_at = time.monotonic()
        wait_until(lambda: state_of(second) == "up", 15)
        assert time.monotonic() - killed_at < 15
        simulated.send(ring(2))
        wait_until(lambda: site.count(type="station_ring") == 2)
        gap = site.store.database["events"].find_one({"type": "gap"}, sort=[("received_at", -1)])
        assert gap is not None
        heard = site.store.database["events"].find_one({"call_ref": 1})
        assert heard is not None
        since, until = (datetime.fromisoformat(gap["data"][name]) for name in ("since", "until"))
        assert abs((since - heard["received_at"]).total_seconds()) < 10
        assert until > heard["received_at"]
        # the first comes back: the account is the other's now
        site.start()
        wait_until(lambda: state_of(site) == "standing_by", 30)
        assert state_of(second) == "up"
        second_process.terminate()
        assert second_process.wait(12) == 0
        wait_until(lambda: state_of(site) == "up", 6)
    finally:
        second.stop()


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
        assert simulated.sessions[USER].is_streaming
    finally:
        first.send_signal(signal.SIGCONT)
        second.stop()


def test_without_mongodb_it_starts_with_what_it_last_found_there_and_journals(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    site.configure(simulated)
    process = site.start()
    wait_until(lambda: is_up(site), 30)
    process.terminate()
    assert process.wait(12) == 0
    bootstrap = site.folder / "bootstrap.json"
    uri = json.loads(bootstrap.read_text())["mongo_uri"]
    port = int(re.search(r":(\d+)/", uri)[1])  # type: ignore[index]
    with FaultProxy(port) as proxy:
        proxy.is_refusing = True
        bootstrap.write_text(json.dumps({"mongo_uri": uri.replace(f":{port}/", f":{proxy.port}/")}))
        process = site.start()
        wait_until(lambda: simulated.sessions and simulated.sessions[USER].is_streaming, 30)
        assert "last good configuration" in site.logged()
        for number in range(50):
            simulated.send(ring(number))
        time.sleep(1)
        assert site.count(type="station_ring") == 0
        wait_until(lambda: site.logged().count("monitor.started") == 4)
        simulated.send({"event": "call", "data": {"deviceINFO": [{"deviceNumber": "1001"}]}})
        wait_until(lambda: site.logged().count("monitor.started") == 6, 10)  # it does not wait for MongoDB
        proxy.is_refusing = False
        wait_until(lambda: site.count(type="station_ring") == 50, 40)
        wait_until(lambda: is_up(site), 10)
        wait_until(
            lambda: "on the last good configuration, for MongoDB was away" in site.run("status").stdout
        )
        wait_until(lambda: "has been applied since" in site.run("status").stdout)
        assert site.logged().count("monitor.started") == 6, "what waited in the journal is not news"
        process.terminate()
        assert process.wait(12) == 0
