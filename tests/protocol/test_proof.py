"""Which events show that a request was carried out whose reply was lost."""

from typing import Any

import pytest
from msgspec import structs

from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.protocol.proof import Proof, build_proof
from ipecs_mw.seeds import read_json

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
CODES = parse_codes(read_json("codes.json"))

MAKE = ("call.make", {"deviceNumber": "1001", "calledDN": "0612345678"})
CLEAR = ("call.clear", {"deviceNumber": "1001", "callRefID": "42"})
ANSWER = ("call.answer", {"deviceNumber": "1001", "callRefID": 42})
RETRIEVE = ("call.retrieve", {"deviceNumber": "1001", "callRefID": 42})
TRANSFER = ("call.transfer", {"deviceNumber": "1001", "callRefID": 42})
DND = ("dnd.set", {"deviceNumber": "1001", "DN": "1001", "svcType": "enable"})
ROOM = (
    "confroom.set",
    {"deviceNumber": "1001", "roomIndex": 1, "roomPwd": "secret", "roomUsage": "true"},
)


def prove(request: tuple[str, Any]) -> Proof | None:
    name, arguments = request
    return build_proof(COMMANDS[name], arguments, CODES)


def called(kind: str, type_: str, call_ref: int | None = 42, **data: Any) -> dict[str, Any]:
    reference = {} if call_ref is None else {"call_ref": call_ref}
    return {"kind": kind, "type": type_, **reference, "data": {"device_number": "1001", **data}}


SHOWN = {
    "the number is called": (MAKE, called("call", "alerting", called_dn="0612345678")),
    "the number has answered": (MAKE, called("call", "connected", called_dn="0612345678", calling_dn="1001")),
    "a call is cleared": (CLEAR, called("call", "released")),
    "a call is answered": (ANSWER, called("call", "connected")),
    "a call is taken back": (RETRIEVE, called("call", "retrieve", retrieve_dn="1001")),
    "a call is passed on": (TRANSFER, called("call", "transferred")),
    "do not disturb is on": (DND, called("call", "dnd", None, svc_type="enable")),
    "a room is in use": (ROOM, called("call", "confroommember", None, room_index=1, room_usage=True)),
}
NOT_SHOWN = {
    "the number is missing": (MAKE, called("call", "proceeding", dial_digit="0612345678")),
    "another number": (MAKE, called("call", "alerting", called_dn="0612345679")),
    "a zero less": (MAKE, called("call", "alerting", called_dn="612345678")),
    "a masked number": (MAKE, called("call", "alerting", called_dn="***678")),
    "another station": (MAKE, called("call", "alerting", called_dn="0612345678", device_number="1002")),
    "an event that the command does not cause": (MAKE, called("call", "ringing", called_dn="0612345678")),
    "an event of another kind": (MAKE, called("acd", "alerting", called_dn="0612345678")),
    "no data": (MAKE, {"kind": "call", "type": "alerting", "call_ref": 42}),
    "another call": (CLEAR, called("call", "released", 43)),
    "no call": (CLEAR, called("call", "released", None)),
    "an end beside other events": (TRANSFER, called("call", "released")),
    "do not disturb is off": (DND, called("call", "dnd", None, svc_type="disable")),
    "another room": (ROOM, called("call", "confroommember", None, room_index=2, room_usage=True)),
}
UNPROVABLE = {
    "monitoring causes whatever happens": ("monitor.start", {"deviceNumber": ["1001"]}),
    "presence is no call": ("presence.start", {"deviceNumber": "1001"}),
    "no event shows where a station is forwarded to": (
        "forward.set",
        {"deviceNumber": "1001", "DN": "1001", "cfwdType": "busy", "destNumber": "1002"},
    ),
    "a question causes nothing": ("call.status", {"deviceNumber": "1001"}),
    "an argument is missing": ("call.make", {"deviceNumber": "1001"}),
    "an argument is an operator": ("call.make", {"deviceNumber": {"$ne": None}, "calledDN": "1"}),
    "an argument is no number": ("call.clear", {"deviceNumber": "1001", "callRefID": "x"}),
    "arguments are a list": ("call.make", ["1001", "1002"]),
    "there are none": ("call.make", None),
}


@pytest.mark.parametrize(("request_", "event"), SHOWN.values(), ids=SHOWN)
def test_an_event_with_all_that_was_asked_for_shows_that_it_was_done(
    request_: tuple[str, Any], event: dict[str, Any]
) -> None:
    proof = prove(request_)
    assert proof is not None
    assert proof.is_shown_by(event)


@pytest.mark.parametrize(("request_", "event"), NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_an_event_that_lacks_something_or_says_something_else_shows_nothing(
    request_: tuple[str, Any], event: dict[str, Any]
) -> None:
    proof = prove(request_)
    assert proof is not None
    assert not proof.is_shown_by(event)


@pytest.mark.parametrize("request_", UNPROVABLE.values(), ids=UNPROVABLE)
def test_some_requests_no_event_can_show(request_: tuple[str, Any]) -> None:
    assert prove(request_) is None


def test_numbers_are_compared_as_the_log_keeps_them() -> None:
    proof = prove(("call.make", {"deviceNumber": 1001, "calledDN": " 0612345678 "}))
    assert proof is not None
    assert (proof.station, proof.data["called_dn"]) == ("1001", "0612345678")
    assert proof.is_of_new_call
    cleared = prove(CLEAR)
    assert cleared is not None
    assert cleared.call_ref == 42
    assert not cleared.is_of_new_call


def test_a_secret_argument_is_not_compared_with_anything() -> None:
    proof = prove(ROOM)
    assert proof is not None
    assert "secret" not in repr(proof)


def test_a_definition_that_was_edited_tells_what_it_causes() -> None:
    edited = structs.replace(COMMANDS["call.make"], emits=("dialing",))
    proof = build_proof(edited, MAKE[1], CODES)
    assert proof is not None
    assert proof.is_shown_by(called("call", "dialing", called_dn="0612345678"))


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        (MAKE, MAKE, True),
        (MAKE, ("call.make", {"deviceNumber": "1001", "calledDN": "0612345679"}), False),
        (MAKE, ("call.make", {"deviceNumber": "1002", "calledDN": "0612345678"}), False),
        (MAKE, ANSWER, True),
        (ANSWER, ("call.answer", {"deviceNumber": "1001", "callRefID": 43}), False),
        (CLEAR, ANSWER, False),
        (ANSWER, ("call.reconnect", {"deviceNumber": "1001", "callRefID": 42}), True),
    ],
)
def test_two_requests_that_one_event_can_show_are_told_apart_from_those_that_it_cannot(
    one: tuple[str, Any], other: tuple[str, Any], is_shared: bool
) -> None:
    first, second = prove(one), prove(other)
    assert first is not None
    assert second is not None
    assert first.is_shared_with(second) is is_shared
    assert second.is_shared_with(first) is is_shared
