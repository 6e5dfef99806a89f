"""A PBX without a socket, whose time passes when a test says so, with what it sent and what really happened."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from ipecs_mw.simulator.pbx import calls, features
from ipecs_mw.simulator.pbx.parts import Call
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.timetable import Timetable
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.simulator.wire.variants import Variants

BEGINS_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OUTSIDE = "61234567"


class Scene:
    """A PBX with its stations in service; agents log on where a test wants them."""

    def __init__(self, **variants: Any) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        timetable = Timetable()
        self.pbx = Pbx(
            stations=range(1000, 1020),
            trunks=12,
            records=CallRecords(1000),
            publish=self._publish,
            local_now=lambda: BEGINS_AT + timedelta(seconds=timetable.now_seconds),
            random=Random(1),
            timetable=timetable,
            variants=Variants(**variants),
        )
        for number in self.pbx.stations:
            features.register(self.pbx, number)
        self.events.clear()

    def _publish(self, kind: str, _number: str, data: dict[str, Any]) -> bool:
        self.events.append((kind, data))
        return True

    def agent(self, number: str, group: str = "620", rank: str = "primary") -> None:
        features.log_on(self.pbx, number, number, group, rank)

    def call_in(self, target: str = "620") -> Call:
        call = calls.arrive(self.pbx, OUTSIDE, "6500620", target, "Chen Li")
        assert call is not None
        return call

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.pbx.timetable.run_until(self.pbx.timetable.now_seconds + seconds)

    def codes(self, *wanted: int) -> list[int]:
        """Return the codes of the ACD events so far, of those that are wanted."""
        found = [data["eventCode"] for kind, data in self.events if kind == "acd"]
        return [code for code in found if not wanted or code in wanted]

    def acd(self, *codes: int) -> list[dict[str, Any]]:
        return [data for kind, data in self.events if kind == "acd" and data["eventCode"] in codes]

    def types(self, *wanted: str) -> list[str]:
        """Return the types of the call events so far, of those that are wanted."""
        found = [data["type"] for kind, data in self.events if kind == "call"]
        return [each for each in found if not wanted or each in wanted]

    def records(self) -> list[dict[str, Any]]:
        return [data for kind, data in self.events if kind == "smdr"]

    def conversations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.pbx.truth.describe()["conversations"]
        return found

    def conversation(self) -> dict[str, Any]:
        """Return the only one that there was."""
        (found,) = self.conversations()
        return found

    def spans(
        self, *kinds: str, of: dict[str, Any] | None = None
    ) -> list[tuple[str, str, float, float | None]]:
        """Return kind, station, begin and end of each segment of a conversation, of the kinds wanted."""
        return [
            (s["kind"], s.get("station", ""), s["from_seconds"], s.get("until_seconds"))
            for s in (of or self.conversation())["segments"]
            if not kinds or s["kind"] in kinds
        ]

    def states(self, number: str) -> list[tuple[str, float, float | None]]:
        """Return the states of the agent at a station, with their begin and end."""
        return [
            (s["state"], s["from_seconds"], s.get("until_seconds"))
            for s in self.pbx.truth.describe()["agent_states"]
            if s["station"] == number
        ]
