"""What a change needs of the machine: a disk, a file, a port that is not there is told, and tried again."""

import os
import socket
import urllib.request
from pathlib import Path

from live_scene import change, config, is_answering, refused, start
from sites import PASSWORD, USER, Site, is_up, wait_until

from ipecs_mw.simulator import Account, SimulatedHost


def test_a_change_that_the_disk_refuses_is_refused_as_a_whole_and_tried_again_by_itself(
    site: Site, simulated: SimulatedHost
) -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False) as other:
        start(site, simulated)
        in_the_way = site.folder / "state" / "host-host1.journal"
        in_the_way.mkdir()
        before = simulated.sessions[USER].monitored
        site.configure(simulated, other, monitor=["1003"])
        wait_until(lambda: "host-host1.journal" in refused(site).get("reason", ""), 10)
        assert simulated.sessions[USER].monitored == before
        in_the_way.rmdir()
        wait_until(lambda: is_up(site, "host1") and not refused(site), 20)
        wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 5)
        assert site.count(type="config_refused") == 1


def test_a_file_of_authorities_that_appears_after_the_change_serves_without_another_one(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    start(site, simulated)
    file = tmp_path / "authorities.pem"
    change(site, "hosts.0.tls", {"verify": "ca", "ca_file": str(file)})
    wait_until(lambda: str(file) in refused(site).get("reason", ""), 10)
    assert is_up(site)
    file.write_text(simulated.certificate_pem)
    wait_until(lambda: not refused(site), 20)


def test_a_log_file_that_cannot_be_opened_is_told_until_it_can_and_holds_up_no_host(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    start(site, simulated)
    file = tmp_path / "logs"
    file.mkdir()
    changed = {"logging.file": str(file), "hosts.0.monitor": ["1003"]}
    site.store.database["config"].update_one({"_id": "default"}, {"$set": changed})
    wait_until(lambda: str(file) in refused(site).get("reason", ""), 10)
    wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 20)
    assert "configuration.behind" in site.logged()
    file.rmdir()
    wait_until(lambda: not refused(site), 20)
    wait_until(file.is_file)
    assert "configuration.caught_up" in site.logged()


def test_the_health_port_moves_and_stays_where_the_new_one_is_taken(
    site: Site, simulated: SimulatedHost
) -> None:
    start(site, simulated)
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            ports.append(probe.getsockname()[1])
    change(site, "health.port", ports[0])
    wait_until(lambda: is_answering(ports[0]), 5)
    with socket.create_server(("127.0.0.1", ports[1])):
        change(site, "health.port", ports[1])
        wait_until(lambda: refused(site).get("path") == "health.port", 5)
        assert str(ports[1]) in refused(site)["reason"]
        assert is_answering(ports[0])
        change(site, "hosts.0.monitor", ["1003"])
        wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 20)
        assert refused(site).get("path") == "health.port"
        assert site.count(type="config_refused") == 0
    wait_until(lambda: is_answering(ports[1]) and not refused(site), 20)
    assert not is_answering(ports[0])
    change(site, "health.port", None)
    wait_until(lambda: not is_answering(ports[1]), 5)


def test_of_two_daemons_on_one_machine_the_one_without_the_port_follows_every_other_change(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    start(site, simulated)
    standing_by = site.beside(tmp_path / "other")
    try:
        standing_by.start()
        wait_until(lambda: site.store.database["instances"].count_documents({}) == 2, 30)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        change(site, "health.port", port)
        instances = site.store.database["instances"]
        wait_until(lambda: instances.count_documents({"refused.path": "health.port"}) == 1, 20)
        change(site, "hosts.0.monitor", ["1004"])
        revision = wait_until(lambda: config(site)["revision"])
        wait_until(lambda: instances.count_documents({"revision": {"$gte": revision}}) == 2, 20)
        wait_until(lambda: simulated.sessions[USER].monitored == {"1004"}, 20)
        assert instances.count_documents({"refused.path": "health.port"}) == 1
    finally:
        standing_by.stop()


def test_a_password_file_that_never_answers_is_told_and_what_else_changes_is_followed(
    site: Site, simulated: SimulatedHost, tmp_path: Path
) -> None:
    start(site, simulated)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    change(site, "health.port", port)
    wait_until(lambda: is_answering(port), 10)
    pipe = tmp_path / "password"
    os.mkfifo(pipe)
    good = config(site)["hosts"][0]["password"]
    change(site, "hosts.0.password", {"file": str(pipe)})
    wait_until(lambda: "no answer within" in refused(site).get("reason", ""), 20)
    wait_until(lambda: "outside.silent" in site.logged(), 20)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
        told = answer.read().decode()
    assert "outside_silent" in told
    assert str(pipe) in told
    assert str(pipe) in site.run("status").stdout
    assert simulated.sessions[USER].is_streaming
    change(site, "hosts.0.password", good)
    change(site, "hosts.0.monitor", ["1003"])
    wait_until(lambda: simulated.sessions[USER].monitored == {"1003"}, 20)
    wait_until(lambda: not refused(site), 20)
    pipe.write_bytes(b"late")
    wait_until(lambda: "outside.answered" in site.logged(), 20)
