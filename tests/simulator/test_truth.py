"""The truth of the simulated PBX: what really happened to a conversation, whatever was sent."""

from collections.abc import Callable

import pytest
from simulator.pbx_scene import BEGINS_AT, OUTSIDE, Scene

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.pbx import call_services, calls, features
from ipecs_mw.simulator.pbx.conferences import Conferences
from ipecs_mw.simulator.pbx.day import Day
from ipecs_mw.simulator.pbx.truth import Truth


def test_a_call_from_the_queue_to_the_hang_up_is_told_with_every_instant() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in()
    scene.after(60.25)
    scene.agent("1000")
    scene.after(5)
    calls.answer(pbx, "1000", call.ref)
    scene.after(120)
    calls.hang_up_outside(pbx, call)
    scene.after(60)
    found = scene.conversation()
    assert found["direction"] == "inbound"
    assert found["caller"] == {"number": OUTSIDE, "name": "Chen Li"}
    assert found["dialed"] == {"did": "6500620", "group": "620"}
    assert (found["refs"], found["trunks"], found["groups"]) == ([call.ref], ["001"], ["620"])
    assert (found["answered_by"], found["outcome"], found["ended_by"]) == ("1000", "answered", OUTSIDE)
    instants = ("began", "queued", "rang", "answered", "ended")
    assert [found[f"{name}_seconds"] for name in instants] == [0.0, 0.0, 60.25, 65.25, 185.25]
    assert found["rang_at"] == "2026-03-02T09:01:00.250+00:00"
    assert not found["is_open"]
    assert len(found["records"]) == 1
    kinds = ("group", "queue", "ring", "talk")
    assert scene.spans(*kinds) == [
        ("group", "", 0.0, 65.25),
        ("queue", "", 0.0, 60.25),
        ("ring", "1000", 60.25, 65.25),
        ("talk", "1000", 65.25, 185.25),
    ]
    ((_, station, began, until),) = scene.spans("wrap_up")
    assert (station, began) == ("1000", 185.25)
    assert until is not None
    assert 195.25 <= until <= 225.25
    assert [state for state, _, _ in scene.states("1000")] == ["ringing", "talking", "wrap_up", "ready"]


def test_a_consultation_that_is_joined_stays_one_conversation() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in("1000")
    calls.answer(pbx, "1000", call.ref)
    scene.after(120)
    beside = call_services.consult(pbx, "1000", call.ref, "1001")
    calls.answer(pbx, "1001", beside.ref)
    scene.after(30)
    call_services.transfer(pbx, "1000", call.ref)
    scene.after(350)
    calls.hang_up_outside(pbx, call)
    found = scene.conversation()
    assert scene.spans("talk", "consult", "hold") == [
        ("talk", "1000", 0.0, 120.0),
        ("hold", "1000", 120.0, 150.0),
        ("consult", "1000", 120.0, 150.0),
        ("consult", "1001", 120.0, 150.0),
        ("talk", "1001", 150.0, 500.0),
    ]
    (transfer,) = found["transfers"]
    assert (transfer["by"], transfer["to"], transfer["kind"]) == ("1000", "1001", "screened")
    assert transfer["done_seconds"] == 150.0
    assert (found["refs"], found["outcome"]) == ([call.ref, beside.ref], "answered")


def test_a_consultation_that_returns_is_a_conversation_of_its_own() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in("1000")
    calls.answer(pbx, "1000", call.ref)
    beside = call_services.consult(pbx, "1000", call.ref, "1001")
    scene.after(10)
    call_services.reconnect(pbx, "1000", beside.ref)
    scene.after(10)
    calls.clear(pbx, "1000", call.ref)
    one, other = scene.conversations()
    kinds = ("talk", "consult", "hold", "ring", "dial")
    assert scene.spans(*kinds, of=one)[1:] == [
        ("talk", "1000", 0.0, 0.0),
        ("hold", "1000", 0.0, 10.0),
        ("talk", "1000", 10.0, 20.0),
    ]
    assert scene.spans(*kinds, of=other) == [("dial", "1000", 0.0, 10.0), ("ring", "1001", 0.0, 10.0)]
    assert (one["ended_by"], other["ended_by"], other["outcome"]) == ("1000", "1000", "no_answer")


def test_an_unscreened_transfer_rings_on_and_talks_only_when_it_is_answered() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = calls.make(pbx, "1000", "1001")
    calls.answer(pbx, "1001", call.ref)
    beside = call_services.consult(pbx, "1001", call.ref, "1002")
    scene.after(2)
    call_services.transfer(pbx, "1001", beside.ref)
    scene.after(3)
    calls.answer(pbx, "1002", call.ref)
    assert scene.spans("ring")[1:] == [("ring", "1002", 0.0, 5.0)]
    assert [span for span in scene.spans("talk") if span[1] in ("1000", "1002")][-2:] == [
        ("talk", "1000", 5.0, None),
        ("talk", "1002", 5.0, None),
    ]
    assert scene.conversation()["is_open"]


