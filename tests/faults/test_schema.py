"""Somebody drops the event log, or restores it without its indexes, before or while the daemon runs."""

from typing import Any

import pytest
from faults.recording import Rounds
from sites import Site, is_up, ring, wait_until

from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.schema.comparison import describe_differences
from ipecs_mw.store.schema.retention import find_differences

_UP_SECONDS = 60.0


def differences(site: Site) -> str:
    return describe_differences(find_differences(site.store))


def restore_without_indexes(events: Any) -> None:
    """Have the same documents in a collection that somebody else made."""
    documents = list(events.find())
    events.drop()
    events.insert_many(documents)


@pytest.mark.fault(51, few=2, many=10)
def test_events_dropped_while_frames_come_are_told_by_check_and_put_right_by_migrate(
    site: Site, simulated: SimulatedHost, rounds: Rounds
) -> None:
    events = site.store.database["events"]
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site), _UP_SECONDS)
    wait_until(lambda: not differences(site), _UP_SECONDS)
    for number in rounds:
        simulated.send(ring(number))
        wait_until(lambda number=number: site.count(call_ref=number), _UP_SECONDS)
        if number % 2:
            restore_without_indexes(events)
        else:
            events.drop()
        simulated.send(ring(1000 + number))
        wait_until(lambda number=number: site.count(call_ref=1000 + number), _UP_SECONDS)
        assert "events.newest (index)" in site.run("check").stdout
        repaired = site.run("migrate")
        assert (repaired.returncode, repaired.stderr) == (0, "")
        assert "events.newest (index)" in repaired.stdout
        assert differences(site) == ""
        assert "events.newest" not in site.run("check").stdout
    assert site.count(type="gap") == 0


@pytest.mark.fault(51)
@pytest.mark.parametrize("command", ["run", "seed"])
def test_events_dropped_before_a_start_are_put_right_by_it(
    site: Site, simulated: SimulatedHost, command: str
) -> None:
    site.configure(simulated)
    site.store.database["events"].drop()
    site.store.database["requests"].drop_indexes()
    assert "requests.queue (index)" in differences(site)
    if command == "run":
        site.start()
        wait_until(lambda: not differences(site), _UP_SECONDS)
    else:
        assert site.run("seed").returncode == 0
        assert differences(site) == ""
