"""MongoDB is away when the daemon starts."""

import json

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness, count_logins
from faults.recording import Rounds
from faults.servers import ReplicaSet
from sites import is_streaming, wait_until

_UP_SECONDS = 60.0


@pytest.mark.fault(3, few=1, many=5)
def test_without_mongodb_a_first_start_waits_says_so_and_leaves_the_host_alone(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    witness = own_witness
    site = witness.site
    witness.site.configure(witness.host)
    bootstrap = site.folder / "bootstrap.json"
    uri = json.loads(bootstrap.read_text())["mongo_uri"]
    server = own_set.servers[0]
    for _ in rounds:
        logins = count_logins(witness.host)
        for kept in (site.folder / "state").glob("last-good-*"):
            kept.unlink()
        with FaultProxy(server.port) as proxy:
            proxy.is_refusing = True
            database = uri.rpartition("/")[2].partition("?")[0]
            away = f"mongodb://127.0.0.1:{proxy.port}/{database}?directConnection=true"
            bootstrap.write_text(json.dumps({"mongo_uri": away}))
            process = site.start()
            log = site.folder / f"run{len(site.processes) - 1}.log"
            wait_until(lambda log=log: "start.mongodb_away" in log.read_text(), _UP_SECONDS)
            tried = proxy.accepted
            wait_until(lambda tried=tried, proxy=proxy: proxy.accepted > tried + 4, _UP_SECONDS)
            assert process.poll() is None
            assert count_logins(witness.host) == logins
            assert f"127.0.0.1:{proxy.port}" in log.read_text(), "it names what it waits for"
            assert log.read_text().count("start.mongodb_away") == 1
            proxy.is_refusing = False
            wait_until(lambda: is_streaming(witness.host), 90)
            witness.await_flow()
            process.terminate()
            assert process.wait(60) == 0
    bootstrap.write_text(json.dumps({"mongo_uri": uri}))
    site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.judge()
