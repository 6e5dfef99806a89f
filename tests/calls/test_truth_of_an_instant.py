"""The live state at random instants of a simulated day against what the PBX does at that instant."""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

import pytest
from faults.recording import IS_FULL
from simulated_day import Frame, build_day, read_frame
from true_day import tell

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.simulator.pbx.agent_states import state_of
from ipecs_mw.simulator.pbx.parts import Station
from ipecs_mw.simulator.pbx.pbx import Pbx

BINS = {"1": "620", "2": "621"}
TONES = ("talking", "busy_other")
"""What a station does that hears the tone of a call which failed: it is in no call any more."""

HOURS, INSTANTS = (24.0, 1000) if IS_FULL else (3.0, 150)

_BY_LEG = (("connected", "talking"), ("holding", "holding"), ("dialing", "talking"), ("held", "talking"))


def pass_day(seed: int) -> Iterator[tuple[Pbx, HostReading]]:
    """Yield the PBX and what was read of it at random instants of a day, which begins when all have come."""
    random = Random(seed)
    told: list[Frame] = []
    pbx = build_day(told, Random(seed), ("acd", "call", "smdr"), 40)
    reading = HostReading("main", bins=BINS)
    read = 0
    for instant in sorted(random.uniform(600, HOURS * 3600) for _ in range(INSTANTS)):
        pbx.timetable.run_until(instant)
        for number in range(read, len(told)):
            document = read_frame(number, told[number])
            document["received_at"] = document["received_at"].replace(microsecond=0)
            reading.take(document, number)
        read = len(told)
        yield pbx, reading


def expect_state(station: Station) -> str:
    """Return what a station does at this instant."""
    if station.agent is not None:
        return state_of(station)
    if not station.is_registered:
        return "out_of_service"
    legs = {call.legs[station.number] for call in station.calls}
    found = next((state for leg, state in _BY_LEG if leg in legs), "ringing" if legs else "")
    return found or ("dnd" if station.is_dnd else "idle")


def list_since(pbx: Pbx) -> dict[str, datetime]:
    """Return since when each agent does what he does, in whatever groups."""
    since: dict[str, tuple[Any, datetime]] = {}
    ended: dict[str, datetime | None] = {}
    for each in pbx.truth.agents.describe(pbx.timetable.now_seconds - 7200):
        station, begins, ends = each["station"], tell(each, "from"), tell(each, "until")
        if begins == ends:
            continue  # by the host's clock it lasted no time
        facts = (each["state"], each.get("reason"))
        if ended.get(station) != begins or since[station][0] != facts:
            since[station] = (facts, begins)
        ended[station] = ends
    return {station: at for station, (_, at) in since.items()}


def list_waits(pbx: Pbx, group: str) -> list[tuple[datetime, int]]:
    """Return since when each call waits in a group, and its first reference."""
    lasting = [c for c in pbx.truth.describe(pbx.timetable.now_seconds)["conversations"] if c["is_open"]]
    return sorted(
        (tell(stay, "from"), call["refs"][0])
        for call in lasting
        for stay in call["segments"]
        if stay["kind"] == "group" and stay["group"] == group and "until_at" not in stay
    )


@pytest.mark.parametrize("seed", range(7, 11 if IS_FULL else 8))
def test_the_live_state_is_what_the_pbx_does_at_any_instant(seed: int) -> None:
    seen: set[str] = set()
    for pbx, reading in pass_day(seed):
        live = {each["_id"]: each for each in reading.live.list_all()}
        since = list_since(pbx)
        logged_on = {tell(each, "from") for each in pbx.truth.describe(pbx.timetable.now_seconds)["log_ons"]}
        refs = {call.id: set(call.refs) for call in reading.calls.open_calls()}
        for number, station in pbx.stations.items():
            found = live.get(f"main:station:{number}", {"state": "out_of_service"})
            assert found["state"] == expect_state(station), (pbx.timetable.now_seconds, number, found)
            seen.add(found["state"])
            mine: set[int] = set().union(*(call.conversation.refs for call in station.calls))
            assert bool(mine) == ("call" in found) or found["state"] in TONES, (number, found)
            assert "call" not in found or refs[found["call"]] & mine, (number, found)
            if station.agent is not None:
                is_new = since[number] in logged_on  # his phone may have been so before
                assert found["since"] == since[number] or (is_new and found["since"] < since[number]), (
                    pbx.timetable.now_seconds,
                    number,
                    found,
                )
                agent = station.agent.primary_id or station.agent.secondary_id
                assert live[f"main:agent:{agent}"] == {**found, **_name("agent", agent)}
        for group in pbx.groups:
            waits = list_waits(pbx, group)
            found = live.get(f"main:group:{group}", {"waiting": 0})
            assert found["waiting"] == len(waits), (pbx.timetable.now_seconds, group, waits, found)
            assert found.get("longest_wait_since") == (waits[0][0] if waits else None), (group, found)
            assert all(refs[each] & {ref for _, ref in waits} for each in found.get("calls", ()))
            assert found.get("agents", {}) == _count_states(pbx, group), (pbx.timetable.now_seconds, group)
    assert seen >= {
        "ready",
        "ringing",
        "talking",
        "holding",
        "wrap_up",
        "not_ready",
        "busy_other",
        "dnd",
        "idle",
    }


def _name(kind: str, name: str) -> dict[str, Any]:
    return {"_id": f"main:{kind}:{name}", "kind": kind}


def _count_states(pbx: Pbx, group: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for station in pbx.stations.values():
        if station.agent is not None and group in station.agent.groups:
            state = state_of(station)
            counts[state] = counts.get(state, 0) + 1
    return counts
