"""Which stations the event log leaves in a call."""

from datetime import timedelta

import pytest
from support import START_AT

from ipecs_mw.model.event import Event
from ipecs_mw.store.events.busy_stations import find_busy_stations
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.server.connection import Store

ENDS = ("released", "fail")

pytestmark = pytest.mark.usefixtures("migrated")


def write(store: Store, *told: tuple[int, str, str, int], host: str = "main") -> None:
    """Write call events: minutes after the start, station, type, call."""
    documents = []
    for number, (minutes, station, type_, ref) in enumerate(told):
        at = START_AT + timedelta(minutes=minutes)
        event = Event("call", type_, at, call_ref=ref, data={"device_number": station})
        documents.append(build_document(f"{host}:{number:03}", host, number, event))
    EventLog(store).append(documents)


def find(store: Store, minutes: int = 60) -> list[str]:
    return find_busy_stations(store, "main", START_AT, START_AT + timedelta(minutes=minutes), ENDS)


def test_the_latest_event_of_each_call_decides(store: Store) -> None:
    write(
        store,
        (1, "1001", "dialing", 1),
        (1, "1001", "connected", 1),  # of the same moment
        (2, "1002", "dialing", 2),
        (2, "1002", "released", 2),
        (3, "1003", "dialing", 3),
        (4, "1003", "released", 3),
        (5, "1003", "alerting", 4),  # a second call
        (6, "1004", "fail", 5),
        (90, "1005", "dialing", 6),  # later than asked for
    )
    write(store, (1, "1009", "dialing", 1), host="other")
    assert find(store) == ["1001", "1003"]


def test_it_is_found_by_an_index_that_gives_the_newest_first(store: Store) -> None:
    write(store, *((minute, f"1{minute:03}", "dialing", minute) for minute in range(1, 50)))
    store.database.command("profile", 2)
    find(store)
    store.database.command("profile", 0)
    (told,) = store.database["system.profile"].find({"command.aggregate": "events"})
    assert "IXSCAN" in told["planSummary"]
    assert not told.get("hasSortStage")
