"""The events behind a call are those that joined it: compared with simulated days that were read as a whole."""

import pytest
from simulated_day import play_day, read_day

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.joining.index import Joined
from ipecs_mw.calls.steps.position import find_order
from ipecs_mw.store.calls.call_events import find_call_events
from ipecs_mw.store.server.connection import Store


@pytest.mark.parametrize("kinds", [("acd", "call", "smdr"), ("acd",), ("call",)], ids="+".join)
def test_the_events_of_each_call_of_a_day_are_those_that_joined_it(
    migrated: Store, kinds: tuple[str, ...]
) -> None:
    day = read_day(play_day(0.5, seed=5, kinds=kinds))
    documents = [{**document, "host": "main", "connection": 1} for document in day]
    migrated.database["events"].insert_many(documents)
    reading = HostReading("main")
    states = {}
    calls: dict[str, Joined | None] = {}
    for document in documents:
        reading.take(document, find_order(document))
        calls |= reading.calls.take_changed()
        states |= reading.states.take_changed()
    migrated.database["agent_states"].insert_many(states.values())
    wrong = []
    for call in filter(None, calls.values()):
        joined = {step.event_id for step in call.course.steps}
        found = find_call_events(migrated, build_record(call, "main"), None)
        ids = {event["_id"] for event in found}
        if ids != joined:
            wrong.append((call.id, ids - joined, joined - ids))
    assert len(calls) > 50
    assert wrong == []
