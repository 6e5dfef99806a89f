"""What real hosts do differently: each variant changes what is sent, and never what really happened."""

from typing import Any

import pytest
from simulator.pbx_scene import OUTSIDE, Scene

from ipecs_mw.simulator.pbx import call_services, calls
from ipecs_mw.simulator.wire.variants import Variants, list_choices


def answered(scene: Scene, station: str = "1000") -> Any:
    call = scene.call_in(station)
    calls.answer(scene.pbx, station, call.ref)
    return call


def pass_on(scene: Scene, *, is_screened: bool = True) -> tuple[int, int, int]:
    """Have a call be transferred; return the references held, active, and kept."""
    pbx = scene.pbx
    call = answered(scene)
    held = call.ref
    scene.after(60)
    beside = call_services.consult(pbx, "1000", held, "1001")
    active = beside.ref
    scene.after(5)
    if is_screened:
        calls.answer(pbx, "1001", active)
        scene.after(15)
    scene.events.clear()
    call_services.transfer(pbx, "1000", active)
    if not is_screened:
        calls.answer(pbx, "1001", call.ref)
    scene.after(30)
    calls.hang_up_outside(pbx, call)
    return held, active, call.ref


@pytest.mark.parametrize("is_screened", [True, False])
@pytest.mark.parametrize("kept", ["held", "active", "new"])
def test_after_a_transfer_all_events_carry_the_reference_that_this_host_keeps(
    kept: str, is_screened: bool
) -> None:
    scene = Scene(transfer_ref=kept)
    held, active, ref = pass_on(scene, is_screened=is_screened)
    assert ref == {"held": held, "active": active, "new": 3}[kept]
    seen = {data["callRefID"] for kind, data in scene.events if kind == "acd" and "callRefID" in data}
    seen |= {data["callRefID"] for kind, data in scene.events if kind in ("call", "smdr")}
    assert seen == {ref}
    assert scene.conversation()["refs"] == sorted({held, active, ref})
    assert scene.conversation()["outcome"] == "answered"


def test_after_a_blind_transfer_and_a_conference_a_new_reference_may_come_too() -> None:
    scene = Scene(transfer_ref="new")
    call = answered(scene)
    call_services.transfer_single_step(scene.pbx, "1000", call.ref, "1001")
    assert (call.ref, scene.acd(70)[0]["callRefID"]) == (2, 2)
    scene = Scene(transfer_ref="new")
    call = answered(scene)
    beside = call_services.consult(scene.pbx, "1000", call.ref, "1001")
    calls.answer(scene.pbx, "1001", beside.ref)
    call_services.join_conference(scene.pbx, "1000", call.ref)
    assert (call.ref, scene.acd(45)[0]["callRefID"]) == (3, 3)
    assert scene.pbx.calls == {3: call}


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("call", [("1001", "I", "00:01:50")]),
        ("segment", [("1000", "I", "00:01:20"), ("1001", "t", "00:00:30")]),
    ],
)
def test_a_call_leaves_one_record_or_one_a_station_segment(
    way: str, found: list[tuple[str, str, str]]
) -> None:
    scene = Scene(records=way)
    pass_on(scene)
    told = [(r["StationNumber"], r["Direction"], r["Duration"]) for r in scene.records()]
    assert told == found
    assert [event["sourceNumber"] for event in scene.acd(69)] == [station for station, _, _ in found]
    assert scene.conversation()["records"] == [r["Index"] for r in scene.records()]


def test_a_parked_call_and_an_outgoing_one_leave_a_record_a_segment_too() -> None:
    scene = Scene(records="segment")
    call = calls.make(scene.pbx, "1000", OUTSIDE)
    scene.after(24)
    place = call_services.park(scene.pbx, "1000", call.ref)
    scene.after(60)
    call_services.unpark(scene.pbx, "1001", place)
    scene.after(10)
    calls.clear(scene.pbx, "1001", call.ref)
    assert [(r["StationNumber"], r["Direction"], r["Duration"]) for r in scene.records()] == [
        ("1000", "O", "00:00:20"),
        ("1001", "T", "00:00:10"),
    ]


def test_letters_tell_lost_calls_apart() -> None:
    scene = Scene()
    calls.hang_up_outside(scene.pbx, scene.call_in("620"))
    calls.hang_up_outside(scene.pbx, scene.call_in("1001"))
    call = answered(scene)
    call_services.hold(scene.pbx, "1000", call.ref)
    calls.hang_up_outside(scene.pbx, call)
    assert [record["Direction"] for record in scene.records()] == ["G", "R", "H"]


@pytest.mark.parametrize("blank", ["none", "acd", "call", "both"])
def test_events_may_carry_no_reference_at_all(blank: str) -> None:
    scene = Scene(blank_refs=blank)
    pass_on(scene)
    for kind, told in (("acd", "acd"), ("call", "call")):
        refs = {data["callRefID"] for each, data in scene.events if each == kind and "callRefID" in data}
        assert (refs == {""}) == (blank in (told, "both")), kind
    assert all(isinstance(record["callRefID"], int) for record in scene.records())


