"""What the events of a host tell of it, and what the watch over the connection makes of that."""

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from support import START_AT, FakeClock

from ipecs_mw.model.settings import HostSettings
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
