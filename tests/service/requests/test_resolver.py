"""Requests whose reply was lost are resolved by the events that follow, where these tell."""

import io
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw import logs
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.model.event import Event
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.requests.resolver import Resolver
from ipecs_mw.service.requests.worker import RequestWorker
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.server.connection import Store

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
DEFINITIONS: Any = SimpleNamespace(commands=COMMANDS, codes=parse_codes(read_json("codes.json")))
CALL = {"deviceNumber": "1001", "calledDN": "0612345678"}


class Scene:
    """An event log that a test writes to, and a resolver that looks into it as time passes."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.resolver = Resolver(DEFINITIONS, store, clock)
        self._count = 0

    def lose(self, command: str = "call.make", state: str = "unknown", **arguments: Any) -> dict[str, Any]:
        """Return a request that was sent now and whose reply was lost."""
        request = self.queue(command, state, **arguments)
        self.resolver.yield_to(request)
        self.resolver.watch(request, "main", self.clock.now())
        return request

    def queue(self, command: str = "call.make", state: str = "unknown", **arguments: Any) -> dict[str, Any]:
        self._count += 1
        request = {"_id": self._count, "command": command, "args": arguments or CALL, "state": state}
        self.store.database["requests"].insert_one(request)
        return request

    def happen(self, name: str, type_: str = "alerting", call_ref: int = 7, **data: Any) -> None:
        """Have the host tell something of station 1001 now."""
        found = {"device_number": "1001", "called_dn": "0612345678", **data}
        event = Event("call", type_, self.clock.now(), call_ref=call_ref, stations=("1001",), data=found)
        EventLog(self.store).append([build_document(name, "main", 1, event)])

    def pass_time(self, seconds: float = 0.5) -> None:
        self.clock.advance(seconds)
        self.resolver.step()

    def look_up(self, request: dict[str, Any]) -> tuple[str, str | None]:
        found: Any = self.store.database["requests"].find_one({"_id": request["_id"]})
        return found["state"], found.get("resolved_by")


@pytest.fixture
def scene(migrated: Store, clock: FakeClock) -> Iterator[Scene]:
    yield Scene(migrated, clock)
    logs.configure(shipped_texts())


def test_a_call_that_was_made_is_done_once_an_event_shows_it_and_the_log_says_so(scene: Scene) -> None:
    output = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=output)
    request = scene.lose()
    scene.clock.advance(0.3)
    scene.happen("a", "proceeding", called_dn=None, dial_digit="0612345678")
    scene.pass_time()
    assert scene.look_up(request) == ("unknown", None)
    scene.happen("b", "alerting")
    scene.happen("c", "connected")
    scene.pass_time()
    assert scene.look_up(request) == ("done", "b")
    assert output.getvalue().count("request.resolved") == 1
    assert "call.make" in output.getvalue()


def test_who_waits_for_a_request_is_told_that_its_end_is_unknown_before_it_is_resolved(scene: Scene) -> None:
    request = scene.lose()
    scene.happen("a")
    scene.pass_time(0.4)
    assert scene.look_up(request) == ("unknown", None)
    scene.pass_time(0.1)
    assert scene.look_up(request) == ("done", "a")


def test_a_call_that_was_not_made_stays_unknown_whatever_else_the_station_does(scene: Scene) -> None:
    scene.happen("before")
    scene.clock.advance(1)
    request = scene.lose()
    scene.happen("another number", called_dn="0698765432", call_ref=8)
    scene.happen("another end", "released", call_ref=8)
    scene.pass_time()
    assert scene.look_up(request) == ("unknown", None)


def test_a_call_that_was_there_before_the_request_does_not_show_that_it_was_made(scene: Scene) -> None:
    scene.happen("before", "proceeding", call_ref=8)
    scene.clock.advance(1)
    request = scene.lose()
    scene.happen("after", "connected", call_ref=8)
    scene.pass_time()
    assert scene.look_up(request) == ("unknown", None)
    scene.happen("another", "connected", call_ref=9)
    scene.pass_time()
    assert scene.look_up(request) == ("done", "another")


def test_a_call_that_the_request_names_may_be_as_old_as_it_likes(scene: Scene) -> None:
    scene.happen("before", "connected")
    scene.clock.advance(1)
    request = scene.lose("call.clear", deviceNumber="1001", callRefID="7")
    scene.happen("after", "released")
    scene.pass_time()
    assert scene.look_up(request) == ("done", "after")


def test_an_event_a_minute_later_shows_nothing_and_then_nothing_is_looked_for_any_more(scene: Scene) -> None:
    request = scene.lose()
    scene.pass_time()
    scene.clock.advance(59.5)
    scene.happen("late")
    scene.pass_time()
    assert scene.look_up(request) == ("unknown", None)
    scene.resolver._store = None  # type: ignore[assignment]
    scene.pass_time()


def test_an_event_that_reaches_mongodb_late_is_judged_by_when_it_was_received(scene: Scene) -> None:
    request = scene.lose()
    received_at = scene.clock.now() + timedelta(seconds=1)
    scene.pass_time(300)  # MongoDB was away so long
    event = Event("call", "alerting", received_at, call_ref=7, stations=("1001",),
                  data={"device_number": "1001", "called_dn": "0612345678"})  # fmt: skip
    EventLog(scene.store).append([build_document("a", "main", 1, event)])
    scene.pass_time(30)
    assert scene.look_up(request) == ("done", "a")


def test_the_events_of_a_request_that_was_given_again_do_not_show_the_first(scene: Scene) -> None:
    first = scene.lose()
    scene.clock.advance(2)
    second = scene.queue(state="done")
    scene.resolver.yield_to(second)
    scene.happen("a")
    scene.pass_time()
    assert scene.look_up(first) == ("unknown", None)


def test_an_event_before_a_request_was_given_again_shows_the_first_alone(scene: Scene) -> None:
    first = scene.lose()
    scene.clock.advance(1)
    scene.happen("a")
    scene.clock.advance(1)
    second = scene.lose()
    scene.happen("b", "connected")
    scene.pass_time()
    assert scene.look_up(first) == ("done", "a")
    assert scene.look_up(second) == ("unknown", None)


def test_a_request_that_has_not_ended_yet_is_resolved_once_it_is_unknown(scene: Scene) -> None:
    request = scene.lose(state="sent")
    scene.happen("a")
    scene.pass_time()
    assert scene.look_up(request) == ("sent", None)
    scene.store.database["requests"].update_one({"_id": request["_id"]}, {"$set": {"state": "unknown"}})
    scene.pass_time()
    assert scene.look_up(request) == ("done", "a")


def test_no_more_than_a_handful_is_watched_the_newest_ones(scene: Scene) -> None:
    lost = [scene.lose(deviceNumber="1001", calledDN=f"06{number:08d}") for number in range(17)]
    for number, _ in enumerate(lost):
        scene.happen(f"e{number}", called_dn=f"06{number:08d}", call_ref=100 + number)
    scene.pass_time()
    assert [scene.look_up(request)[0] for request in lost] == ["unknown"] + ["done"] * 16


@pytest.mark.parametrize(
    ("command", "arguments"), [("no.such", CALL), ("call.status", CALL), ("call.make", {"calledDN": "1"})]
)
def test_what_no_event_can_show_is_not_watched(
    clock: FakeClock, command: str, arguments: dict[str, Any]
) -> None:
    nowhere: Any = None
    resolver = Resolver(DEFINITIONS, nowhere, clock)
    resolver.watch({"_id": 1, "command": command, "args": arguments}, "main", clock.now())
    clock.advance(1)
    resolver.step()


def test_what_a_dead_daemon_had_claimed_is_resolved_too(scene: Scene) -> None:
    made = scene.queue(state="sent")
    unmade = scene.queue(state="sent", deviceNumber="1001", calledDN="1002")
    strange = scene.queue(state="sent")
    scene.store.database["requests"].update_many(
        {"_id": {"$ne": strange["_id"]}},
        {"$set": {"claimed_by": "account", "claimed_at": scene.clock.now()}},
    )
    scene.store.database["requests"].update_one(
        {"_id": strange["_id"]}, {"$set": {"claimed_by": "account", "claimed_at": "yesterday"}}
    )
    scene.clock.advance(3)
    scene.happen("a")
    scene.clock.advance(600)  # until another daemon is there
    nothing: Any = None
    worker = RequestWorker(
        HostSettings("main", "127.0.0.1", "api", "secret", "UTC"),
        ["main"],
        "default",
        "account",
        DEFINITIONS,
        scene.store,
        nothing,
        Counters(),
        scene.clock,
        nothing,
    )
    worker.give_up()
    states = [scene.look_up(request)[0] for request in (made, unmade, strange)]
    assert states == ["unknown"] * 3
    scene.clock.advance(0.5)
    worker.resolve()
    assert scene.look_up(made) == ("done", "a")
    assert scene.look_up(unmade) == ("unknown", None)