@pytest.mark.parametrize(("way", "bin_number"), [("own", "02"), ("number", "621")])
def test_acd_events_name_a_group_by_its_bin_or_by_its_number(way: str, bin_number: str) -> None:
    scene = Scene(bins=way)
    scene.call_in("621")
    scene.agent("1007", "621")
    assert {e["data1"] for e in scene.acd(3, 11, 59, 62, 66)} == {bin_number}
    assert {data["calledDN"] for kind, data in scene.events if data.get("type") == "queueing"} == {"621"}


@pytest.mark.parametrize(
    ("way", "codes", "rings"),
    [
        ("idle", [18, 59, 66], "1001"),
        ("no_answer", [18, 60, 59, 66], "1001"),
        ("queue", [18, 62, 59, 66], "1001"),
        ("overflow_group", [18, 61, 59, 66], "1007"),
        ("overflow_station", [18, 61, 66], "1013"),
    ],
)
def test_an_agent_who_does_not_answer_is_told_in_the_way_of_this_host(
    way: str, codes: list[int], rings: str
) -> None:
    scene = Scene(unanswered=way)
    for number in ("1000", "1001"):
        scene.agent(number)
    scene.agent("1007", "621")
    call = scene.call_in()
    scene.after(20)
    scene.events.clear()
    calls.miss(scene.pbx, call, "1000")
    assert scene.codes() == codes
    assert call.legs == {rings: "ringing"}
    (ring, _) = [s for s in scene.conversation()["segments"] if s["kind"] == "ring"]
    assert (ring["station"], ring["how"], ring["until_seconds"]) == ("1000", "no_answer", 20.0)
    calls.answer(scene.pbx, rings, call.ref)
    assert scene.conversation()["answered_by"] == rings


def test_an_announcement_answers_before_the_queue_and_is_no_person() -> None:
    scene = Scene(announcement="699")
    scene.agent("1000")
    call = scene.call_in()
    assert scene.codes(42, 62, 66) == [42]
    assert (scene.acd(42)[0]["sourceNumber"], scene.acd(42)[0]["callRefID"]) == ("699", call.ref)
    assert call.answered_seconds is None
    scene.after(6)
    assert scene.codes(42, 62, 66) == [42, 66]
    calls.hang_up_outside(scene.pbx, call)
    assert scene.codes(43, 44) == [44]
    found = scene.conversation()
    assert (found["outcome"], "answered_by" in found) == ("abandoned", False)
    (announcement,) = [s for s in found["segments"] if s["kind"] == "announcement"]
    assert (announcement["place"], announcement["until_seconds"]) == ("699", 5.0)


@pytest.mark.parametrize(
    ("order", "abandoned", "hung_up"),
    [
        ("before_trunk", [43, 2], [44, 2]),
        ("after_trunk", [2, 43], [2, 44]),
        ("trunk_only", [2], [2]),
    ],
)
def test_43_and_44_stand_before_2_after_it_or_nowhere(
    order: str, abandoned: list[int], hung_up: list[int]
) -> None:
    scene = Scene(release_order=order)
    calls.hang_up_outside(scene.pbx, scene.call_in("1000"))
    assert scene.codes(2, 43, 44) == abandoned
    for is_outside in (True, False):
        call = answered(scene)
        scene.events.clear()
        if is_outside:
            calls.hang_up_outside(scene.pbx, call)
        else:
            calls.clear(scene.pbx, "1000", call.ref)
        assert scene.codes(2, 43, 44) == hung_up
    inside = calls.make(scene.pbx, "1000", "1001")
    scene.events.clear()
    calls.clear(scene.pbx, "1000", inside.ref)
    assert scene.codes(2, 43, 44) == [44]


@pytest.mark.parametrize(
    ("way", "codes", "types"),
    [("both", [42], ["retrieve", "connected"]), ("acd", [42], []), ("call", [], ["connected"])],
)
def test_a_parked_call_that_is_taken_is_told_in_the_way_of_this_host(
    way: str, codes: list[int], types: list[str]
) -> None:
    scene = Scene(unpark=way)
    call = answered(scene)
    place = call_services.park(scene.pbx, "1000", call.ref)
    scene.events.clear()
    call_services.unpark(scene.pbx, "1002", place)
    assert scene.codes(42) == codes
    assert scene.types("retrieve", "connected") == types
    assert scene.spans("talk")[-1][:2] == ("talk", "1002")


def test_each_variant_has_a_default_that_it_allows_and_a_sentence() -> None:
    for choice in list_choices():
        assert choice.text_key == f"help.simulate.{choice.name}"
        assert not choice.words or choice.default in choice.words
        assert choice.default == getattr(Variants(), choice.name)
