"""The states of a simulated day are what the phone system itself knows of its stations, all the time."""

from random import Random
from typing import Any

import pytest
from simulated_day import build_day, read_frame

from ipecs_mw.calls.reading import HostReading
from ipecs_mw.simulator.pbx import Station

ON_THE_PHONE = {"talking", "ringing", "holding", "busy_other"}


def tell_truth(station: Station) -> str:
    agent = station.agent
    if not station.is_registered:
        return "out_of_service"
    if station.calls:
        return "on the phone"
    if agent is None:
        return "dnd" if station.is_dnd else "idle"
    if agent.is_wrapping_up:
        return "wrap_up"
    if not agent.is_on_duty:
        return "not_ready"
    return "dnd" if station.is_dnd else "ready"


@pytest.mark.parametrize("kinds", ["acd", "call", "acd call smdr"])
def test_states_are_those_that_the_phone_system_knows(kinds: str) -> None:
    told: list[tuple[float, str, dict[str, Any]]] = []
    pbx = build_day(told, Random(5), tuple(kinds.split()), stations=20)
    reading, order, compared = HostReading("main"), 0, 0
    for seconds in range(0, 2 * 3600, 11):
        pbx.timetable.run_until(seconds)
        for frame in told:
            order += 1
            reading.take(read_frame(order, frame), order)
        told.clear()
        for number in reading.states.stations.keys() & pbx.stations.keys():
            state, _ = reading.states.judge(number)
            ours = "on the phone" if state in ON_THE_PHONE else state
            assert ours == tell_truth(pbx.stations[number]), (seconds, number, state)
            compared += 1
    assert compared > 1000
