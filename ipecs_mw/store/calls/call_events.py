"""The events behind a call: those that joined it, found by reading its part of the log once more."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ipecs_mw.calls.joining import HostCalls
from ipecs_mw.calls.options import ReadingOptions
from ipecs_mw.calls.position import find_order
from ipecs_mw.calls.steps import read_step
from ipecs_mw.store.calls.options import load_options
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_BEFORE = timedelta(seconds=120)
_AFTER = timedelta(minutes=15)  # call records and wrap-up come after the end
_MOST_EVENTS = 50_000

Event = dict[str, Any]


def find_call_events(store: Store, call: Mapping[str, Any], profile: str | None) -> list[Event]:
    """Return the events of the log that joined a call, as the host sent them, as far as one can tell.

    They are read as the profile's configuration says, where this user may read that. Those without a reference
    belong to it by their trunk or station. Where the log has not all of the call any more, those that name one of
    its references count. Raises StoreError.
    """
    with store_errors():
        candidates = sorted(
            _find_candidates(store, call), key=lambda event: (find_order(event), event["_id"])
        )
    joined = _join_again(call, candidates, load_options(store, profile))
    if joined is None:
        refs = set(call.get("call_refs") or ())
        return [event for event in candidates if event.get("call_ref") in refs]
    return [event for event in candidates if event["_id"] in joined]


def _find_candidates(store: Store, call: Mapping[str, Any]) -> Iterator[Event]:
    """Yield what names a reference, station or trunk of the call while it lasted; records also from later."""
    refs, stations, numbers = (list(call.get(name) or ()) for name in ("call_refs", "stations", "trunks"))
    trunks = [*numbers, *(f"CO{number}" for number in numbers)]
    begins = call["began_at"] - _BEFORE
    ends = max(
        [call.get("ended_at") or call.get("updated_at") or call["began_at"], *_list_ends(call)]
    )  # wrap-up is after the end
    during = {"$gte": begins, "$lte": ends + _AFTER}
    named = [
        {"call_ref": {"$in": refs}},
        {"stations": {"$in": stations}},
        *({f"data.{end}_type": "co", f"data.{end}_number": {"$in": trunks}} for end in ("source", "dest")),
        {"kind": "system"},
    ]
    events = store.database["events"]
    host = {"$eq": call["host"]}
    yield from events.find({"host": host, "received_at": during, "$or": named}).limit(_MOST_EVENTS)
    late = {"host": host, "call_ref": {"$in": refs}, "kind": "smdr", "at": during}
    yield from events.find(late | {"received_at": {"$gt": ends + _AFTER}}).limit(_MOST_EVENTS)


def _list_ends(call: Mapping[str, Any]) -> list[Any]:
    return [segment["until"] for segment in call.get("segments") or () if "until" in segment]


def _join_again(
    call: Mapping[str, Any], events: list[Event], options: ReadingOptions | None
) -> set[str] | None:
    """Return the ids of the events that make the call of this id; None where they make no such call."""
    calls = HostCalls(call["host"])
    if options is not None:
        calls = HostCalls(call["host"], bins=options.bins, machines=options.machines)
    for order, event in enumerate(events):
        calls.pass_time(event["received_at"])
        step = read_step(event, order)
        if step is not None:
            calls.take(step)
    found = dict(calls.take_changed()).get(call["_id"])
    return None if found is None else {step.event_id for step in found.course.steps}
