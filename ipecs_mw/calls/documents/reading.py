"""All that is read out of the events of one host, step by step: its calls, its agents, what is true now."""

from collections.abc import Collection, Mapping
from typing import Any

from ipecs_mw.calls.documents.agents import AgentStates
from ipecs_mw.calls.documents.live import LiveState
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import read_step


class HostReading:
    """Calls, agent states and live state of one host; the last only where `follows_live`.

    Documents of the event log are to be handed in as the host sent them; each of the three then tells what has
    changed. `bins` are the numbers of groups by bin, as configured; `machines` are devices that are no person.
    """

    def __init__(
        self,
        host: str,
        *,
        bins: Mapping[str, str] | None = None,
        machines: Collection[str] = (),
        follows_live: bool = True,
    ) -> None:
        self.calls = HostCalls(host, bins=bins, machines=machines)
        self.states = AgentStates(host, self.calls)
        self.live = LiveState(host, self.calls, self.states)
        self._follows_live = follows_live

    def take(self, event: Mapping[str, Any], order: Any) -> None:
        """Take in the next event; `order` compares as the host sent them."""
        step = read_step(event, order)
        if step is None:
            self.calls.pass_time(event["received_at"])
            return
        self.calls.take(step)
        touched = list(self.calls.take_touched())
        about = self.states.take(step, touched)
        if self._follows_live:
            self.live.take(step, touched, about)
