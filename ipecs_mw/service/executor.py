"""The executor of one host: what has to be said to it while its session is up."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, IpecsMwError, SessionError
from ipecs_mw.model.settings import HostSettings, expand_numbers
from ipecs_mw.service.client import HostClient
from ipecs_mw.service.lane import Lane
from ipecs_mw.service.session import SessionSupervisor

log = logs.get_logger()

_MOST_NUMBERS = 100  # in one request (interface notes, "Monitoring")
_TICK_SECONDS = 0.5
_SUBSCRIPTIONS = (("monitor", "monitor.start"), ("presence", "presence.start"))


class Executor:
    """Starts monitoring and presence each time the session is up; `run` is its thread.

    `verdicts` holds the host's answer by subscription and number: `{"monitor": {"1001": "OK"}}`.
    """

    def __init__(
        self,
        host: HostSettings,
        client: HostClient,
        session: SessionSupervisor,
        lane: Lane,
        clock: Clock,
        stop: threading.Event,
        is_up: threading.Event,
    ) -> None:
        self.verdicts: Mapping[str, Mapping[str, str]] = {}
        self._host = host
        self._client = client
        self._session = session
        self._lane = lane
        self._clock = clock
        self._stop = stop
        self._is_up = is_up

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop.is_set():
            if self._clock.wait(self._is_up, _TICK_SECONDS):
                self._is_up.clear()
                self._subscribe()

    def _subscribe(self) -> None:
        """Ask for the call events and presence that the configuration wants."""
        for name, command in _SUBSCRIPTIONS:
            numbers = expand_numbers(getattr(self._host, name))
            verdicts: dict[str, str] = {}
            try:
                for batch in _batches(numbers, _MOST_NUMBERS):
                    reply = self._client.call(command, {"deviceNumber": batch})
                    verdicts |= _read_verdicts(reply, batch)
            except CommandRefused as error:
                verdicts |= dict.fromkeys(numbers, str(error.facts.get("name")))
                self._lane.record("monitor.refused", "error", subscription=name, detail=logs.explain(error))
            except SessionError as error:
                self._session.drop(error)
                return
            except IpecsMwError as error:
                self._lane.record("monitor.failed", "warning", subscription=name, detail=logs.explain(error))
                self._session.drop(error)
                return
            self._report(name, numbers, verdicts)

    def _report(self, name: str, numbers: Sequence[str], verdicts: Mapping[str, str]) -> None:
        self.verdicts = {**self.verdicts, name: verdicts}
        if not numbers:
            return
        refused = {number: verdict for number, verdict in verdicts.items() if verdict != "OK"}
        accepted = len(verdicts) - len(refused)
        self._lane.record("monitor.started", subscription=name, accepted=accepted, refused=len(refused))
        for number, verdict in refused.items():
            log.warning("monitor.number_refused", host=self._host.name, number=number, verdict=verdict)


def _batches(numbers: Sequence[str], size: int) -> Iterator[list[str]]:
    for first in range(0, len(numbers), size):
        yield list(numbers[first : first + size])


def _read_verdicts(reply: Any, asked: Sequence[str]) -> dict[str, str]:
    """Return number → verdict of a reply `{"result": [{"1001": "OK"}, …]}`; silence about a number is named."""
    content = reply if isinstance(reply, dict) else {}
    if isinstance(content.get("data"), dict):
        content = content["data"]
    found: dict[str, str] = dict.fromkeys(asked, "no answer")
    for item in content.get("result") or ():
        if isinstance(item, dict):
            found.update({str(number): str(verdict) for number, verdict in item.items()})
    return found
