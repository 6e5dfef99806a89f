"""A simulated day holds together: what the events of one call say agrees, whatever the seed."""

import itertools
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import pytest
from simulator.pbx_scene import BEGINS_AT

from ipecs_mw.seeds import read_json
from ipecs_mw.simulator.pbx import calls, features
from ipecs_mw.simulator.pbx.day import DAY_SECONDS, Day
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.timetable import Timetable
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.simulator.wire.spelling import Oddities
from ipecs_mw.simulator.wire.variants import Variants

_OPENING = (
    *("ringing", "proceeding", "retrieve"),
    *("transferring", "transferred", "conferencing", "conferenced"),
)

Event = tuple[str, dict[str, Any]]


def live(seed: int, seconds: float = DAY_SECONDS + 3600, **variants: Any) -> tuple[Pbx, list[Event]]:
    """Return a PBX and its events after a day and the first half hour of the next."""
    events: list[Event] = []

    def publish(kind: str, _number: str, data: dict[str, Any]) -> bool:
        events.append((kind, data))
        return True

    chance, timetable = random.Random(seed), Timetable()
    pbx = Pbx(
        stations=range(1000, 1020),
        trunks=12,
        records=CallRecords(100_000),
        publish=publish,
        local_now=lambda: BEGINS_AT + timedelta(seconds=timetable.now_seconds),
        random=chance,
        timetable=timetable,
        variants=Variants(**variants),
    )
    Day(pbx, chance).begin()
    pbx.timetable.run_until(seconds)
    return pbx, events


class Past(NamedTuple):
    """A day that is over: its PBX, what it told, and what really happened."""

    pbx: Pbx
    events: list[Event]
    truth: dict[str, Any]


@cache
def look_back(seed: int) -> Past:
    pbx, events = live(seed)
    return Past(pbx, events, pbx.truth.describe())


@pytest.fixture(params=[1, 2, 3])
def day(request: pytest.FixtureRequest) -> Past:
    return look_back(request.param)


def acd(events: list[Event], *codes: int) -> list[dict[str, Any]]:
    return [data for kind, data in events if kind == "acd" and data["eventCode"] in codes]


def test_the_same_seed_gives_the_same_day() -> None:
    assert live(5, 3600)[1] == live(5, 3600)[1]
    assert live(5, 3600)[1] != live(6, 3600)[1]


def test_a_day_has_everything_that_a_contact_centre_has(day: Past) -> None:
    events = day.events
    codes = {data["eventCode"] for kind, data in events if kind == "acd"}
    assert codes >= {
        *(1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 41, 42, 43, 44, 49, 58, 59, 62),
        *(45, 48, 50, 55, 57, 61, 63, 66, 67, 69, 70, 71, 72, 73, 74, 81, 82, 83, 84, 85, 86),
        *(25, 26),
    }
    types = {data["type"] for kind, data in events if kind == "call"}
    assert types >= {
        *("registered", "unregistered", "ringing", "alerting", "connected", "released", "proceeding"),
        *("hold", "held", "retrieve", "transferring", "transferred", "queueing", "dnd", "forwarding", "mwi"),
        *("conferencing", "conferenced", "fail"),
        *("agent_logon", "agent_logoff", "agent_ready", "agent_notready", "agent_work", "agent_busy"),
    }
    assert len(events) > 20_000


def test_a_trunk_is_busy_and_idle_in_turn(day: Past) -> None:
    states: dict[str, int] = {}
    for event in acd(day.events, 1, 2):
        trunk = event["sourceNumber"]
        assert states.get(trunk, 2) != event["eventCode"]
        states[trunk] = event["eventCode"]


def test_a_call_is_offered_before_it_is_answered_and_answered_before_it_ends(
    day: Past,
) -> None:
    order: dict[int, list[int]] = defaultdict(list)
    for event in acd(day.events, 3, 41, 42, 44, 69):
        if event["data1"] == "3":
            continue  # somebody left a conference, which goes on
        order[event["callRefID"]].append(event["eventCode"])
    for codes in order.values():
        assert codes[0] in (3, 41)
        assert codes.count(69) <= 1
        assert 69 not in codes or codes[-1] == 69
        if 44 in codes:
            assert codes.count(44) == 1


def test_event_69_and_the_call_record_say_the_same(day: Past) -> None:
    events = {event["callRefID"]: event for event in acd(day.events, 69)}
    records = [data for kind, data in day.events if kind == "smdr"]
    assert len({record["Index"] for record in records}) == len(records) > 500
    for record in records:
        event = events.pop(record["callRefID"], None)
        if event is None:
            assert record["StationNumber"].startswith("CO")
            assert record["Duration"] == "00:00:00"
            continue
        assert event["sourceNumber"] == record["StationNumber"]
        assert event["destNumber"] == record["CoNumber"]
        assert event["data1"] == record["Duration"].replace(":", "")
        assert event["data2"] == record["DialedNumber1"]
    assert not events, "each event 69 has its record"


