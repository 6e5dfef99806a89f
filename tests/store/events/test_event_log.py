"""The event log on a real MongoDB: once, whatever fails, and as long as it is wanted."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fault_proxy import FaultProxy
from pymongo import timeout
from server_failures import failing
from support import START_AT

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreError, StoreRefused, StoreUnavailable
from ipecs_mw.model.event import Event
from ipecs_mw.store.events.event_log import EventLog, Refused, build_document
from ipecs_mw.store.server.connection import Store, connect


def build(number: int, raw: Any = None) -> dict[str, Any]:
    event = Event("acd", "hold", START_AT, raw=raw, data={"number": number})
    return build_document(f"e{number:04d}", "main", number, event)


def nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.fixture
def log(store: Store) -> EventLog:
    return EventLog(store)


def ids(store: Store) -> list[str]:
    return [document["_id"] for document in store.database["events"].find().sort("_id", 1)]


def test_an_event_is_the_document_of_the_contract_and_nothing_absent(store: Store, log: EventLog) -> None:
    event = Event(
        "acd", "hold", START_AT, raw={"a": 1}, code=49, at=START_AT, call_ref=2**40, serial=7,
        stations=("1001", "1002"), group="620", data={"x": "y"}, problems=("odd",),
    )  # fmt: skip
    log.append(
        [build_document("a", "main", 3, event), build_document("b", None, 4, Event("system", "x", START_AT))]
    )
    assert list(store.database["events"].find().sort("_id", 1)) == [
        {
            "_id": "a", "host": "main", "kind": "acd", "type": "hold", "code": 49, "at": START_AT,
            "received_at": START_AT, "call_ref": 2**40, "serial": 7, "stations": ["1001", "1002"],
            "group": "620", "data": {"x": "y"}, "raw": {"a": 1}, "problems": ["odd"], "connection": 0,
            "seq": 3,
        },
        {"_id": "b", "kind": "system", "type": "x", "received_at": START_AT, "seq": 4},
    ]  # fmt: skip


def test_a_batch_that_is_repeated_in_whole_or_in_part_is_stored_once(store: Store, log: EventLog) -> None:
    log.append([build(n) for n in range(10)])
    log.append([build(n) for n in range(10)])
    log.append([build(n) for n in range(5, 15)])
    assert ids(store) == [f"e{n:04d}" for n in range(15)]


def test_a_unique_index_of_somebody_else_s_is_named_and_never_counts_as_stored(
    store: Store, log: EventLog
) -> None:
    store.database["events"].create_index("data.number", name="my_own", unique=True)
    log.append([build(1)])
    other = {**build(1), "_id": "other"}
    for _ in range(2):
        with pytest.raises(StoreRefused) as caught:
            log.append([build(1), other, build(2)])
        assert (caught.value.key, caught.value.facts) == ("error.mongo_unique", {"index": "my_own"})
    store.database["events"].drop_index("my_own")
    log.append([build(1), other, build(2)])
    assert ids(store) == ["e0001", "e0002", "other"]


SETTINGS: dict[str, tuple[Callable[[Any], object], Callable[[Any], object]]] = {
    "a validator that refuses": (
        lambda events: events.database.create_collection("events", validator={"host": "other"}),
        lambda events: events.database.command("collMod", "events", validator={}),
    ),
    "an index of places": (
        lambda events: events.create_index([("raw.site", "2dsphere")], name="own"),
        lambda events: events.drop_index("own"),
    ),
    "an index of two lists": (
        lambda events: events.create_index([("raw.a", 1), ("raw.b", 1)], name="own"),
        lambda events: events.drop_index("own"),
    ),
    "a text index of an unknown language": (
        lambda events: events.create_index([("raw.x", "text")], name="own"),
        lambda events: events.drop_index("own"),
    ),
    "a hashed index": (
        lambda events: events.create_index([("raw.a", "hashed")], name="own"),
        lambda events: events.drop_index("own"),
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_somebody_set_up_blames_no_event_and_all_are_stored_once_it_is_gone(
    store: Store, log: EventLog, setting: str
) -> None:
    set_up, undo = SETTINGS[setting]
    set_up(store.database["events"])
    raw = {"site": "no place", "a": [1], "b": [2], "x": "y", "language": "unknown"}
    batch = [build(1), build(2, raw), build(3, {"text": "\x00"})]
    for _ in range(2):
        with pytest.raises(StoreRefused) as caught:
            log.append(batch)
        assert type(caught.value) is StoreRefused
        assert "batch op errors" not in caught.value.facts["reason"]
        assert "no place" not in caught.value.facts["reason"]
    undo(store.database["events"])
    log.append(batch)
    assert ids(store) == ["e0001", "e0002", "e0003"]
    assert (store.database["events"].find_one({"_id": "e0002"}) or {})["raw"] == raw


def test_an_empty_batch_is_nothing(log: EventLog) -> None:
    log.append([])


REFUSED = {
    "a lone surrogate": json.loads('"\\ud800"'),
    "a lone surrogate in a name": {json.loads('"\\ud800"'): 1},
    "a NUL in a name": {"a\x00b": 1},
    "an integer beyond 64 bits": 2**70,
    "a nesting of 150": nest(150),
    "a nesting of 500": nest(500),
    "16 MiB": "x" * (16 * 1024 * 1024),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_a_document_that_cannot_be_stored_is_named_and_the_rest_is_stored(
    store: Store, log: EventLog, raw: Any
) -> None:
    with pytest.raises(Refused) as caught:
        log.append([build(0), build(1), build(2, raw), build(3)])
    assert list(caught.value.reasons) == [2]
    assert 0 < len(caught.value.reasons[2]) <= 200
    assert ids(store) == ["e0000", "e0001", "e0003"]


NOT_BSON = ("a lone surrogate", "a lone surrogate in a name", "a NUL in a name", "an integer beyond 64 bits")


@pytest.mark.parametrize("kind", NOT_BSON)
def test_what_bson_refuses_is_named_also_in_a_batch_that_is_encoded_in_one_go(
    store: Store, log: EventLog, kind: str
) -> None:
    for first in (0, 10):  # the second time it is expected
        with pytest.raises(Refused) as caught:
            log.append([build(first), build(first + 1, REFUSED[kind]), build(first + 2)], is_plain=True)
        assert list(caught.value.reasons) == [1]
    log.append([build(20)], is_plain=True)
    log.append([build(20), build(21)], is_plain=True)
    assert ids(store) == ["e0000", "e0002", "e0010", "e0012", "e0020", "e0021"]


def test_a_batch_of_more_than_a_message_holds_is_stored_in_parts(store: Store, log: EventLog) -> None:
    log.append([build(n, "x" * (7 * 1024 * 1024)) for n in range(5)])
    assert ids(store) == [f"e{n:04d}" for n in range(5)]


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize("fault", [{"closeConnection": True}, {"errorCode": 10107}, {"errorCode": 91}])
def test_a_primary_that_goes_while_it_is_asked_is_asked_once_more(
    store: Store, log: EventLog, fault: dict[str, Any], *, is_plain: bool
) -> None:
    with failing(store, "events", "insert", **fault):
        log.append([build(n) for n in range(3)], is_plain=is_plain)
    assert ids(store) == ["e0000", "e0001", "e0002"]


def test_positions_are_those_of_the_batch_also_beside_documents_already_stored(
    store: Store, log: EventLog
) -> None:
    log.append([build(1)])
    with pytest.raises(Refused) as caught:
        log.append([build(0, 2**70), build(1), build(2, nest(150)), build(3), build(4, {"a\x00": 1})])
    assert sorted(caught.value.reasons) == [0, 2, 4]
    assert ids(store) == ["e0001", "e0003"]


@pytest.mark.parametrize(
    "raw",
    [
        {"$ne": None, "a.b": 1, "$where": "x", "": 2, "a..b": {"$set": {"$inc": 1}}},
        nest(90),
        float("nan"),
        "\x00",
        b"\xff",
    ],
)
def test_odd_names_and_values_are_stored_as_they_are(store: Store, log: EventLog, raw: Any) -> None:
    log.append([build(0, raw)])
    found = store.database["events"].find_one({"_id": "e0000"}) or {}
    assert found["raw"] == raw or raw != raw  # noqa: PLR0124 - NaN


def test_a_lost_reply_after_the_write_leaves_one_copy(store: Store, mongo_uri: str, tmp_path: Path) -> None:
    parts = urlsplit(mongo_uri)
    assert parts.port is not None
    with FaultProxy(parts.port) as proxy:
        there = parts.netloc.replace(f":{parts.port}", f":{proxy.port}")
        uri = f"mongodb://{there}{parts.path}?authSource=admin&directConnection=true"
        with closing(connect(Bootstrap(path=tmp_path / "away.json", mongo_uri=uri), SystemClock())) as away:
            log = EventLog(away)
            proxy.fatal_request = b"insert\x00\x07\x00\x00\x00events"
            with pytest.raises(StoreUnavailable), timeout(0.5):  # the driver tries again until then
                log.append([build(n) for n in range(3)])
            assert proxy.cut_replies > 0
            assert ids(store) == ["e0000", "e0001", "e0002"], "it was written all the same"
            proxy.fatal_request = None
            log.append([build(n) for n in range(3)])
    assert ids(store) == ["e0000", "e0001", "e0002"]


@pytest.mark.parametrize("code", [64, 100])
def test_a_write_concern_error_is_no_success_and_its_repetition_leaves_one_copy(
    store: Store, log: EventLog, code: int
) -> None:
    concern = {"code": code, "errmsg": "waiting for replication timed out"}
    with failing(store, "events", "insert", writeConcernError=concern), pytest.raises(StoreError):
        log.append([build(n) for n in range(3)])
    assert ids(store) == ["e0000", "e0001", "e0002"], "it was written all the same"
    log.append([build(n) for n in range(3)])
    assert ids(store) == ["e0000", "e0001", "e0002"]


def test_a_batch_refused_as_a_whole_for_one_document_is_halved_until_that_one_is_alone(
    store: Store, log: EventLog
) -> None:
    with failing(store, "events", "insert", errorCode=15):
        log.append([build(n) for n in range(5)])
    assert ids(store) == [f"e{n:04d}" for n in range(5)]
    with failing(store, "events", "insert", errorCode=15), pytest.raises(Refused) as caught:
        log.append([build(5)])
    assert list(caught.value.reasons) == [0]


@pytest.mark.parametrize(
    ("code", "kind", "key"),
    [
        (13, StoreRefused, "error.mongo_rights"),
        (14031, StoreRefused, "error.mongo_disk"),
        (50, StoreUnavailable, "error.mongo_away"),
    ],
)
def test_a_server_that_fails_blames_no_document(
    store: Store, log: EventLog, code: int, kind: type[StoreError], key: str
) -> None:
    with failing(store, "events", "insert", errorCode=code), pytest.raises(kind) as caught:
        log.append([build(0)])
    assert not isinstance(caught.value, Refused)
    assert caught.value.key == key
    log.append([build(0)])
    assert ids(store) == ["e0000"]
