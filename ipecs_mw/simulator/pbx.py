"""The state of the simulated PBX, and the one way its events get out.

What happens to it lives elsewhere: calls in `calls` and `call_services`, settings in `features`, conferences in
`conferences`. All of it runs in the host's event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from random import Random
from typing import Any, TypeAlias

from ipecs_mw.simulator.refusals import refuse
from ipecs_mw.simulator.smdr import CallRecords
from ipecs_mw.simulator.spelling import Data, spell_acd, spell_call
from ipecs_mw.simulator.timetable import Timetable

GROUP_PICKUP, PAGING = "566", "543"  # the two feature codes that call.make accepts
PARK_START, PARK_END = 601, 608
_KINDS = ("lip", "lip", "lip", "sip", "dkt", "lip", "dect", "slt")
_SHOWN = {"uncondition": "fwd_uncond", "busy": "fwd_busy", "no_answer": "fwd_nans", "busy_noans": "fwd_bsna"}

Publish: TypeAlias = Callable[[str, str, Data], bool]
"""(kind: acd, call, presence or smdr; the number that it is about; its data) -> did it go to anybody?"""


@dataclass(eq=False)
class Call:
    """A call. `legs` says of each station in it: dialing, ringing, connected, holding or held."""

    ref: int
    began_at: datetime  # local time of the PBX
    began_seconds: float
    legs: dict[str, str] = field(default_factory=dict)
    trunk: str = ""  # CO number without its "CO"
    outside: str = ""
    did: str = ""
    direction: str = ""  # I and O over a trunk, blank inside
    group: str = ""
    dialed: str = ""
    diversion: str = ""
    handler: str = ""  # the station that the call record names
    account_code: str = ""
    authorization_code: str = ""
    answered_seconds: float | None = None
    is_outside_held: bool = False
    is_conference: bool = False
    is_over: bool = False

    @property
    def co(self) -> str:
        """The trunk as ACD events name it; blank for a call inside."""
        return f"CO{self.trunk}" if self.trunk else ""

    def other(self, number: str) -> str:
        """Who `number` talks to: a station, else the number outside."""
        return next((n for n in self.legs if n != number), self.outside)

    def other_side(self, number: str) -> str:
        """Who `number` talks to, as ACD events name it: the trunk where there is one."""
        return self.co or next((n for n in self.legs if n != number), "")


@dataclass(eq=False)
class Agent:
    """An agent who is logged on at a station."""

    primary_id: str = ""
    primary_group: str = ""
    secondary_id: str = ""
    secondary_group: str = ""
    is_on_duty: bool = True
    is_wrapping_up: bool = False


@dataclass(eq=False)
class Station:
    """An extension and its terminal."""

    number: str
    index: int
    kind: str
    is_registered: bool = False
    is_dnd: bool = False
    forward_type: str = "disable"
    forward_to: str = ""
    agent: Agent | None = None
    calls: list[Call] = field(default_factory=list)
    busy_number: str = ""  # the busy one it has just called
    callback_to: str = ""
    new_messages: int = 0
    old_messages: int = 0
    urgent_messages: int = 0
    shown: str = "block"  # the presence that was last published


@dataclass(eq=False)
class Group:
    """An ACD group: a number to call, a bin number that ACD events carry, calls that wait."""

    number: str
    bin: str
    members: tuple[str, ...]
    queue: list[Call] = field(default_factory=list)


class Pbx:
    """Stations, trunks, groups and calls. `publish` takes each event out."""

    def __init__(
        self,
        *,
        stations: Sequence[int],
        trunks: int,
        records: CallRecords,
        publish: Publish,
        local_now: Callable[[], datetime],
        random: Random,
    ) -> None:
        self.stations = {
            str(number): Station(str(number), index, _KINDS[index % len(_KINDS)])
            for index, number in enumerate(stations, 1)
        }
        self.trunks: dict[str, Call | None] = {f"{n:03}": None for n in range(1, trunks + 1)}
        self.groups = _make_groups(tuple(self.stations))
        self.calls: dict[int, Call] = {}
        self.parked: dict[int, Call] = {}
        self.records = records
        self.timetable = Timetable()
        self.random = random
        self.local_now = local_now
        self.on_new_call: Callable[[Call], None] = lambda _call: None
        self.on_ringing: Callable[[Call, str], None] = lambda _call, _number: None
        self._publish = publish
        self._refs = count(1)

    def station(self, number: str) -> Station:
        """Return a station that is there and connected. Raises CommandRefused."""
        station = self.stations.get(number)
        if station is None:
            raise refuse("invalidCallingDeviceIdentifier")
        if not station.is_registered:
            raise refuse("unregistered")
        return station

    def leg(self, number: str, ref: int, *states: str, otherwise: str = "invalidConnectionState") -> Call:
        """Return the call `ref` that a station has in one of `states`. Raises CommandRefused."""
        station = self.station(number)
        call = next((call for call in station.calls if call.ref == ref), None)
        if call is None:
            raise refuse("invalidConnectionIdentifier")
        if states and call.legs[number] not in states:
            raise refuse(otherwise)
        return call

    def new_call(self, **facts: Any) -> Call:
        """Return a new call with the next reference."""
        call = Call(next(self._refs), self.local_now(), self.timetable.now_seconds, **facts)
        self.calls[call.ref] = call
        self.on_new_call(call)
        return call

    def set_leg(self, call: Call, number: str, state: str) -> None:
        """Put a station into a call, or change what it does there."""
        if number not in call.legs:
            self.stations[number].calls.append(call)
        call.legs[number] = state

    def drop_leg(self, call: Call, number: str) -> None:
        """Take a station out of a call."""
        if call.legs.pop(number, None) is not None:
            self.stations[number].calls.remove(call)

    def acd(
        self,
        code: int,
        source: str = "",
        dest: str = "",
        data1: str = "",
        data2: str = "",
        call: Call | None = None,
    ) -> None:
        """Emit an ACD event."""
        ref = None if call is None else call.ref
        self._publish("acd", "", spell_acd(code, self.local_now(), ref, source, dest, data1, data2))

    def tell(self, number: str, kind: str, call: Call | None = None, **fields: Any) -> None:
        """Emit a call event of a station, a group or a trunk; the serial number is the connection's to add."""
        fields |= {"deviceNumber": number, "serviceDN": number}
        if call is not None:
            fields["callRefID"] = call.ref
        self._publish("call", number, spell_call(kind, fields))

    def tell_record(self, record: Data) -> None:
        """Push a call record."""
        self._publish("smdr", str(record["StationNumber"]), record)

    def show(self, *numbers: str) -> None:
        """Emit the presence of those stations whose status changed."""
        for number in numbers:
            station = self.stations.get(number)
            if station is not None and (status := status_of(station)) != station.shown:
                station.shown = status
                self._publish(
                    "presence",
                    number,
                    spell_call("presence", {"deviceNumber": number, "deviceType": "ext", "status": status}),
                )

    def show_trunk(self, number: str) -> None:
        """Emit the presence of a trunk."""
        status = "idle" if self.trunks[number] is None else "busy"
        self._publish(
            "presence",
            number,
            spell_call("presence", {"deviceNumber": number, "deviceType": "trk", "status": status}),
        )


