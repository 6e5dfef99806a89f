"""Each preset against a receiver that judges as the documentation of the CRM says."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from hook_receiver import Receiver, Said, Told
from hook_scene import Scene, answer, end, ring
from sites import wait_until

DIGITS = re.compile(r"[0-9]+|anonymous|unknown")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
CAUSES = {"normalClearing", "busy", "cancel", "noAnswer", "congestion", "notFound", "forwarded"}
OUTSIDE = "+49305550142"


def refuse(reason: str) -> Said:
    return Said(422, reason.encode())


def judge_zammad(told: Told) -> Said:
    """Zammad: three events, digits alone, `cause` of its list."""
    content = told.json
    is_right = told.path == "/api/v1/cti/TOKEN" and told.headers["content-type"] == "application/json"
    is_right &= content["event"] in ("newCall", "answer", "hangup") and content["direction"] in ("in", "out")
    is_right &= (
        all(DIGITS.fullmatch(content[side]) for side in ("from", "to")) and len(content["callId"]) <= 250
    )
    is_right &= content["event"] != "hangup" or content["cause"] in CAUSES
    return Said() if is_right else refuse("no event of CTI")


def judge_vtiger(told: Told) -> Said:
    """Vtiger's PBXManager: a form; what is not let in gets 200 with `Failure`."""
    fields = dict(parse_qsl(told.body.decode()))
    if told.path != "/modules/PBXManager/callbacks/PBXManager.php" or "callUUID" not in fields:
        return Said(404)
    if fields.get("vtigersignature") != "s3cret-of-vtiger":
        return Said(body=b"<Response><Authentication>Failure</Authentication></Response>")
    return Said(body=b"<Response><Dial><Authentication>Success</Authentication></Dial></Response>")


class Bitrix:
    """Bitrix24: a call is registered, shown and hidden by user id, finished."""

    def __init__(self) -> None:
        self.open: set[str] = set()

    def __call__(self, told: Told) -> Said:
        method, content = told.path.rpartition("/")[2], told.json
        if not told.path.startswith("/rest/1/CODE/"):
            return Said(401, b'{"error": "INVALID_CREDENTIALS"}')
        if method == "telephony.externalCall.register":
            is_right = content["USER_PHONE_INNER"] and E164.fullmatch(content["PHONE_NUMBER"])
            if not is_right or content["TYPE"] not in (1, 2, 3):
                return Said(400, b'{"error": "wrong"}')
            call_id = f"externalCall.{content['EXTERNAL_CALL_ID']}"
            self.open.add(call_id)
            return Said(body=msgspec.json.encode({"result": {"CALL_ID": call_id}}))
        if content.get("CALL_ID") not in self.open:
            return Said(400, b'{"error": "CALL_NOT_FOUND"}')
        if method.endswith(("show", "hide")) and not isinstance(content["USER_ID"], int):
            return Said(400, b'{"error": "USER_ID"}')
        if method.endswith("finish"):
            is_right = content["USER_PHONE_INNER"] and isinstance(content["DURATION"], int)
            self.open.discard(content["CALL_ID"])
            return Said() if is_right and "STATUS_CODE" in content else Said(400)
        return Said(body=b'{"result": true}')


def judge_hubspot(told: Told) -> Said:
    if told.headers.get("authorization") != "Bearer canary-hubspot":
        return Said(401)
    properties = told.json["properties"]
    is_right = told.path == "/crm/v3/objects/calls" and "hs_timestamp" in properties
    is_right &= properties["hs_call_direction"] in ("INBOUND", "OUTBOUND")
    is_right &= properties["hs_call_status"] in ("COMPLETED", "MISSED", "NO_ANSWER", "BUSY", "FAILED")
    return Said(201) if is_right else refuse("no call")


