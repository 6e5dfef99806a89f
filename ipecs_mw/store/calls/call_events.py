"""The events behind a call: those that joined it, found by reading its part of the log once more."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.calls.steps.position import find_order, split_order
from ipecs_mw.calls.steps.steps import Moment, Step, read_step
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
        found = {event["_id"]: event for event in _find_candidates(store, call)}
        agents = list(_find_agents(store, call))
    candidates = sorted(found.values(), key=lambda event: (find_order(event), event["_id"]))
    joined = _join_again(call, candidates, agents, load_options(store, profile))
    if joined is None:
        refs = set(call.get("call_refs") or ())
        return [event for event in candidates if event.get("call_ref") in refs]
    return [event for event in candidates if event["_id"] in joined]


def _find_candidates(store: Store, call: Mapping[str, Any]) -> Iterator[Event]:
    """Yield what names a reference, station or trunk of the call while it lasted; records also from later."""
    names = ("call_refs", "stations", "groups", "trunks")
    refs, stations, groups, numbers = (list(call.get(name) or ()) for name in names)
    trunks = [*numbers, *(f"CO{number}" for number in numbers)]
    received = _find_received(store, call)
    ahead = received - call["began_at"]  # the host's clock may be far from ours
    ends = max([call.get("ended_at", call["began_at"]), *_list_ends(call)]) + _AFTER
    during = {"$gte": received - _BEFORE} | ({} if call.get("is_open") else {"$lte": ends + ahead})
    named = [
        {"call_ref": {"$in": refs}},
        {"stations": {"$in": [*stations, *groups]}},  # who waits is told as a call to the group
        *({f"data.{end}_type": "co", f"data.{end}_number": {"$in": trunks}} for end in ("source", "dest")),
        {"kind": "system"},
    ]
    events = store.database["events"]
    host = {"$eq": call["host"]}
    yield from events.find({"host": host, "received_at": during, "$or": named}).limit(_MOST_EVENTS)
    late = {"host": host, "call_ref": {"$in": refs}, "kind": "smdr", "received_at": {"$gt": ends + ahead}}
    span = {"$gte": call["began_at"] - _BEFORE, "$lte": ends}
    yield from events.find(late | {"at": span}).limit(_MOST_EVENTS)


def _find_received(store: Store, call: Mapping[str, Any]) -> datetime:
    """Return when the first event of a call was received; where the log has lost it, when it happened."""
    connection, seq = split_order(call["first"])
    place = {"host": {"$eq": call["host"]}, "connection": connection or None, "seq": seq}
    event = store.database["events"].find_one(place, {"received_at": 1})
    began_at: datetime = call["began_at"]
    return began_at if event is None else event["received_at"]


def _list_ends(call: Mapping[str, Any]) -> list[Any]:
    return [segment["until"] for segment in call.get("segments") or () if "until" in segment]


def _find_agents(store: Store, call: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the state of each agent who was logged in at a station of the call when it began."""
    for station in call.get("stations") or ():
        mine = {
            "host": {"$eq": call["host"]},
            "station": {"$eq": station},
            "from": {"$lte": call["began_at"]},
        }
        state = store.database["agent_states"].find_one(mine, sort=[("from", -1)])
        if state is not None and state.get("until", call["began_at"]) >= call["began_at"]:
            yield state


def _build_logins(agents: list[Mapping[str, Any]]) -> Iterator[Step]:
    """Yield what says that these agents are logged in: a group's call, and its wrap-up, are known by that."""
    for state in agents:
        for group in state.get("groups") or ():
            facts = {
                "device_number": state["station"],
                "primary_agent_id": state.get("agent"),
                "primary_acd_group": group,
            }
            moment = Moment(state["from"])
            yield Step("login", state["_id"], -1, moment, who=state["station"], facts=facts)


def _join_again(
    call: Mapping[str, Any],
    events: list[Event],
    agents: list[Mapping[str, Any]],
    options: ReadingOptions | None,
) -> set[str] | None:
    """Return the ids of the events that make the call of this id; None where they make no such call."""
    calls = HostCalls(call["host"])
    if options is not None:
        calls = HostCalls(call["host"], bins=options.bins, machines=options.machines)
    for login in _build_logins(agents):
        calls.take(login)
    for order, event in enumerate(events):
        calls.pass_time(event["received_at"])
        step = read_step(event, order)
        if step is not None:
            calls.take(step)
    found = dict(calls.take_changed()).get(call["_id"])
    return None if found is None else {step.event_id for step in found.course.steps}
