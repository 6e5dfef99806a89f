"""What the events of a host tell of it, and what the watch over the connection makes of that."""

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support import START_AT, FakeClock

from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.protocol.events import Decoder, may_tell_of_host
from ipecs_mw.seeds import read_json
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.service.session.watchdog import Watchdog

DECODER = Decoder(read_json("codes.json"), ZoneInfo("UTC"))
TIME = {"event": "acd", "data": {"eventCode": 68, "time": "2026/03/02 08:00:00"}}
OF_HOST = (
    TIME,
    {"event": "acd", "data": {"eventCode": " 068"}},
    {"event": "call", "data": {"deviceINFO": [{"deviceNumber": "1001"}]}},
    {"event": "call", "data": {"type": "numbering"}},
)


def feed(call_state: CallState, frame: Any, at: datetime = START_AT) -> None:
    call_state.note_fresh(DECODER.decode(json.dumps(frame).encode(), at))


def test_every_frame_that_cannot_wait_for_mongodb_is_found_without_decoding_it() -> None:
    told: list[str] = []
    for frame in OF_HOST:
        assert may_tell_of_host(json.dumps(frame).encode())
        call_state = CallState(lambda: told.append("numbering"))
        feed(call_state, frame)
        assert (call_state.clock_at is not None) != bool(told)
        told.clear()
    assert not may_tell_of_host(b'{"event": "acd", "data": {"eventCode": 66, "callRefID": 68}}')


def test_a_host_that_never_told_its_time_in_this_session_may_be_silent(clock: FakeClock) -> None:
    asked: list[str] = []
    session: Any = SimpleNamespace(is_up=True, heard_at=clock.monotonic(), note=lambda: asked.append)
    client: Any = SimpleNamespace(call=lambda command, _: asked.append(command))
    call_state = CallState(lambda: None)
    host = HostSettings("main", "127.0.0.1", "api", "secret", "UTC", silence_seconds=60)
    watchdog = Watchdog(host, client, session, call_state, clock)
    feed(call_state, TIME)
    clock.advance(61)
    watchdog.step()
    assert asked == ["checkconnection"]
    call_state.begin_session()  # with another host: this one has no ACD
    session.heard_at = clock.monotonic()
    clock.advance(600)
    watchdog.step()
    assert asked == ["checkconnection"]


def tell(call_state: CallState, station: str, ref: int, kind: str = "dialing") -> None:
    data = {"type": kind, "deviceNumber": station, "callRefID": ref, "evtSerialNum": 1}
    call_state.note(DECODER.decode(json.dumps({"event": "call", "data": data}).encode(), START_AT))


def measure(call_state: CallState) -> int:
    return sum(len(name) for name, _ in call_state._calls) + sum(map(len, call_state.unconnected))


def test_a_station_has_a_call_until_the_last_of_its_calls_ends() -> None:
    call_state = CallState(lambda: None)
    for station, ref, kind in (
        ("1001", 1, "dialing"),
        ("1001", 2, "dialing"),
        ("1001", 1, "released"),
        ("1002", 3, "dialing"),
        ("1002", 3, "released"),
    ):
        tell(call_state, station, ref, kind)
    assert call_state.take_busy() == ["1001"]
    assert call_state.take_busy() == []


@pytest.mark.parametrize("hostile", ["references", "stations", "long stations", "long references"])
def test_what_a_host_tells_of_calls_fills_no_memory(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipecs_mw.service.session.call_state._MOST_CALLS", 100)
    call_state = CallState(lambda: None)
    for number in range(1000):
        station = {"stations": str(number), "long stations": str(number) * 1000}.get(hostile, "1001")
        tell(call_state, station, number * (10**1000 if hostile == "long references" else 1) + 1)
    assert len(call_state._calls) <= 100
    assert measure(call_state) <= 100 * 32
    tell(call_state, "1002", 7)
    assert "1002" in call_state.take_busy(), "the newest calls are those that count"


def test_stations_that_are_no_numbers_are_not_kept_as_unconnected() -> None:
    call_state = CallState(lambda: None)
    for number in range(50):
        tell(call_state, f"{number}" * 10_000, 1, "unregistered")
    tell(call_state, "1003", 1, "unregistered")
    assert call_state.unconnected == {"1003"}
