"""Figures of a simulated day against what the PBX knows of it: by group, agent and quarter hour, to the second."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from faults.recording import IS_FULL
from true_day import Day, list_records, list_true_states, play, read, tell

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.figures.answers.day_sums import name_figure
from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.counting.sums import name_wait
from ipecs_mw.figures.time.quarters import find_quarter, list_quarters, split
from ipecs_mw.simulator.wire.variants import Variants

HOURS = 24.0 if IS_FULL else 2.0
SEEDS = (1, 2, 3, 4) if IS_FULL else (1,)
COUNTS = ("offered", "answered", "abandoned", "overflowed", "left", "unknown")

Key = tuple[str, datetime]


def count_day(day: Day, reading: HostReading) -> tuple[dict[Key, Any], dict[Key, Any]]:
    """Return the figures of groups and of agents that were read, by name and quarter hour."""
    as_of = datetime.fromisoformat(day.truth["now_at"]).replace(microsecond=0)
    calls = list_records(reading)
    states = [document for _, document in reading.states.take_changed()]
    begun = min(each.get("began_at") or each["from"] for each in calls + states)
    quarters = set(list_quarters(begun, as_of))
    groups: dict[Key, Any] = {}
    agents: dict[Key, Any] = {}
    for each in count(Facts("main", quarters, calls, states, (), as_of)):
        if each["kind"] == "group":
            told = {name: each[name] for name in COUNTS if name in each}
            waits = {name: Counter(each.get(name, {})) for name in ("waits", "abandon_waits")}
            groups[each["group"], each["from"]] = told, waits
        elif each["kind"] == "agent" and "states" in each:
            agents[name_figure(each)[1], each["from"]] = each["states"]
    return groups, agents


def count_truth_of_groups(day: Day) -> dict[Key, Any]:
    """Return what the PBX knows of its groups."""
    found: dict[Key, Any] = {}
    for group, entered, until, how in _list_stays(day):
        told, waits = found.setdefault(
            (group, find_quarter(entered)), (Counter(), {"waits": Counter(), "abandon_waits": Counter()})
        )
        told["offered"] += 1
        if until is not None:
            told[how] += 1
            wait = name_wait((until - entered).total_seconds())
            waits["abandon_waits" if how == "abandoned" else "waits"][wait] += how != "overflowed"
    return {
        key: (dict(told), {name: +each for name, each in waits.items()})
        for key, (told, waits) in found.items()
    }


def _list_stays(day: Day) -> Iterator[tuple[str, datetime, datetime | None, str]]:
    for conversation in day.truth["conversations"]:
        for each in conversation["segments"]:
            if each["kind"] == "group" and (entered := tell(each, "from")) is not None:
                yield each["group"], entered, tell(each, "until"), each.get("how", "")


def count_truth_of_agents(day: Day) -> dict[Key, Any]:
    """Return what the PBX knows of the seconds of its agents."""
    now = datetime.fromisoformat(day.truth["now_at"]).replace(microsecond=0)
    found: dict[Key, Any] = {}
    for station, states in list_true_states(day).items():
        for begins, ends, facts in states:
            for quarter, seconds in split(begins, ends or now):
                sums = found.setdefault((facts[2] or f"@{station}", quarter), {})
                sums[facts[0]] = sums.get(facts[0], 0.0) + seconds
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bins", [{"1": "620", "2": "621"}, {}], ids=["configured", "learned"])
@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"bins": "number"},
        {"records": "segment"},
        {"transfer_ref": "new"},
        {"unanswered": "no_answer"},
        {"unanswered": "queue"},
        {"unanswered": "overflow_group"},
        {"release_order": "trunk_only"},
    ],
    ids=str,
)
def test_figures_are_what_the_pbx_knows(variant: dict[str, Any], bins: dict[str, str], seed: int) -> None:
    day = play(HOURS, seed, Variants(**variant))
    groups, agents = count_day(day, read(day, bins=bins))
    true = count_truth_of_groups(day)
    assert sum(told["offered"] for told, _ in true.values()) > 100
    assert {key: each for key, each in groups.items() if each[0]} == true
    assert agents == count_truth_of_agents(day)
    assert {group for group, _ in groups} == {"620", "621"}


def test_without_call_records_figures_are_the_same() -> None:
    day = play(HOURS)
    for kinds in (("acd", "call"), ("acd",)):
        groups, _ = count_day(day, read(day, kinds, bins={"1": "620", "2": "621"}))
        assert {key: each for key, each in groups.items() if each[0]} == count_truth_of_groups(day)