def test_codes_of_a_call_are_in_its_record(day: Past) -> None:
    records = {data["callRefID"]: data for kind, data in day.events if kind == "smdr"}
    for event in acd(day.events, 85):
        assert records[event["callRefID"]]["AccountCode"] == event["data1"]
    for event in acd(day.events, 86):
        assert records[event["callRefID"]]["AccountCode"] == f"STA-P[{event['data1']}]"


def test_a_station_that_was_connected_is_released_once_and_the_causes_are_the_vendor_s(
    day: Past,
) -> None:
    pbx, events = day.pbx, day.events
    known = {row["code"] for row in read_json("codes.json")["call_causes"]}
    open_legs: Counter[tuple[str, int]] = Counter()
    picks_up = ""
    for kind, data in events:
        if kind == "acd" and data["eventCode"] == 57:
            picks_up = data["sourceNumber"]
        if kind != "call":
            continue
        assert data.get("causeCode", 48) in known
        leg = (data.get("deviceNumber", ""), data.get("callRefID", 0))
        if data["type"] in ("transferring", "transferred", "conferencing", "conferenced"):
            for other in [other for other in open_legs if other[0] == leg[0]]:
                del open_legs[other]  # two calls are one now
        if data["type"] in _OPENING or (data["type"] == "connected" and picks_up == leg[0]):
            open_legs[leg], picks_up = 1, ""
        elif data["type"] == "connected":
            assert open_legs[leg] == 1, data
        elif data["type"] == "released":
            assert open_legs.pop(leg) == 1, data
    alive = {(number, call.ref) for call in pbx.calls.values() for number in call.legs}
    assert {leg for leg, count in open_legs.items() if count} <= alive


def test_every_call_event_has_the_fields_of_the_vendor_s_table(day: Past) -> None:
    rows = {row["code"]: row["fields"] for row in read_json("codes.json")["call_events"]}
    for kind, data in day.events:
        if kind in ("call", "presence"):
            needed = {name.rstrip("[]") for name in rows[data["type"]] if not name.endswith("?")}
            assert needed - {"evtSerialNum"} <= set(data), data


def test_every_acd_event_is_in_the_vendor_s_table_and_carries_a_reference_where_it_must(
    day: Past,
) -> None:
    rows = {row["code"]: row for row in read_json("codes.json")["acd_events"]}
    for kind, data in day.events:
        if kind == "acd":
            row = rows[data["eventCode"]]
            assert data["eventString"] == row["wire"]
            if row["call_ref"] == "always":
                assert isinstance(data["callRefID"], int), data
            elif row["call_ref"] == "never":
                assert "callRefID" not in data


def test_nothing_is_left_over_when_all_have_gone_home() -> None:
    pbx, _ = live(4, DAY_SECONDS + 1700)
    assert pbx.calls == {}
    assert set(pbx.trunks.values()) == {None}
    assert all(not station.calls and station.agent is None for station in pbx.stations.values())
    assert all(not group.queue for group in pbx.groups.values())


def test_odd_spellings_say_the_same_with_other_characters() -> None:
    odd = Oddities(1.0, 1)
    data = {"eventCode": 66, "sourceNumber": "1000", "destNumber": "", "data1": "", "callRefID": 7}
    frames = {odd.encode("acd", data) for _ in range(100)}
    assert len(frames) == 3
    assert any(b'"1000    "' in frame for frame in frames)
    assert any(b'"data1":" "' in frame for frame in frames)
    assert any(b'"callRefID":"7"' in frame for frame in frames)
    assert b'"type":" held"' in b"".join(odd.encode("call", {"type": "held"}) for _ in range(20))


@pytest.mark.parametrize("dialed", ["61234567", "1001", "1019", "620", "566"])
@pytest.mark.parametrize("busy", ["nobody", "callee", "everybody"])
def test_a_call_that_somebody_else_makes_ends_as_those_of_the_day_do(dialed: str, busy: str) -> None:
    pbx, events = live(3, 120)
    for number in pbx.stations:
        features.register(pbx, number)
    caller = next(n for n, station in reversed(pbx.stations.items()) if not station.calls and n != dialed)
    if busy != "nobody":
        for number, station in pbx.stations.items():
            station.is_dnd = number != caller and busy in ("everybody", "callee")
    call = calls.make(pbx, caller, dialed)
    pbx.timetable.run_until(pbx.timetable.now_seconds + 900)
    assert call.is_over
    assert call not in pbx.stations[caller].calls
    ends = [data for kind, data in events if kind == "call" and data.get("callRefID") == call.ref]
    assert dialed == "566" or "released" in {str(data["type"]).strip() for data in ends}


def test_a_call_that_comes_in_by_somebody_else_s_doing_ends_too() -> None:
    pbx, _ = live(3, 120)
    for station in pbx.stations.values():
        station.agent = None
    call = calls.arrive(pbx, "61234567", "6500620", "620")
    assert call is not None
    pbx.timetable.run_until(pbx.timetable.now_seconds + 900)
    assert call.is_over


