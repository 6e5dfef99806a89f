"""A scene in which a request is made: a simulated host whose time stands still, and a client of it."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs
from recorder import Exchange, Recorder
from support import START_AT, FakeClock
from tls_host import settings

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.arguments import check_arguments, join_results, split_arguments
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.protocol.replies import find_missing
from ipecs_mw.seeds import read_json
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.simulator.host.exchange import LICENCES
from ipecs_mw.simulator.pbx import calls, features
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.transport.stream import Stream, open_stream
from ipecs_mw.transport.tls import build_context

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
CODES = parse_codes(read_json("codes.json"))
PASSWORDS = {"apiuser": "secret-pass", "records": "secret-pass", "1005": "4711#"}
_ACCOUNTS = (
    Account("apiuser", PASSWORDS["apiuser"]),
    Account("records", PASSWORDS["records"], resources=frozenset({"SMDR"})),
    Account("1005", PASSWORDS["1005"], service="client", resources=frozenset()),
)
_CONTEXT = build_context(settings(1))
_RECORDS = 100
_WATCHED = {"deviceNumber": ["1000-1019", "620"]}
_MARK = {"event": "mark", "data": {}}
_DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))


def _start_afresh(exchange: Any) -> None:
    exchange.licences = set(LICENCES)
    exchange.records = CallRecords(_RECORDS)
    exchange.boot()


class Scene:
    """What the cases of one account begin with; `begin` starts the host afresh for the next one."""

    def __init__(
        self, host: SimulatedHost, recorder: Recorder, folder: Path, account: str, password: str
    ) -> None:
        self.host = host
        self._recorder = recorder
        self._account = account
        self._password = password
        self._stream: Stream | None = None
        service: Any = "client" if account.isdecimal() else "server"
        self._settings = structs.replace(
            settings(recorder.port, user=account),
            service=service,
            stream_path=f"/ipxapi/{service}/v1/users/{{user}}/acd",
        )
        memory = folder / f"{account}.token"
        self.client = HostClient(
            self._settings, lambda: password, _CONTEXT, COMMANDS, CODES, memory, SystemClock()
        )

    def begin(self, *, is_logged_in: bool = True) -> None:
        """Start the host afresh, log in, open the WebSocket and, with an account that may, watch every station."""
        self.end()
        self.host.operate(_start_afresh)
        self.client.token = None
        if is_logged_in:
            token = self.client.login().token
            # the WebSocket does not pass the recorder
            direct = structs.replace(self._settings, port=self.host.port)
            self._stream = open_stream(direct, _CONTEXT, token, SystemClock())
            if self._account == "apiuser":
                self.ask("monitor.start", _WATCHED)

    def end(self) -> None:
        """Close the WebSocket."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Close what is open."""
        self.end()
        self.client.close()

    def prepare(self, step: str, args: Mapping[str, Any]) -> None:
        """Do what a case takes for granted: a command, or something of the world outside."""
        if step in COMMANDS:
            self.ask(step, args)
        else:
            getattr(self, f"_do_{step}")(**args)

    def settle(self) -> str:
        """Forget what has happened so far; return what a request is signed with."""
        if self._stream is not None:
            self.take_events()
        self.take_exchanges()
        signed = base64.b64encode(f"{self._account}:{self._password}".encode()).decode()
        return f"Basic {signed}" if self.client.token is None else f"bearer {self.client.token}"

    def ask(self, command_id: str, args: Mapping[str, Any]) -> Any:
        """Carry out a command as the executor does."""
        if command_id == "login":
            login = self.client.login()
            return {"timer_seconds": login.timer_seconds, "system": login.system}
        if command_id == "logout":
            return self.client.logout()
        command = COMMANDS[command_id]
        parts = split_arguments(command, check_arguments(command, args))
        result = join_results([self.client.call(command_id, part) for part in parts])
        assert find_missing(command, result) == [], "the simulated host keeps what the definition promises"
        return result

    def take_exchanges(self) -> list[Exchange]:
        """Return what went over the wire since the last time."""
        taken, self._recorder.exchanges[:] = list(self._recorder.exchanges), []
        return taken

    def take_events(self) -> list[str]:
        """Return the events that arrived since the last time, each as `kind type station`."""
        assert self._stream is not None
        self.host.send(_MARK)
        events: list[Event] = []
        until = time.monotonic() + 20
        while not events or events[-1].type != "mark":
            assert time.monotonic() < until, "the mark did not come"
            # none, although there is time left, where what came was no frame: a session ticket, say
            events += [_DECODER.decode(frame, START_AT) for frame in self._stream.receive(1)]
        return [" ".join((event.kind, event.type, *event.stations[:1])) for event in events[:-1]]

    def _do_arrive(self, target: str, outside: str = "61234567") -> None:
        self.host.operate(lambda exchange: calls.arrive(exchange.pbx, outside, "6500620", target) and None)

    def _do_later(self, seconds: float) -> None:
        def pass_time(exchange: Any) -> None:
            exchange.pbx.timetable.run_until(exchange.pbx.timetable.now_seconds + seconds)

        self.host.operate(pass_time)

    def _do_leave_message(self, number: str, new: int, old: int, urgent: int) -> None:
        self.host.operate(lambda exchange: features.leave_message(exchange.pbx, number, new, old, urgent))

    def _do_take_licence(self, name: str) -> None:
        self.host.set_licence(name, is_there=False)

    def _do_expire_tokens(self) -> None:
        self.host.expire_tokens()

    def _do_answer_wrongly(self, kind: str) -> None:
        self.host.answer_wrongly(kind)


def build_host() -> SimulatedHost:
    """Return a host where only what a case says happens, and whose time moves only by the step `later`."""
    clock = FakeClock(is_manual=True)
    return SimulatedHost(accounts=_ACCOUNTS, is_scripted=False, oddities=0.0, clock=clock)


def load_cases() -> dict[str, dict[str, Any]]:
    """Return every case by `group: name`."""
    return {
        f"{file.stem}: {name}": case
        for file in sorted((Path(__file__).parent / "cases" / "requests").glob("*.json"))
        for name, case in json.loads(file.read_text("utf-8")).items()
    }
