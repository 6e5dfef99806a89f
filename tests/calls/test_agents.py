"""Frames and the states of agents that they are, as data: `agent_cases/*.json`; and what holds of any."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from call_frames import EPOCH, read_documents
from hypothesis import given
from odd_frames import odd_days, some
from simulated_day import play_day, read_day

from ipecs_mw.calls.documents.agents import AgentStates
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import read_step

STATES = {
    "ready",
    "ringing",
    "talking",
    "holding",
    "wrap_up",
    "not_ready",
    "busy_other",
    "dnd",
    "out_of_service",
    "unknown",
}
CASES = json.loads((Path(__file__).parent / "agent_cases/states.json").read_text("utf-8"))


class Reading:
    """The states of agents that documents of the event log add up to, asked for after each batch."""

    def __init__(self, documents: Iterable[Mapping[str, Any]], batch: int = 1) -> None:
        self.calls = HostCalls("main")
        self.states = AgentStates("main", self.calls)
        self.found: dict[str, dict[str, Any]] = {}
        for order, document in enumerate(documents):
            self.calls.pass_time(document["received_at"])
            step = read_step(document, order)
            if step is not None:
                self.calls.take(step)
                self.states.take(step, list(self.calls.take_touched()))
            if order % batch == 0:
                self.found.update(self.states.take_changed())
        self.found.update(self.states.take_changed())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_frames_are_the_states_of_their_case(case: dict[str, Any]) -> None:
    found = sorted(Reading(read_documents(case["frames"])).found.values(), key=lambda state: state["from"])
    assert len(found) == len(case["states"]), found
    for state, expected in zip(found, case["states"], strict=True):
        assert {key: _shorten(state.get(key)) for key in expected} == expected, found


def _shorten(value: Any) -> Any:
    return (value - EPOCH).total_seconds() if isinstance(value, datetime) else value


def assert_without_overlap(states: Iterable[Mapping[str, Any]]) -> None:
    by_station = defaultdict(list)
    for state in states:
        by_station[state["station"]].append(state)
    for mine in by_station.values():
        mine.sort(key=lambda state: state["from"])
        for earlier, later in pairwise(mine):
            assert earlier["from"] < earlier["until"] <= later["from"], (earlier, later)
        assert all(state["from"] <= state.get("until", state["from"]) for state in mine)


@given(odd_days)
@some
def test_states_of_a_station_never_overlap(frames: list[Any]) -> None:
    documents = list(read_documents(frames, are_odd=True))
    reading = Reading(documents)
    assert_without_overlap(reading.found.values())
    assert reading.found == Reading(documents, batch=7).found


_LOGS_IN = {"agent_primary_login": 0, "agent_logon": 0, "agent_hotdesk_login": 0, "agent_hotdesk_logout": 1}
_LOGS_OUT = {
    "agent_primary_logout": 0,
    "agent_logoff": 0,
    "agent_hotdesk_login": 1,
    "agent_hotdesk_logout": 0,
}
"""Type → which of its stations is logged in, and out, by it."""


def _sum_logged_in(day: list[dict[str, Any]], end: datetime) -> dict[str, timedelta]:
    """Return how long an agent was logged in at each station."""
    begun: dict[str, datetime] = {}
    lasted: dict[str, timedelta] = {}
    for document in day:
        at = document.get("at", document["received_at"])
        stations = document.get("stations", ())
        if (place := _LOGS_OUT.get(document["type"])) is not None and place < len(stations):
            since = begun.pop(stations[place], at)
            lasted[stations[place]] = lasted.get(stations[place], timedelta()) + (at - since)
        if (place := _LOGS_IN.get(document["type"])) is not None and place < len(stations):
            begun.setdefault(stations[place], at)
    return {
        station: lasted.get(station, timedelta())
        + (end - begun[station] if station in begun else timedelta())
        for station in {*begun, *lasted}
    }


@pytest.mark.parametrize("kinds", ["acd", "call", "acd call smdr"])
def test_the_states_of_a_simulated_day_sum_to_the_logged_in_time(kinds: str) -> None:
    day = list(read_day(play_day(2.0, kinds=tuple(kinds.split()))))
    found = Reading(day).found.values()
    assert_without_overlap(found)
    end = max(state.get("until", state["from"]) for state in found)
    logged_in = _sum_logged_in(day, end)
    assert logged_in
    for station, expected in logged_in.items():
        mine = [state for state in found if state["station"] == station]
        lasted = sum((state.get("until", end) - state["from"] for state in mine), timedelta())
        assert abs(lasted - expected) <= timedelta(seconds=1), station
        assert {state["state"] for state in mine} <= STATES