def test_a_day_has_every_outcome_and_every_way_of_passing_a_call_on(day: Past) -> None:
    found = day.truth["conversations"]
    outcomes = Counter(c.get("outcome", "") for c in found)
    assert set(outcomes) - {"", "failed"} == {
        *("answered", "abandoned", "no_answer", "busy", "refused", "voicemail", "lost_on_hold"),
    }
    assert min(outcomes[each] for each in outcomes if each not in ("", "failed")) > 5, outcomes
    assert {c["direction"] for c in found} == {"inbound", "outbound", "internal"}
    assert {t["kind"] for c in found for t in c["transfers"]} == {"screened", "unscreened", "blind"}
    ends = Counter((s["kind"], s.get("how", "")) for c in found for s in c["segments"])
    for kind, how in (
        *(("ring", "answered"), ("ring", "no_answer"), ("ring", "picked_up"), ("ring", "abandoned")),
        *(("queue", "offered"), ("queue", "abandoned"), ("queue", "overflowed"), ("group", "answered")),
        *(("park", "taken"), ("park", "abandoned"), ("consult", "joined"), ("consult", "")),
    ):
        assert ends[kind, how], (kind, how)


def test_the_truth_of_a_day_holds_together(day: Past) -> None:
    told = day.truth
    assert told["complete_since_seconds"] == 0
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for state in told["agent_states"]:
        spans[state["station"]].append(
            (state["from_seconds"], state.get("until_seconds", told["now_seconds"]))
        )
    for station, each in spans.items():
        for (_, until), (began, _) in itertools.pairwise(each):
            assert until <= began, station
    for log_on in told["log_ons"]:
        if log_on["rank"] == "primary":
            began, until = log_on["from_seconds"], log_on.get("until_seconds", told["now_seconds"])
            shared = (min(b, until) - max(a, began) for a, b in spans[log_on["station"]])
            assert sum(s for s in shared if s > 0) == pytest.approx(until - began, abs=0.1), log_on
    for conversation in told["conversations"]:
        began, ended = conversation["began_seconds"], conversation.get("ended_seconds", told["now_seconds"])
        assert began <= ended
        for segment in conversation["segments"]:
            if segment["kind"] != "wrap_up":
                assert began <= segment["from_seconds"]
                assert segment.get("until_seconds", ended) <= ended, conversation
        assert len(conversation["refs"]) == len(set(conversation["refs"]))


def test_no_reference_is_of_two_conversations_and_each_record_of_one(day: Past) -> None:
    found = day.truth["conversations"]
    refs = Counter(ref for c in found for ref in c["refs"])
    assert set(refs.values()) == {1}
    records = [data["Index"] for kind, data in day.events if kind == "smdr"]
    assert sorted(i for c in found for i in c["records"]) == records


@pytest.mark.parametrize(
    "variants",
    [
        {"records": "segment", "transfer_ref": "new", "unanswered": "overflow_group", "announcement": "699"},
        {
            "transfer_ref": "active",
            "blank_refs": "both",
            "unanswered": "queue",
            "release_order": "trunk_only",
        },
        {"unanswered": "overflow_station", "bins": "number", "unpark": "call", "unanswered_share": 0.4},
    ],
)
def test_a_day_of_any_host_ends_with_nothing_left_over(variants: dict[str, Any]) -> None:
    pbx, _ = live(7, DAY_SECONDS + 1700, **variants)
    assert pbx.calls == {}
    assert set(pbx.trunks.values()) == {None}
    assert not any(c["is_open"] for c in pbx.truth.describe()["conversations"])


@pytest.mark.parametrize(
    ("codes", "kinds"),
    [
        ((66,), ("ring",)),
        ((49, 58), ("hold", "blind")),
        ((55,), ("park",)),
        ((15,), ("wrap_up",)),
        ((70,), ("transfer",)),
        ((45,), ("conference",)),
    ],
)
def test_what_the_events_tell_and_what_really_happened_are_at_the_same_stations_at_the_same_time(
    day: Past, codes: tuple[int, ...], kinds: tuple[str, ...]
) -> None:
    told = Counter((event["sourceNumber"], event["time"]) for event in acd(day.events, *codes))
    found = Counter(fact[1:] for fact in list_facts(day.truth) if fact[0] in kinds)
    assert told == found
    assert told


def list_facts(truth: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return kind, station and the whole second of what the truth says, as far as an event tells of it."""

    def at(facts: dict[str, Any], name: str) -> str:
        return datetime.fromisoformat(facts[f"{name}_at"]).strftime("%Y/%m/%d %H:%M:%S")

    conversations = truth["conversations"]
    facts = [
        (s["kind"], s["station"], at(s, "from"))
        for c in conversations
        for s in c["segments"]
        if "station" in s
    ]
    facts += [("transfer", t["by"], at(t, "done")) for c in conversations for t in c["transfers"]]
    facts += [
        ("blind", t["by"], at(t, "done"))
        for c in conversations
        for t in c["transfers"]
        if t["kind"] == "blind"
    ]
    return facts + [("conference", t["by"], at(t, "done")) for c in conversations for t in c["conferences"]]
