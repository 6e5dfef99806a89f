"""What a change does to many hosts at once: all of it, none of it, or all but the host that a defect strikes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sites import Site, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import JournalError, Unexpected
from ipecs_mw.service.hosts.context import HostContext
from ipecs_mw.service.hosts.fleet import Fleet
from ipecs_mw.service.hosts.host import HostRunner
from ipecs_mw.service.intake.former_hosts import FormerHosts
from ipecs_mw.service.intake.listeners import Listeners
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.service.session.leases import LeaseKeeper
from ipecs_mw.service.setup.loading import Loaded, build_loaded
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.setup import read_setup
from ipecs_mw.store.events.event_log import EventLog

HOSTS = 3


@pytest.fixture
def load(site: Site, simulated: SimulatedHost, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loaded]:
    """Returns what a configuration with some hosts says, each with an account of its own at one phone system."""
    monkeypatch.setenv("CANARY", "canary")
    site.configure(simulated, port=1)

    def build(count: int = HOSTS, **changes: Any) -> Loaded:
        setup = read_setup(site.store, "default")
        assert setup.config is not None
        names = [f"host{number}" for number in range(count)]
        hosts = [{**setup.config["hosts"][0], "name": name, "user": name, **changes} for name in names]
        return build_loaded(
            type(setup)(
                setup.profiles, {**setup.config, "hosts": hosts}, setup.languages, setup.commands, setup.codes
            ),
            "default",
        )

    return build


@pytest.fixture
def fleet(site: Site, tmp_path: Path) -> Iterator[Fleet]:
    clock, stop = SystemClock(), threading.Event()
    events, most_bytes = EventLog(site.store), 16 * 1024 * 1024
    shared = HostContext(
        site.store,
        events,
        threading.Event(),
        LeaseKeeper(site.store, "test", clock, stop),
        Listeners(),
        tmp_path / "state",
        clock,
        most_bytes,
        lambda _locked, _at: "",
        FormerHosts(tmp_path / "state", events, clock, most_bytes),
        "default",
    )
    made = Fleet("default", shared, stop)
    yield made
    stop.set()
    made.end(clock.monotonic() + 10)
    made.drain(clock.monotonic() + 10)


def ports(fleet: Fleet) -> list[int]:
    return [runner.host.port for runner in fleet.hosts.values()]


def test_what_refuses_one_host_leaves_all_of_them_as_they_were(
    fleet: Fleet, load: Callable[..., Loaded], tmp_path: Path
) -> None:
    fleet.apply(load(2))
    before = [runner.threads for runner in fleet.hosts.values()]
    in_the_way = tmp_path / "state" / "host-host2.journal"
    in_the_way.mkdir()
    with pytest.raises(JournalError):
        fleet.apply(load(port=2))
    assert ports(fleet) == [1, 1]
    assert [runner.threads for runner in fleet.hosts.values()] == before
    in_the_way.rmdir()
    fleet.apply(load(port=2))
    assert ports(fleet) == [2, 2, 2]


def test_a_defect_while_a_change_is_prepared_leaves_every_host_as_it_was(
    fleet: Fleet, load: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.apply(load())
    prepare = HostRunner.prepare

    def fail(runner: HostRunner, *arguments: Any, **options: Any) -> Callable[[], None]:
        if runner.host.name == "host1":
            raise KeyError("a defect")
        return prepare(runner, *arguments, **options)

    monkeypatch.setattr(HostRunner, "prepare", fail)
    with pytest.raises(KeyError):
        fleet.apply(load(port=2))
    assert ports(fleet) == [1, 1, 1]


def test_a_host_that_cannot_be_begun_leaves_the_others_changed_and_is_begun_the_next_time(
    fleet: Fleet, load: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.apply(load())
    with monkeypatch.context() as patched:
        patched.setattr("ipecs_mw.service.hosts.host_session.start_thread", fail_for("host1"))
        with pytest.raises(Unexpected):
            fleet.apply(load(port=2))
    assert ports(fleet) == [2, 2, 2]
    assert not fleet.hosts["host1"].threads
    assert fleet.hosts["host2"].threads
    others = fleet.hosts["host0"].threads
    fleet.apply(load(port=2))
    assert all(thread.is_alive() for thread in fleet.hosts["host1"].threads)
    assert fleet.hosts["host1"].threads
    assert fleet.hosts["host0"].threads == others


def fail_for(host: str) -> Callable[..., Any]:
    def begin(name: str, run: Callable[[], object]) -> threading.Thread:
        if name.endswith(host):
            raise RuntimeError("can't start new thread")
        return start_thread(name, run)

    return begin


def test_hosts_that_are_not_wanted_any_more_end_by_themselves(
    fleet: Fleet, load: Callable[..., Loaded]
) -> None:
    fleet.apply(load())
    gone = fleet.hosts["host2"].threads
    fleet.apply(load(2))
    assert sorted(fleet.hosts) == ["host0", "host1"]
    wait_until(lambda: not any(thread.is_alive() for thread in gone), 15)


def test_threads_that_were_asked_to_end_are_no_loss(fleet: Fleet, load: Callable[..., Loaded]) -> None:
    fleet.apply(load(1))
    runner = fleet.hosts["host0"]
    ending = runner.threads
    assert not runner.find_dead()
    runner.stop()
    wait_until(lambda: not any(thread.is_alive() for thread in ending), 15)
    assert not runner.find_dead()
