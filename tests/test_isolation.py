"""Several hosts in one daemon, several profiles in one database: none slows or touches another."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from sites import PASSWORD, USER, Site, is_up, ring, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.store.configuration.settings import load_document, save_settings

FLOOD = 5000


def measure(site: Site, host: SimulatedHost, first: int) -> float:
    """Return the median time from sending a frame to finding it, in seconds."""
    found = []
    for number in range(first, first + 20):
        began = time.monotonic()
        host.send(ring(number))
        wait_until(lambda number=number: site.count(call_ref=number, host="host0"), 30)  # type: ignore[misc]
        found.append(time.monotonic() - began)
    return statistics.median(found)


def test_a_host_that_floods_loses_nothing_and_lets_the_others_through(
    site: Site, simulated: SimulatedHost
) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other:
        site.configure(simulated, other)
        site.start()
        wait_until(lambda: is_up(site) and is_up(site, "host1"), 40)
        with ThreadPoolExecutor(1) as pool:
            flood = pool.submit(lambda: [other.send(ring(100_000 + number)) for number in range(FLOOD)])
            # on two cores that all of it shares: within a second although thousands wait in the other intake
            assert measure(site, simulated, 0) < 1.0
            flood.result(60)
        wait_until(lambda: site.count(host="host1", type="station_ring") == FLOOD, 60)
        assert site.count(host="host0", type="station_ring") == 20
        site.stop()


def test_two_profiles_in_one_database_run_side_by_side(site: Site, simulated: SimulatedHost) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other:
        site.configure(other)
        branch = load_document(site.store, "default") or {}
        branch["hosts"][0]["name"] = "branch"
        save_settings(site.store, "branch", branch, "test", at=SystemClock().now())
        site.configure(simulated)
        site.start()
        beside = site.beside(site.folder / "beside")
        beside.start(IPECS_MW_PROFILE="branch")
        wait_until(lambda: is_up(site) and is_up(site, "branch"), 40)
        other.send(ring(2))
        simulated.send(ring(1))
        wait_until(lambda: site.count(host="branch", call_ref=2) and site.count(host="host0", call_ref=1))
        only = {"IPECS_MW_PROFILE": "branch"}
        assert "branch: " in site.run("status", **only).stdout
        assert "host0" not in site.run("status", **only).stdout
        # a change of one profile leaves the other alone
        branch["hosts"][0]["monitor"] = ["1001"]
        save_settings(site.store, "branch", branch, "test", at=SystemClock().now())
        wait_until(lambda: other.sessions[USER].monitored == {"1001"}, 10)
        assert len(simulated.sessions[USER].monitored) == 10
        beside.stop()