def status_of(station: Station) -> str:
    """Return a station's presence status, the most telling one where several hold."""
    if not station.is_registered:
        return "block"
    states = {call.legs[station.number]: call for call in station.calls}
    if (talk := states.get("connected")) is not None:
        return "conf" if talk.is_conference else "trk_talk" if talk.trunk else "stn_talk"
    for state, status in (("ringing", "ring"), ("dialing", "busy"), ("held", "busy"), ("holding", "hold")):
        if state in states:
            return status
    return "DND" if station.is_dnd else _SHOWN.get(station.forward_type, "idle")


def is_free(station: Station) -> bool:
    """Tell whether a new call would ring there."""
    return station.is_registered and not station.calls and not station.is_dnd


def agent_fields(station: Station) -> Data:
    """Return the four fields that agent and queue events carry."""
    agent = station.agent or Agent()
    return {
        "primaryAgentId": agent.primary_id,
        "primaryAcdGroup": agent.primary_group,
        "secondaryAgentId": agent.secondary_id,
        "secondaryAcdGroup": agent.secondary_group,
    }


def _make_groups(numbers: tuple[str, ...]) -> dict[str, Group]:
    """Two ACD groups, 620 and 621, that share the first two thirds of the stations."""
    agents = numbers[: len(numbers) * 2 // 3]
    return {
        "620": Group("620", "01", agents[: (len(agents) + 1) // 2]),
        "621": Group("621", "02", agents[(len(agents) + 1) // 2 :]),
    }