def judge_pipedrive(told: Told) -> Said:
    if told.headers.get("x-api-token") != "canary-pipedrive":
        return Said(401)
    content = told.json
    is_right = told.path == "/api/v2/activities" and content["type"] == "call" and content["done"] is True
    is_right &= bool(re.fullmatch(r"\d{4}-\d\d-\d\d", content["due_date"]))
    is_right &= all(re.fullmatch(r"\d\d:\d\d", content[name]) for name in ("due_time", "duration"))
    return Said(201) if is_right else refuse("no activity")


Judge = Callable[[Told], Said]


def start(
    scene: Scene, receiver: Receiver, judge: Judge, form: str, path: str = "", **variables: Any
) -> None:
    receiver.answer = judge
    scene.add("crm", receiver.url + path, format=form, **({"variables": variables} if variables else {}))
    scene.start_ready()


def finish(scene: Scene) -> list[dict[str, Any]]:
    """Return the deliveries when none waits any more and the last call is over: all were taken."""
    wait_until(lambda: scene.deliveries(name="call.ended") and not scene.deliveries(state="waiting"))
    found = scene.deliveries(state="delivered")
    assert all(each["tries"] == 1 for each in found), [each.get("attempts") for each in found]
    return found


def take_group_call(scene: Scene) -> None:
    """Let ten phones of a group ring, and one of them be answered."""
    stations = [str(number) for number in range(1000, 1010)]
    scene.begin()
    scene.change(**ring(*stations))
    scene.change(**answer("1003", *[each for each in stations if each != "1003"]))
    scene.change(**end())


def test_zammad_gets_one_pop_for_a_group_call(scene: Scene, receiver: Receiver) -> None:
    start(scene, receiver, judge_zammad, "zammad", "/api/v1/cti/TOKEN", users={"1003": "Emma Taylor"})
    take_group_call(scene)
    finish(scene)
    told = [each.json for each in receiver.told]
    assert [each["event"] for each in told] == ["newCall", "answer", "hangup"]
    assert {each["from"] for each in told} == {"49305550142"}
    assert {each["callId"] for each in told} == {"main:1"}
    assert "user" not in told[0]
    assert (told[1]["user"], told[1]["answeringNumber"]) == ("Emma Taylor", "1003")
    assert told[2]["cause"] == "normalClearing"
    shown = str(scene.store.database["webhooks"].find_one())
    assert "TOKEN" not in shown


def test_zammad_gets_a_call_that_nobody_answers_and_one_that_goes_out(
    scene: Scene, receiver: Receiver
) -> None:
    start(scene, receiver, judge_zammad, "zammad", "/api/v1/cti/TOKEN")
    scene.begin()
    scene.change(**ring("1001"))
    scene.change(**end("abandoned", 0.0))
    finish(scene)
    assert [each.json["event"] for each in receiver.told] == ["newCall", "hangup"]
    assert receiver.told[1].json["cause"] == "cancel"
    out = {"direction": "outbound", "caller": {"station": "1001"}, "dialed": {}}
    scene.begin("2", **out)
    scene.change("2", dialed={"number": "0305550142"})
    scene.change("2", answered_at=scene.clock.now())
    scene.change("2", **end())
    wait_until(lambda: scene.deliveries(call="main:2", name="call.ended", state="delivered"))
    told = [each.json for each in receiver.told[2:]]
    assert [each["event"] for each in told] == ["newCall", "answer", "hangup"]
    assert {(each["direction"], each["from"], each["to"]) for each in told} == {
        ("out", "1001", "49305550142")
    }


def test_bitrix_shows_the_card_to_who_answers_and_finishes_the_call_by_its_id(
    scene: Scene, receiver: Receiver
) -> None:
    users = {"1001": 1, "1003": 3}
    start(scene, receiver, Bitrix(), "bitrix24", "/rest/1/CODE/", users=users)
    take_group_call(scene)
    finish(scene)
    methods = [each.path.rpartition(".")[2] for each in receiver.told]
    assert methods == ["register", "finish"]
    assert receiver.told[0].json["USER_PHONE_INNER"] == "1003"
    finished = receiver.told[1].json
    assert (finished["CALL_ID"], finished["DURATION"], finished["STATUS_CODE"]) == (
        "externalCall.main:1",
        61,
        200,
    )


