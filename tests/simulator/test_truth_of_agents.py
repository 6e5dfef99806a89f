"""The truth of the simulated PBX about agents: one state at each instant, and which group is served."""

from simulator.pbx_scene import Scene

from ipecs_mw.simulator.pbx import call_services, calls, features


def test_the_states_of_an_agent_have_no_holes_and_no_overlap() -> None:
    scene = Scene()
    pbx = scene.pbx
    scene.agent("1000")
    scene.after(10)
    call = scene.call_in()
    scene.after(4)
    calls.answer(pbx, "1000", call.ref)
    scene.after(6)
    call_services.hold(pbx, "1000", call.ref)
    scene.after(5)
    call_services.retrieve(pbx, "1000", call.ref)
    scene.after(5)
    calls.hang_up_outside(pbx, call)
    scene.after(5)
    features.set_duty(pbx, "1000", "1000", "620", "3", is_on=False)
    scene.after(5)
    features.set_dnd(pbx, "1000", is_on=True)
    features.set_duty(pbx, "1000", "1000", "620", "", is_on=True)
    scene.after(5)
    features.set_dnd(pbx, "1000", is_on=False)
    other = calls.make(pbx, "1001", "1000")
    scene.after(3)
    calls.clear(pbx, "1001", other.ref)
    features.unregister(pbx, "1000")
    scene.after(2)
    features.register(pbx, "1000")
    scene.after(1)
    features.log_off(pbx, "1000", "1000", "620")
    scene.after(100)
    assert scene.states("1000") == [
        ("ready", 0.0, 10.0),
        ("ringing", 10.0, 14.0),
        ("talking", 14.0, 20.0),
        ("holding", 20.0, 25.0),
        ("talking", 25.0, 30.0),
        ("wrap_up", 30.0, 35.0),
        ("not_ready", 35.0, 40.0),
        ("dnd", 40.0, 45.0),
        ("busy_other", 45.0, 48.0),
        ("out_of_service", 48.0, 50.0),
        ("ready", 50.0, 51.0),
    ]
    told = pbx.truth.describe()
    assert next(s for s in told["agent_states"] if s["state"] == "not_ready")["reason"] == "3"
    (log_on,) = told["log_ons"]
    assert (log_on["station"], log_on["group"], log_on["rank"]) == ("1000", "620", "primary")
    assert (log_on["from_seconds"], log_on["until_seconds"]) == (0.0, 51.0)


def test_hot_desking_moves_the_agent_and_the_phone() -> None:
    scene = Scene()
    pbx = scene.pbx
    features.unregister(pbx, "1019")
    scene.agent("1018", "621")
    scene.after(10)
    features.enter_hot_desk(pbx, "1019", "1018")
    scene.after(10)
    features.leave_hot_desk(pbx, "1019", "1018")
    assert [(e["eventCode"], e["sourceNumber"], e["destNumber"]) for e in scene.acd(81, 83)] == [
        (81, "1019", "1018"),
        (83, "1019", "1018"),
    ]
    assert scene.states("1019") == [("ready", 10.0, 20.0)]
    assert scene.states("1018") == [("ready", 0.0, 10.0), ("ready", 20.0, None)]


def test_an_agent_of_two_groups_serves_both_and_is_one_person() -> None:
    scene = Scene()
    scene.agent("1000")
    scene.agent("1000", "621", "secondary")
    call = scene.call_in("621")
    assert call.legs == {"1000": "ringing"}
    found = scene.pbx.truth.describe()
    assert [(s["state"], s["groups"]) for s in found["agent_states"]] == [("ringing", ["620", "621"])]
    assert [s["rank"] for s in found["log_ons"]] == ["primary", "secondary"]


def test_who_only_rang_has_nothing_to_wrap_up() -> None:
    scene = Scene()
    for number in ("1000", "1001"):
        scene.agent(number)
    call = scene.call_in()
    calls.answer(scene.pbx, "1000", call.ref)
    call_services.transfer_single_step(scene.pbx, "1000", call.ref, "1001")
    scene.after(5)
    calls.hang_up_outside(scene.pbx, call)
    assert scene.spans("wrap_up") == []
    assert scene.conversation()["outcome"] == "lost_on_hold"


def test_an_agent_whom_a_colleague_puts_on_hold_is_holding_and_the_colleague_serves_nobody() -> None:
    scene = Scene()
    pbx = scene.pbx
    scene.agent("1000")
    scene.agent("1001")
    call = calls.make(pbx, "1001", "620")
    scene.after(3)
    calls.answer(pbx, "1000", call.ref)
    scene.after(5)
    call_services.hold(pbx, "1001", call.ref)
    scene.after(4)
    calls.clear(pbx, "1001", call.ref)
    assert scene.states("1000")[:3] == [("ringing", 0.0, 3.0), ("talking", 3.0, 8.0), ("holding", 8.0, 12.0)]
    assert scene.states("1001") == [("busy_other", 0.0, 12.0), ("ready", 12.0, None)]
    assert scene.spans("held") == [("held", "1000", 8.0, 12.0)]