def test_a_blind_transfer_that_nobody_answers_comes_back() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in("1000")
    calls.answer(pbx, "1000", call.ref)
    call_services.transfer_single_step(pbx, "1000", call.ref, "1001")
    scene.after(20)
    calls.miss(pbx, call, "1001")
    assert scene.codes(50) == [50]
    calls.answer(pbx, "1000", call.ref)
    rings = [s for s in scene.conversation()["segments"] if s["kind"] == "ring"]
    assert [(s["station"], s["how"]) for s in rings] == [
        ("1000", "answered"),
        ("1001", "no_answer"),
        ("1000", "answered"),
    ]


def test_two_calls_that_were_two_conversations_become_the_older_one() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = calls.make(pbx, "1000", "1001")
    calls.answer(pbx, "1001", call.ref)
    other = calls.make(pbx, "1002", "1001")
    call_services.serve_busy(pbx, "1002", other.ref, "intrude")
    found = scene.conversation()
    assert (found["conversation"], found["refs"]) == (1, [call.ref, other.ref])
    calls.clear(pbx, "1000", call.ref)
    calls.clear(pbx, "1001", call.ref)
    assert not scene.conversation()["is_open"]


def test_a_conference_a_park_and_a_pick_up_stay_one_conversation_each() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in("1000")
    call_services.pick_up(pbx, "1003", "1000")
    scene.after(20)
    beside = call_services.consult(pbx, "1003", call.ref, "1001")
    calls.answer(pbx, "1001", beside.ref)
    scene.after(15)
    call_services.join_conference(pbx, "1003", call.ref)
    scene.after(70)
    calls.clear(pbx, "1003", call.ref)
    place = call_services.park(pbx, "1001", call.ref)
    scene.after(60)
    call_services.unpark(pbx, "1002", place)
    scene.after(5)
    calls.hang_up_outside(pbx, call)
    found = scene.conversation()
    (ring,) = [s for s in found["segments"] if s["kind"] == "ring" and s["station"] == "1000"]
    assert (ring["how"], ring["by"], found["answered_by"]) == ("picked_up", "1003", "1003")
    assert scene.spans("talk", "consult", "park") == [
        ("talk", "1003", 0.0, 20.0),
        ("consult", "1003", 20.0, 35.0),
        ("consult", "1001", 20.0, 35.0),
        ("talk", "1001", 35.0, 105.0),
        ("talk", "1003", 35.0, 105.0),
        ("park", "1001", 105.0, 165.0),
        ("talk", "1002", 165.0, 170.0),
    ]
    (park,) = [s for s in found["segments"] if s["kind"] == "park"]
    assert (park["place"], park["how"], park["by"]) == ("601", "taken", "1002")


def _abandon(scene: Scene) -> None:
    calls.hang_up_outside(scene.pbx, scene.call_in())


def _ring_in_vain(scene: Scene) -> None:
    calls.miss(scene.pbx, scene.call_in("1000"), "1000")


def _meet_dnd(scene: Scene) -> None:
    features.set_dnd(scene.pbx, "1000", is_on=True)
    scene.call_in("1000")


def _be_busy(scene: Scene) -> None:
    scene.pbx.answer_of_outside = lambda _: "is busy"
    calls.make(scene.pbx, "1000", OUTSIDE)
    scene.after(10)


def _ring_outside_in_vain(scene: Scene) -> None:
    scene.pbx.answer_of_outside = lambda _: "silent"
    call = calls.make(scene.pbx, "1000", OUTSIDE)
    scene.after(30)
    calls.clear(scene.pbx, "1000", call.ref)


def _reject(scene: Scene) -> None:
    calls.clear(scene.pbx, "1000", scene.call_in("1000").ref)


def _give_up_on_hold(scene: Scene) -> None:
    call = scene.call_in("1000")
    calls.answer(scene.pbx, "1000", call.ref)
    call_services.hold(scene.pbx, "1000", call.ref)
    calls.hang_up_outside(scene.pbx, call)


def _give_up_in_the_park(scene: Scene) -> None:
    call = scene.call_in("1000")
    calls.answer(scene.pbx, "1000", call.ref)
    call_services.park(scene.pbx, "1000", call.ref)
    calls.hang_up_outside(scene.pbx, call)


def _hang_up_the_held_one(scene: Scene) -> None:
    call = scene.call_in("1000")
    calls.answer(scene.pbx, "1000", call.ref)
    call_services.hold(scene.pbx, "1000", call.ref)
    calls.clear(scene.pbx, "1000", call.ref)