def test_bitrix_closes_the_card_of_who_did_not_answer(scene: Scene, receiver: Receiver) -> None:
    users = {"1001": 1, "1003": 3}
    start(scene, receiver, Bitrix(), "bitrix24", "/rest/1/CODE", users=users, default_station="1000")
    scene.begin()
    scene.change(**ring("1001"))
    receiver.wait(1)
    scene.change(**answer("1003", "1001"))
    scene.change(**end())
    scene.begin("2")
    scene.change("2", **ring("1001", "1003"))
    scene.change("2", **end("abandoned", 0.0))
    wait_until(lambda: scene.deliveries(call="main:2", step="finish", state="delivered"))
    finish(scene)
    of_first = [each for each in receiver.told if "main:1" in each.body.decode()]
    assert [each.path.rpartition(".")[2] for each in of_first] == ["register", "hide", "show", "finish"]
    assert [each.json.get("USER_ID") for each in of_first[1:3]] == [1, 3]
    assert of_first[3].json["USER_PHONE_INNER"] == "1003"
    of_second = [each for each in receiver.told if "main:2" in each.body.decode()]
    assert [each.path.rpartition(".")[2] for each in of_second] == ["register", "finish"]
    assert of_second[0].json["SHOW"] == 0
    assert of_second[1].json["STATUS_CODE"] == 304


def test_vtiger_gets_the_form_of_each_stage_and_a_wrong_signature_counts_as_failure(
    scene: Scene, receiver: Receiver
) -> None:
    start(scene, receiver, judge_vtiger, "vtiger", signature="s3cret-of-vtiger")
    take_group_call(scene)
    finish(scene)
    told = [dict(parse_qsl(each.body.decode())) for each in receiver.told]
    assert [each["callstatus"] for each in told] == ["StartApp", "DialAnswer", "EndCall", "Hangup"]
    assert told[0]["callerIdNumber"] == OUTSIDE
    assert told[1]["callerid2"] == "1003"
    assert told[2]["billableseconds"] == "61"
    assert told[3]["causetxt"] == "Normal Clearing"
    scene.add("wrong", receiver.url, format="vtiger", variables={"signature": "another"})
    wait_until(lambda: scene.store.database["webhook_positions"].count_documents({"webhook": "wrong"}))
    scene.begin("2", **ring("1001"))
    scene.change("2", **ring("1001"))
    failed = wait_until(lambda: scene.deliveries(webhook="wrong", tries=1))
    assert all("Failure" in each["attempts"][0]["answer"] for each in failed)


@pytest.mark.parametrize(
    ("form", "judge", "token"),
    [
        ("hubspot-log", judge_hubspot, "canary-hubspot"),
        ("pipedrive-log", judge_pipedrive, "canary-pipedrive"),
    ],
)
def test_an_ended_call_is_logged_once(
    scene: Scene, receiver: Receiver, form: str, judge: Judge, token: str
) -> None:
    start(scene, receiver, judge, form, token=token, owners={"1003": 77})
    take_group_call(scene)
    finish(scene)
    (told,) = receiver.told
    assert OUTSIDE in told.body.decode()
    assert "77" in told.body.decode()
    stored = str(list(scene.store.database["webhooks"].find())) + str(scene.deliveries())
    assert token not in stored


def test_the_generic_preset_tells_the_facts_of_a_call_first(scene: Scene, receiver: Receiver) -> None:
    start(scene, receiver, lambda _: Said(), "generic")
    take_group_call(scene)
    finish(scene)
    told = [each.json for each in receiver.told]
    assert [each["event"] for each in told] == ["call.began", "call.ringing", "call.answered", "call.ended"]
    facts = {"number": OUTSIDE, "station": "1003", "group": "620", "is_answered": True, "talk_seconds": 61}
    assert {name: told[3][name] for name in facts} == facts
    assert told[3]["document"]["id"] == "main:1"
