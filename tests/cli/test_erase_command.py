"""`ipecs-mw erase` on a real MongoDB: nothing names the number afterwards, and nothing else has changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import Result
from sites import Site

from ipecs_mw.store.configuration.settings import save_settings

Invoke = Callable[..., Result]
NUMBER = "01717654321"
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def event(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"_id": name, "host": "main", "kind": kind, "type": kind, "received_at": AT, "seq": 1, **fields}


EVENTS = [
    event("acd", "acd", data={"source_number": NUMBER}, raw={"data": {"sourceNumber": f" {NUMBER} "}}),
    event("call", "call", stations=["1001"], data={"calling_dn": NUMBER, "called_dn": "1001"}),
    event("record", "smdr", raw={"data": {"DialedNumber1": NUMBER}}),
    event("bytes", "undecodable", raw=b'{"callingDN": "' + NUMBER.encode()),
    event("other", "call", data={"calling_dn": NUMBER + "9", "called_dn": "9" + NUMBER}),
    event(
        "reference", "call", call_ref=1001, serial=1001, data={"called_dn": "1002"}, raw={"callRefID": 1001}
    ),
]


@pytest.fixture
def filled(site: Site) -> Site:
    database = site.store.database
    database["events"].insert_many([dict(each) for each in EVENTS])
    database["requests"].insert_many(
        [
            {"_id": "done", "state": "done", "args": {"calledDN": NUMBER}, "result": {NUMBER: "OK"}},
            {"_id": "queued", "state": "queued", "args": {"calledDN": NUMBER}},
        ]
    )
    refused = {"monitors": {"monitor": {"refused": {NUMBER: "no"}, "accepted": 1001}}}
    database["instances"].insert_one({"_id": "i", "pid": 1001, "hosts": {"main": refused}})
    return site


def everything(site: Site) -> str:
    names = ("events", "requests", "instances")
    return repr([list(site.store.database[name].find({"_id": {"$ne": "queued"}})) for name in names])


def test_a_number_is_counted_masked_and_the_erasure_recorded_without_it(filled: Site, invoke: Invoke) -> None:
    result = invoke("erase", NUMBER, input="y\n")
    assert result.exit_code == 0, result.output
    for told in ("call event: 1", "requests: 1", "instances: 1"):
        assert told.lower() in result.stdout.lower()
    left = everything(filled).replace(NUMBER + "9", "").replace("9" + NUMBER, "")
    assert NUMBER not in left
    events = filled.store.database["events"]
    found = events.find_one({"_id": "call"}) or {}
    assert found["data"] == {"calling_dn": "***", "called_dn": "1001"}
    assert events.find_one({"_id": "other"}) == EVENTS[4]
    [record] = events.find({"type": "number_erased"})
    assert record["data"]["events"] == 4
    assert record["data"]["requests"] == 1
    queued = filled.store.database["requests"].find_one({"_id": "queued"}) or {}
    assert queued["args"] == {"calledDN": NUMBER}  # it is still to be carried out


def test_an_extension_is_masked_but_no_reference_count_or_process(filled: Site, invoke: Invoke) -> None:
    assert invoke("erase", "1001", "--yes").exit_code == 0
    database = filled.store.database
    assert database["events"].find_one({"_id": "reference"}) == EVENTS[5]
    assert (database["events"].find_one({"_id": "call"}) or {})["stations"] == ["***"]
    instance = database["instances"].find_one({"_id": "i"}) or {}
    assert instance["pid"] == 1001
    assert instance["hosts"]["main"]["monitors"]["monitor"]["accepted"] == 1001


@pytest.mark.parametrize("arguments", [("055555", "--yes"), (NUMBER,)])
def test_without_a_mention_or_a_yes_nothing_is_changed(
    filled: Site, invoke: Invoke, arguments: tuple[str, ...]
) -> None:
    before = everything(filled)
    invoke("erase", *arguments)
    assert everything(filled) == before


@pytest.mark.parametrize("number", ["12", "abc", "call 012345", "012:345", "$ne", ""])
def test_what_is_no_number_is_refused(site: Site, invoke: Invoke, number: str) -> None:
    assert invoke("erase", number, "--yes").exit_code == 2


SPELLINGS = [
    "030-555-0142",
    "(030) 555 0142",
    "sip:0305550142@pbx.example.com",
    "tel:+49-30-5550142",
    "+49 (0)30 555 01 42",
    "+49 030 5550142",
    "0049305550142",
    "00305550142",  # with the prefix of an outside line
    "030\u00a0555\u20110142",
    305550142 + 49_000_000_000,
]


@pytest.mark.parametrize("asked", ["0305550142", "+49 30 555-0142", "tel:0305550142"])
def test_a_number_goes_in_all_its_spellings_and_the_name_with_it(
    site: Site, invoke: Invoke, asked: str
) -> None:
    numbers = {"country": "49", "trunk_prefix": "0"}
    save_settings(site.store, "default", {"hosts": [], "numbers": numbers}, "test", at=AT)
    events = site.store.database["events"]
    for at, spelling in enumerate(SPELLINGS):
        data = {"caller_number": spelling, "caller_name": "Kim Minsu"}
        raw = {"data": {"data1": spelling, "data2": " Kim Minsu "}}
        events.insert_one(event(str(at), "acd", data=data, raw=raw))
    others = [
        event("a", "acd", data={"caller_number": "0305550143", "caller_name": "Kim Minsu"}),
        event("b", "acd", data={"caller_number": "+493055501429", "time": "030-555-0142"}),
        event("c", "smdr", data={"cost": "0305550142", "co_number": "142"}),
    ]
    events.insert_many([dict(each) for each in others])
    result = invoke("erase", asked, "--yes")
    assert result.exit_code == 0, result.output
    for at in range(len(SPELLINGS)):
        left = events.find_one({"_id": str(at)}) or {}
        assert "Kim" not in repr(left)
        assert not any(character.isdecimal() for character in repr(left["data"]["caller_number"])), left
        assert left["raw"]["data"]["data1"] == left["data"]["caller_number"]
    assert list(events.find({"_id": {"$in": ["a", "b", "c"]}})) == others


def test_without_a_configuration_a_number_goes_in_the_spellings_that_need_none(
    site: Site, invoke: Invoke
) -> None:
    events = site.store.database["events"]
    events.insert_one(event("a", "call", data={"calling_dn": "(030) 555-0142", "called_dn": "+49305550142"}))
    assert invoke("erase", "030 5550142", "--yes").exit_code == 0
    assert (events.find_one({"_id": "a"}) or {})["data"] == {
        "calling_dn": "***",
        "called_dn": "+49305550142",
    }


def test_a_second_time_there_is_nothing_left(filled: Site, invoke: Invoke) -> None:
    invoke("erase", NUMBER, "--yes")
    assert "This number was not found" in invoke("erase", NUMBER, "--yes").stdout