def _leave_a_message(scene: Scene) -> None:
    features.set_forward(scene.pbx, "1000", "no_answer", "640")
    call = scene.call_in("1000")
    calls.miss(scene.pbx, call, "1000")
    calls.hang_up_outside(scene.pbx, call)


OUTCOMES = [
    (_abandon, "abandoned"),
    (_ring_in_vain, "no_answer"),
    (_meet_dnd, "refused"),
    (_be_busy, "busy"),
    (_ring_outside_in_vain, "no_answer"),
    (_reject, "refused"),
    (_give_up_on_hold, "lost_on_hold"),
    (_give_up_in_the_park, "lost_on_hold"),
    (_hang_up_the_held_one, "answered"),
    (_leave_a_message, "voicemail"),
]


@pytest.mark.parametrize(("act", "outcome"), OUTCOMES)
def test_the_outcome_says_how_it_ended(act: Callable[[Scene], None], outcome: str) -> None:
    scene = Scene()
    act(scene)
    assert scene.conversation()["outcome"] == outcome


def test_since_leaves_out_what_was_over_before_and_memory_is_bounded() -> None:
    scene = Scene()
    pbx = scene.pbx
    pbx.truth = Truth(pbx.timetable, lambda: BEGINS_AT, capacity=3)
    for _ in range(10):
        calls.hang_up_outside(pbx, scene.call_in())
        scene.after(10)
    scene.call_in()
    assert [c["began_seconds"] for c in scene.conversations()] == [70.0, 80.0, 90.0, 100.0]
    assert pbx.truth.describe()["complete_since_seconds"] == 60.0
    assert [c["began_seconds"] for c in pbx.truth.describe(90)["conversations"]] == [90.0, 100.0]


def test_a_restart_ends_what_was_open_and_the_seconds_go_on() -> None:
    scene = Scene()
    scene.agent("1000")
    scene.call_in()
    scene.after(5)
    scene.pbx.truth.end_all()
    found = scene.conversation()
    assert (found["outcome"], found["ended_by"], found["ended_seconds"]) == ("unknown", "reboot", 5.0)
    assert all("until_seconds" in s for s in found["segments"])
    assert scene.states("1000") == [("ringing", 0.0, 5.0)]


def test_a_transfer_to_a_busy_colleague_is_refused_and_to_a_group_it_waits_there() -> None:
    scene = Scene()
    pbx = scene.pbx
    call = scene.call_in("1000")
    calls.answer(pbx, "1000", call.ref)
    features.set_dnd(pbx, "1001", is_on=True)
    beside = call_services.consult(pbx, "1000", call.ref, "1001")
    with pytest.raises(CommandRefused):
        call_services.transfer(pbx, "1000", call.ref)
    call_services.reconnect(pbx, "1000", beside.ref)
    call_services.consult(pbx, "1000", call.ref, "621")
    scene.after(7)
    call_services.transfer(pbx, "1000", call.ref)
    assert (call.group, pbx.groups["621"].queue) == ("621", [call])
    scene.agent("1007", "621")
    calls.answer(pbx, "1007", call.ref)
    found, _ = scene.conversations()
    assert (found["groups"], found["answered_by"], found["is_open"]) == (["621"], "1000", True)
    assert scene.spans("ring", of=found)[-1][1] == "1007"


def test_a_transfer_to_a_group_where_a_phone_rings_belongs_to_that_group_from_then_on() -> None:
    scene = Scene()
    pbx = scene.pbx
    scene.agent("1000")
    scene.agent("1007", "621")
    call = scene.call_in()
    calls.answer(pbx, "1000", call.ref)
    scene.after(10)
    call_services.consult(pbx, "1000", call.ref, "621")
    scene.after(2)
    call_services.transfer(pbx, "1000", call.ref)
    scene.after(3)
    calls.answer(pbx, "1007", call.ref)
    scene.after(20)
    calls.hang_up_outside(pbx, call)
    assert scene.conversation()["groups"] == ["620", "621"]
    assert [s["group"] for s in scene.conversation()["segments"] if s["kind"] == "group"] == ["620", "621"]
    assert scene.spans("group")[1] == ("group", "", 10.0, 15.0)
    ((_, station, began, _),) = scene.spans("wrap_up")
    assert (station, began) == ("1007", 35.0)


def test_a_conference_group_is_no_conversation_and_disturbs_none() -> None:
    scene = Scene()
    Day(scene.pbx, scene.pbx.random)
    Conferences(scene.pbx).start("1000", 1)
    scene.after(1000)
    assert scene.conversations() == []
