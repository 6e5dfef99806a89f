"""Asked to stop, the daemon is out within 10 s with exit code 0, whatever hangs around it."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from faults.oracle import Witness
from faults.servers import ReplicaSet, Server, fail_point, is_gone
from sites import Site, is_streaming, wait_until
from stopwatch import Stopwatch

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.configuration.settings import load_document, save_settings
from ipecs_mw.store.coordination.leases import acquire_lease

_UP_SECONDS = 60.0


def stop(process: subprocess.Popen[str]) -> float:
    """Ask a daemon to stop; return how long it took, in seconds."""
    watch = Stopwatch()
    process.terminate()
    assert process.wait(60) == 0
    return watch.seconds


def await_line(site: Site, words: str) -> None:
    log = site.folder / f"run{len(site.processes) - 1}.log"
    wait_until(lambda: words in log.read_text(), _UP_SECONDS)


@pytest.mark.fault(37)
@pytest.mark.parametrize("hung_seconds", [0.0, 4.0])
def test_with_mongodb_and_the_host_hanging_together_it_is_out_in_time_and_loses_nothing(
    own_witness: Witness, own_set: ReplicaSet, hung_seconds: float
) -> None:
    witness, server = own_witness, own_set.servers[0]
    with FaultProxy(witness.host.port) as to_host:
        witness.site.configure(witness.host, port=to_host.port)
        process = witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.await_flow()
        server.signal(signal.SIGSTOP)
        try:
            witness.send(200)
            time.sleep(0.5)
            to_host.is_silent = True
            to_host.swallow()
            time.sleep(hung_seconds)
            seconds = stop(process)
        finally:
            server.signal(signal.SIGCONT)
        assert seconds < 10
        assert "daemon.cut_off" not in witness.site.logged(), "each part of the way out keeps to its time"
        to_host.is_silent = False
        witness.site.start()
        wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
        witness.judge()


def test_a_stop_while_another_process_migrates_is_not_held_up_by_its_lock(site: Site, host: object) -> None:
    migrations = site.store.database["migrations"]
    last = migrations.find_one(sort=[("_id", -1)])
    assert last is not None
    migrations.delete_one({"_id": last["_id"]})
    assert acquire_lease(site.store, "migrations", "somebody", 120)
    process = site.start()
    await_line(site, "migration.waiting")
    assert stop(process) < 4


def test_a_stop_while_mongodb_takes_the_first_connection_and_says_nothing_is_not_held_up(
    own_site: Site, own_set: ReplicaSet
) -> None:
    with FaultProxy(own_set.servers[0].port) as proxy:
        proxy.is_silent = True
        uri = f"mongodb://127.0.0.1:{proxy.port}/away?directConnection=true"
        (own_site.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
        process = own_site.start()
        wait_until(lambda: proxy.accepted, _UP_SECONDS)
        assert stop(process) < 4


def test_a_stop_while_mongodb_hangs_in_the_middle_of_the_start_is_not_held_up(
    own_site: Site, own_set: ReplicaSet
) -> None:
    server: Server = own_set.servers[0]
    with server.client() as client:
        blocked = {"failCommands": ["distinct"], "blockConnection": True, "blockTimeMS": 8_000}
        fail_point(client, "failCommand", 1, **blocked)
        try:
            process = own_site.start()
            await_line(own_site, "start.schema")
            time.sleep(0.5)
            assert stop(process) < 4
        finally:
            fail_point(client, "failCommand", 0)


def test_a_stop_while_the_embedded_server_starts_leaves_no_server_behind(
    own_site: Site, tmp_path: Path
) -> None:
    (own_site.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": "embedded:mongo"}))
    process = own_site.start()
    await_line(own_site, "start.bootstrap")
    assert stop(process) < 10
    lock = tmp_path / "mongo" / "data" / "mongod.lock"
    if lock.exists() and (pid := lock.read_text().strip()):
        assert is_gone(int(pid))


def test_a_stop_after_a_start_from_what_was_kept_with_many_hosts_and_mongodb_saying_nothing_is_not_held_up(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    site, host = own_witness.site, own_witness.host
    site.configure(host)
    site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    stop(site.processes[-1])
    content = load_document(site.store, "default") or {}
    first = content["hosts"][0]
    names = [f"host{number}" for number in range(20)]
    content["hosts"] = [{**first, "name": name, "user": name} for name in names]
    with FaultProxy(own_set.servers[0].port) as proxy:
        save_settings(site.store, "default", content, "test", at=SystemClock().now())
        site.start()
        wait_until(lambda: site.logged().count("session.failed") >= 20, _UP_SECONDS)
        stop(site.processes[-1])
        proxy.is_silent = True
        uri = f"mongodb://127.0.0.1:{proxy.port}/away?directConnection=true"
        (site.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
        process = site.start()
        await_line(site, "start.recalled")
        watch = Stopwatch()
        wait_until(lambda: site.logged().count("session.failed") >= 40, 10)
        assert watch.seconds < 6, "the hosts wait for MongoDB one after the other"
        assert stop(process) < 10
