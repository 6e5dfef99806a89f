"""The executor of one host: what is said to it while its session is up, monitoring and commands alike."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    CommandRefused,
    IpecsMwError,
    JournalError,
    ReplyLost,
    SessionError,
    StoreError,
    TokenExpired,
)
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.settings import HostSettings, expand_numbers
from ipecs_mw.protocol.session import State
from ipecs_mw.protocol.values import MASK
from ipecs_mw.service.client import HostClient
from ipecs_mw.service.commands import carry_out, carry_out_as_station, find_command
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.records import RecordReader
from ipecs_mw.service.session import SessionSupervisor
from ipecs_mw.store.connection import Store
from ipecs_mw.store.requests import (
    Request,
    claim_request,
    expire_requests,
    finish_request,
    give_up_requests,
    hide_arguments,
    requeue_request,
)

log = logs.get_logger()

_TICK_SECONDS = 0.5
_SUBSCRIPTIONS = (("monitor", "monitor.start"), ("presence", "presence.start"))


class Executor:
    """Starts monitoring each time the session is up, reads call records and carries out commands.

    `run` is its thread.

    `verdicts` holds the host's answer by subscription and number: `{"monitor": {"1001": "OK"}}`. `names` are the
    hosts whose requests are its own: its name, and None where a request need not name the only host.
    """

    def __init__(
        self,
        host: HostSettings,
        names: list[str | None],
        client: HostClient,
        commands: Mapping[str, Command],
        codes: Codes,
        session: SessionSupervisor,
        lane: Lane,
        store: Store,
        clock: Clock,
        stop: threading.Event,
        records: RecordReader,
    ) -> None:
        self.verdicts: Mapping[str, Mapping[str, str]] = {}
        self._host = host
        self._names = names
        self._client = client
        self._commands = commands
        self._codes = codes
        self._session = session
        self._lane = lane
        self._store = store
        self._clock = clock
        self._stop = stop
        self._records = records
        self._wake = threading.Event()
        self._is_fresh = threading.Event()
        self._has_given_up = False

    def on_up(self) -> None:
        """Have monitoring started: the session is up."""
        self._is_fresh.set()
        self._wake.set()

    def on_request(self) -> None:
        """Have the queue looked at now rather than at the next tick."""
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop.is_set():
            self._clock.wait(self._wake, _TICK_SECONDS)
            self._wake.clear()
            try:
                self._step()
            except (StoreError, JournalError) as error:
                log.debug("executor waits", host=self._host.name, error=str(error))
                self._clock.wait(self._stop, _TICK_SECONDS)

    def _step(self) -> None:
        if self._is_fresh.is_set():
            self._is_fresh.clear()
            self._records.begin()
            self._subscribe()
        if not self._has_given_up:
            give_up_requests(self._store, self._names)
            self._has_given_up = True
        expire_requests(self._store)
        while self._session.status.state is State.UP and not self._stop.is_set():
            request = claim_request(self._store, self._names, self._host.name)
            if request is not None:
                self._carry_out(request)
            elif not self._read_records():
                return

    def _read_records(self) -> bool:
        """Read call records, a page at the most: requests come first. Tell whether there is more to read."""
        try:
            return self._records.step()
        except SessionError as error:
            self._session.drop(error)
            return False

    def _carry_out(self, request: Request) -> None:
        """Carry out one claimed request and write how it ended."""
        try:
            result = self._execute(request)
        except TokenExpired as error:
            requeue_request(self._store, request["_id"])  # refused at the door: nothing was done
            self._session.drop(error)
            return
        except IpecsMwError as error:
            state = "unknown" if isinstance(error, ReplyLost) else "failed"
            finish_request(self._store, request["_id"], state, error=_describe(error))
            log.warning("request.failed", host=self._host.name, command=str(request.get("command")), state=state,
                        detail=logs.explain(error))  # fmt: skip
            return
        finish_request(self._store, request["_id"], "done", result=result)
        log.info("request.done", host=self._host.name, command=request["command"])

    def _execute(self, request: Request) -> Any:
        given = request.get("args") or {}
        command = find_command(self._commands, request.get("command"))
        if not isinstance(given, Mapping):
            raise CommandRefused("error.field_value", document="requests", path="args", value=repr(given)[:100],
                                 allowed="{…}", family="arguments", name="args")  # fmt: skip
        secrets = [
            parameter.name for parameter in command.params if parameter.is_secret and parameter.name in given
        ]
        if secrets:
            hide_arguments(self._store, request["_id"], secrets, MASK)
        if self._host.service not in command.services:
            return carry_out_as_station(self._host, command, given, self._commands, self._codes, self._clock)
        return carry_out(self._client, command, given)

    def _subscribe(self) -> None:
        """Ask for the call events and presence that the configuration wants."""
        for name, command in _SUBSCRIPTIONS:
            numbers = expand_numbers(getattr(self._host, name))
            if not numbers:
                continue
            try:
                reply = carry_out(self._client, self._commands[command], {"deviceNumber": numbers})
            except CommandRefused as error:
                self.verdicts = {**self.verdicts, name: dict.fromkeys(numbers, str(error.facts.get("name")))}
                self._lane.record("monitor.refused", "error", subscription=name, detail=logs.explain(error))
            except SessionError as error:
                self._session.drop(error)
                return
            except IpecsMwError as error:
                self._lane.record("monitor.failed", "warning", subscription=name, detail=logs.explain(error))
                self._session.drop(error)
                return
            else:
                self._report(name, _read_verdicts(reply, numbers))

    def _report(self, name: str, verdicts: Mapping[str, str]) -> None:
        self.verdicts = {**self.verdicts, name: verdicts}
        refused = {number: verdict for number, verdict in verdicts.items() if verdict != "OK"}
        accepted = len(verdicts) - len(refused)
        self._lane.record("monitor.started", subscription=name, accepted=accepted, refused=len(refused))
        for number, verdict in refused.items():
            log.warning("monitor.number_refused", host=self._host.name, number=number, verdict=verdict)


def _read_verdicts(reply: Any, asked: Sequence[str]) -> dict[str, str]:
    """Return number → verdict of a reply `{"result": [{"1001": "OK"}, …]}`; silence about a number is named."""
    content: Mapping[str, Any] = reply if isinstance(reply, dict) else {}
    if isinstance(content.get("data"), dict):
        content = content["data"]
    found: dict[str, str] = dict.fromkeys(asked, "no answer")
    for item in content.get("result") or ():
        if isinstance(item, dict):
            found.update({str(number): str(verdict) for number, verdict in item.items()})
    return found


def _describe(error: IpecsMwError) -> dict[str, Any]:
    """Return an error as `requests` keeps it: family, code and name where they are known, and the sentence."""
    facts = {name: error.facts.get(name) for name in ("family", "code", "name")}
    found = {name: value for name, value in facts.items() if value is not None}
    return {"name": error.key.removeprefix("error."), **found, "text": logs.explain(error)}
