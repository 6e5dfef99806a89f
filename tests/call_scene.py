"""A morning with calls of every kind, read as the reader reads it and kept in MongoDB as the reader keeps it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from call_frames import EPOCH, read_documents

from ipecs_mw.calls.documents.missed import find_missed, list_readings
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.steps.position import find_order
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.numbers import PLAIN, read_all
from ipecs_mw.store.server.connection import Store

Frames = Sequence[Sequence[Any]]

CALLER, OTHER, CALLED = "0612345678", "0698765432", "0301234567"

MORNING: Frames = [
    (0, 11, "", "1001", "", "1", "0042"),
    (0, 11, "", "1002", "", "1", "0043"),
    # 7 waits 8 s in group 620, rings 5 s at 1001, who answers, holds it for 10 s, and wraps up
    (10, 3, 7, "CO001", "620", "1", "5"),
    (10, 72, 7, "CO001", "620", CALLER, "Kim"),
    (12, 62, 7, "CO001", "", "1"),
    (20, 66, 7, "1001", "CO001", "1", "1"),
    (25, 42, 7, "1001", "CO001"),
    (40, 49, 7, "1001", "CO001"),
    (50, 42, 7, "1001", "CO001"),
    (60, 44, 7, "CO001", "1001", "1", "10"),
    (60, 18, "", "1001"),
    (60, 2, "", "CO001"),
    (62, 15, "", "1001", "", "1"),
    (80, 16, "", "1001", "", "1"),
    # 8 gives up in the queue; 1002 calls back and nobody answers
    (100, 3, 8, "CO002", "620", "1", "5"),
    (100, 72, 8, "CO002", "620", OTHER, "Lee"),
    (101, 62, 8, "CO002", "", "1"),
    (140, 43, "", "CO002", "620"),
    (140, 2, "", "CO002"),
    (200, 41, 9, "1002", "CO003"),
    (201, 67, 9, "1002", "CO003", "", OTHER),
    (230, 44, 9, "1002", "CO003", "1", "13"),
    (230, 2, "", "CO003"),
    (230, 18, "", "1002"),
    # 10: 1003 calls 1004
    (300, 41, 10, "1003", "1004"),
    (300, 66, 10, "1004", "1003", "0"),
    (305, 42, 10, "1004", "1003"),
    (330, 44, 10, "1003", "1004", "1", "10"),
    (330, 18, "", "1003"),
    (330, 18, "", "1004"),
    # 11 goes out and is answered
    (400, 41, 11, "1003", "CO001"),
    (401, 67, 11, "1003", "CO001", "", CALLED),
    (410, 42, 11, "1003", "CO001"),
    (500, 44, 11, "1003", "CO001", "1", "10"),
    (500, 2, "", "CO001"),
    (500, 18, "", "1003"),
    # 12 still waits
    (600, 3, 12, "CO002", "620", "1", "5"),
    (600, 72, 12, "CO002", "620", CALLER, "Kim"),
    (601, 62, 12, "CO002", "", "1"),
]


def instant(seconds: float) -> datetime:
    """Return the instant of a frame."""
    return EPOCH + timedelta(seconds=seconds)


def keep_events(store: Store, frames: Frames, host: str = "main") -> list[dict[str, Any]]:
    """Store the events of frames and return them."""
    documents = [
        {
            **document,
            "_id": document["_id"].replace("main", host, 1),
            "host": host,
            "connection": 1,
            "seq": seq,
        }
        for seq, document in enumerate(read_documents(frames))
    ]
    store.database["events"].insert_many(documents)
    return documents


def keep(
    store: Store, frames: Frames = MORNING, host: str = "main", *, plan: NumberSettings = PLAIN
) -> HostReading:
    """Store the events of frames, and what is read out of them, as the reader does."""
    reading = HostReading(host, bins={"1": "620"})
    keep_reading(store, reading, keep_events(store, frames, host), plan)
    return reading


def keep_reading(
    store: Store, reading: HostReading, documents: Iterable[dict[str, Any]], plan: NumberSettings = PLAIN
) -> None:
    """Store what is read out of documents of one host, as the reader does."""
    host = ""
    for document in documents:
        host = document.get("host", host)
        reading.take(document, find_order(document))
    records = [build_record(call, host) for _, call in reading.calls.take_changed() if call is not None]
    calls = [{**record, **_count(list_readings(record, plan))} for record in records]
    _insert(store, "calls", calls)
    _insert(store, "agent_states", ({**each, **_count()} for _, each in reading.states.take_changed()))
    _insert(store, "live", (each for _, each in reading.live.take_changed() if each is not None))
    items = find_missed(records, plan)
    _insert(
        store,
        "missed",
        ({**item.to_document(), **_count(sorted(read_all(item.number, plan)))} for item in items),
    )


def tell(store: Store, *, behind_seconds: float = 0.0, seconds_ago: float = 1.0, host: str = "main") -> None:
    """Have the reader say that it lives, or that it did some time ago."""
    now = datetime.now(UTC)
    store.database["readers"].replace_one(
        {"_id": "calls"},
        {
            "owner": "one",
            "holder": 1,
            "told_at": now - timedelta(seconds=seconds_ago),
            "format": 1,
            "hosts": [
                {"host": host, "taken_at": now, "behind_seconds": behind_seconds, "is_catching_up": False}
            ],
        },
        upsert=True,
    )


def _count(numbers: Sequence[str] = ()) -> dict[str, Any]:
    counted: dict[str, Any] = {"revision": 1, "updated_at": instant(1000)}
    return counted | ({"numbers": list(numbers)} if numbers else {})


def _insert(store: Store, collection: str, documents: Iterable[dict[str, Any]]) -> None:
    if found := list(documents):
        store.database[collection].insert_many(found)
