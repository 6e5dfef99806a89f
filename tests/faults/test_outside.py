"""What is read from outside never comes: names, files; what is asked of the health port never ends."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest
from faults.names import CLUSTER, SERVER, Names, name_server
from faults.oracle import Witness
from faults.servers import ReplicaSet
from faults.test_stops import stop
from sites import PASSWORD, Site, is_streaming, wait_until

_UP_SECONDS = 90.0
_RESOLVER = """
import dns.resolver
dns.resolver.default_resolver = dns.resolver.Resolver(configure=False)
dns.resolver.default_resolver.nameservers = ["127.0.0.1"]
dns.resolver.default_resolver.port = {port}
"""
"""Run by a daemon's Python before it begins: a file of the machine's cannot name another port than 53."""


@pytest.fixture
def names(own_set: ReplicaSet) -> Iterator[Names]:
    """A name server that `start_with_names` has a daemon ask; silent at first."""
    if os.geteuid() != 0:
        pytest.skip("only root may give a process other names")
    with name_server(own_set.servers[0].port) as served:
        served.rcode = None
        yield served


def start_with_names(site: Site, names: Names) -> subprocess.Popen[str]:
    """Start a daemon that asks the test's name server for clusters, and finds their server on this machine."""
    hosts, modules = site.folder / "hosts", site.folder / "modules"
    hosts.write_text(f"127.0.0.1 localhost {SERVER}\n")
    modules.mkdir(exist_ok=True)
    (modules / "sitecustomize.py").write_text(_RESOLVER.format(port=names.port))
    mount = f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"'
    with (site.folder / f"run{len(site.processes)}.log").open("w") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount, *site.command("run")],
            env={**os.environ, "CANARY": PASSWORD, "PYTHONPATH": str(modules)},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    site.processes.append(process)
    return process


def name_cluster(site: Site) -> None:
    uri = f"mongodb+srv://{CLUSTER}/{site.store.database.name}?tls=false"
    (site.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))


@pytest.mark.fault(50)
@pytest.mark.parametrize("rcode", [None, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN])
def test_while_names_are_not_answered_the_daemon_waits_and_starts_once_they_are(
    own_witness: Witness, names: Names, rcode: int | None
) -> None:
    site, host = own_witness.site, own_witness.host
    site.configure(host)
    name_cluster(site)
    names.rcode = rcode
    process = start_with_names(site, names)
    wait_until(lambda: "start.mongodb_away" in site.logged(), _UP_SECONDS)
    assert process.poll() is None
    names.rcode = dns.rcode.NOERROR
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    own_witness.await_flow()
    assert stop(process) < 10


@pytest.mark.fault(50)
def test_without_names_it_starts_from_what_it_kept_and_stores_once_they_are_answered(
    own_witness: Witness, names: Names
) -> None:
    site, host = own_witness.site, own_witness.host
    site.configure(host)
    stop(_start_until_up(own_witness))
    name_cluster(site)
    process = start_with_names(site, names)
    wait_until(lambda: "start.recalled" in site.logged(), _UP_SECONDS)
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    own_witness.send(20)
    names.rcode = dns.rcode.NOERROR
    own_witness.judge()
    assert stop(process) < 10


@pytest.mark.fault(50)
def test_a_stop_while_names_are_not_answered_is_in_time(own_site: Site, names: Names) -> None:
    name_cluster(own_site)
    process = start_with_names(own_site, names)
    wait_until(lambda: names.asked, _UP_SECONDS)
    assert stop(process) < 10


@pytest.mark.fault(50)
def test_a_bootstrap_file_that_never_answers_is_named(own_site: Site) -> None:
    file = own_site.folder / "bootstrap.json"
    file.unlink()
    os.mkfifo(file)
    ended = own_site.run("run")
    assert ended.returncode == 3
    assert str(file) in ended.stderr


@pytest.mark.fault(50)
def test_files_that_never_end_in_the_state_directory_do_not_keep_it_from_starting(
    witness: Witness, tmp_path: Path
) -> None:
    site, host = witness.site, witness.host
    site.configure(host)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "host-host0.token").symlink_to("/dev/zero")
    (state / f"last-good-{b'default'.hex()}.json").symlink_to("/dev/zero")
    os.mkfifo(state / "identity")
    site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    witness.judge()


def _start_until_up(witness: Witness) -> subprocess.Popen[str]:
    process = witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()
    return process
