"""Monitoring of one host's stations: started as configured, kept in step with the configuration and the host.

While a subscription that was asked for is not served, the host sends nothing of its stations: a gap says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ipecs_mw import logs
from ipecs_mw.errors import CommandRefused, IpecsMwError, ProtocolError, SessionError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.numbering.extensions import expand_numbers, join_verdicts
from ipecs_mw.service.intake.gaps import Moment
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.commands import carry_out
from ipecs_mw.service.session.supervisor import SessionSupervisor
from ipecs_mw.service.session.unmonitored import Uncovered

log = logs.get_logger()

SUBSCRIPTIONS = ("monitor", "presence")
"""Settings of a host that list numbers, and the families of commands that subscribe to them."""

_UNREADABLE = "unreadable"
_LONGEST_VERDICT = 100
_FIRST_AGAIN_SECONDS = 2.0  # after an answer that could not be read, twice as long after each further one
_LONGEST_AGAIN_SECONDS = 30.0


class Monitoring:
    """What one host was asked to tell of; used by the maintenance's thread.

    `verdicts` holds the host's answer by subscription and number: `{"monitor": {"1001": "OK"}}`.
    """

    def __init__(
        self,
        host: HostSettings,
        client: HostClient,
        session: SessionSupervisor,
        intake: Intake,
        call_state: CallState,
    ) -> None:
        self.verdicts: dict[str, dict[str, str]] = {}
        self._client = client
        self._session = session
        self._intake = intake
        self._call_state = call_state
        self._busy: list[str] = []
        self._told: dict[str, dict[str, str]] = {}
        self._asked: set[str] = set()
        self._uncovered = Uncovered(intake)
        self._has_begun = False
        self._again_at: float | None = None
        self._again_seconds = _FIRST_AGAIN_SECONDS
        self._drop = session.note()
        self.change(host)

    def change(self, host: HostSettings) -> None:
        """Want what `host` says from the next `step` on."""
        self._wanted = {name: expand_numbers(getattr(host, name)) for name in SUBSCRIPTIONS}

    def renew(self, since: Moment, *, has_lost_calls: bool) -> None:
        """Ask for everything anew: since then the host has forgotten it, or its numbering plan has changed.

        With `has_lost_calls`, also ask for the state of each station that had a call when last heard of.
        """
        self.verdicts = {}
        self._call_state.unconnected.clear()
        self._again_at, self._again_seconds = None, _FIRST_AGAIN_SECONDS
        recalled = None if self._has_begun else self._uncovered.recall()
        self._has_begun = True
        for name, wanted in self._wanted.items():
            if wanted:
                self._uncovered.begin(name, recalled or since)
        if recalled is not None and not any(self._wanted.values()):
            # nothing is wanted any more, so nothing would ever end it
            self._uncovered.begin(SUBSCRIPTIONS[0], recalled)
            self._uncovered.end(SUBSCRIPTIONS[0], 0)
        if has_lost_calls:
            self._busy, self._asked = [], set()
            self.ask_states(self._call_state.take_busy())

    def ask_states(self, stations: Iterable[str]) -> None:
        """Ask for the state of each of these stations, unless that was done since calls were lost."""
        fresh = [station for station in stations if station not in self._asked]
        self._asked.update(fresh)
        self._busy += fresh

    def end(self) -> None:
        """Record what was not sent until now, for nobody will ask any more. Raises JournalError."""
        for name, wanted in self._wanted.items():
            self._uncovered.end(name, len(wanted))

    def step(self) -> bool:
        """Do the next thing that is due, one subscription or one station; tell whether there was one."""
        self._drop = self._session.note()
        if self._again_at is not None and self._intake.clock.monotonic() >= self._again_at:
            self._again_at = None
            for name, verdicts in self.verdicts.items():
                self._forget(name, [number for number, said in verdicts.items() if said == _UNREADABLE])
        for name, wanted in self._wanted.items():
            have = self.verdicts.get(name, {})
            if fresh := [number for number in wanted if number not in have]:
                return self._start(name, fresh)
            if len(have) > len(wanted):
                return self._stop(name, sorted(have.keys() - set(wanted)))
        if self._busy:
            return self._ask_state(self._busy.pop(0))
        return False

    def describe(self) -> dict[str, Any]:
        """Return by subscription how many numbers were accepted, and those that were refused or not connected."""
        return {
            name: {
                "accepted": sum(verdict == "OK" for verdict in verdicts.values()),
                "refused": {number: verdict for number, verdict in verdicts.items() if verdict != "OK"},
                "unconnected": sorted(self._call_state.unconnected & verdicts.keys()),
            }
            for name, verdicts in self.verdicts.copy().items()
        }

    def _start(self, name: str, numbers: Sequence[str]) -> bool:
        try:
            reply = self._call(f"{name}.start", numbers)
        except CommandRefused as error:
            self._uncovered.begin(name, Moment.read(self._intake.clock))
            self._note(name, dict.fromkeys(numbers, str(error.facts.get("name"))))
            self._intake.record("monitor.refused", "error", subscription=name, detail=logs.explain(error))
        except ProtocolError as error:
            # the session is well, only this answer was not: that is not worth a new one
            self._uncovered.begin(name, Moment.read(self._intake.clock))
            self._note(name, dict.fromkeys(numbers, _UNREADABLE))
            self._again_at = self._intake.clock.monotonic() + self._again_seconds
            self._again_seconds = min(2 * self._again_seconds, _LONGEST_AGAIN_SECONDS)
            self._intake.record("monitor.failed", "warning", subscription=name, detail=logs.explain(error))
        except IpecsMwError as error:
            return self._give_up(name, error)
        else:
            verdicts = read_verdicts(reply, numbers)
            self._note(name, verdicts)
            self._report(name, verdicts)
            self._uncovered.end(name, len(numbers))
        return True

    def _stop(self, name: str, numbers: Sequence[str]) -> bool:
        try:
            self._call(f"{name}.stop", numbers)
        except (CommandRefused, ProtocolError) as error:
            log.warning(
                "monitor.stop_refused", host=self._intake.host, subscription=name, detail=logs.explain(error)
            )
        except IpecsMwError as error:
            return self._give_up(name, error)
        else:
            self._intake.record("monitor.stopped", subscription=name, count=len(numbers))
        self._forget(name, numbers)
        return True

    def _ask_state(self, station: str) -> bool:
        """Ask for a station's state, since what happened to its call was perhaps not sent."""
        try:
            reply = carry_out(self._client, self._client.commands["call.status"], {"deviceNumber": station})
        except (CommandRefused, ProtocolError) as error:
            log.debug("no state of a station", host=self._intake.host, station=station, error=str(error))
            return True
        except IpecsMwError as error:
            return self._give_up("call.status", error)
        content = reply.get("data", reply) if isinstance(reply, dict) else {}
        state = content.get("state") if isinstance(content, dict) else None
        self._intake.record("call.state_read", station=station, state=None if state is None else str(state))
        return True

    def _call(self, command: str, numbers: Sequence[str]) -> Any:
        return carry_out(self._client, self._client.commands[command], {"deviceNumber": list(numbers)})

    def _give_up(self, name: str, error: IpecsMwError) -> bool:
        """Have the session begin again: then everything is asked anew."""
        if not isinstance(error, SessionError):
            self._intake.record("monitor.failed", "warning", subscription=name, detail=logs.explain(error))
        self._drop(error)
        return False

    def _note(self, name: str, verdicts: Mapping[str, str]) -> None:
        self.verdicts = {**self.verdicts, name: {**self.verdicts.get(name, {}), **verdicts}}

    def _forget(self, name: str, numbers: Iterable[str]) -> None:
        gone = set(numbers)
        kept = {number: said for number, said in self.verdicts.get(name, {}).items() if number not in gone}
        self.verdicts = {**self.verdicts, name: kept}

    def _report(self, name: str, verdicts: Mapping[str, str]) -> None:
        refused = {number: verdict for number, verdict in verdicts.items() if verdict != "OK"}
        accepted = len(verdicts) - len(refused)
        self._intake.record("monitor.started", subscription=name, accepted=accepted, refused=len(refused))
        told = self._told.setdefault(name, {})
        # once: a connection that flaps asks for all of them each time
        if fresh := {number: verdict for number, verdict in refused.items() if told.get(number) != verdict}:
            numbers = "; ".join(join_verdicts(fresh))
            log.warning("monitor.numbers_refused", host=self._intake.host, subscription=name, numbers=numbers)
        self._told[name] = {**told, **verdicts}


def read_verdicts(reply: Any, asked: Sequence[str]) -> dict[str, str]:
    """Return number → verdict of a reply `{"result": [{"1001": "OK"}, …]}`; silence about a number is named."""
    content: Mapping[str, Any] = reply if isinstance(reply, dict) else {}
    if isinstance(content.get("data"), dict):
        content = content["data"]
    found: dict[str, str] = dict.fromkeys(asked, "no answer")
    result = content.get("result")
    for item in result if isinstance(result, list) else ():
        if isinstance(item, dict):
            told = {str(number): str(verdict)[:_LONGEST_VERDICT] for number, verdict in item.items()}
            found.update({number: verdict for number, verdict in told.items() if number in found})
    return found
