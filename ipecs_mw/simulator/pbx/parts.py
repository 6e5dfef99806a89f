"""What the simulated PBX is made of: calls, stations, agents, groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ipecs_mw.simulator.pbx.conversation import Conversation, Segment
from ipecs_mw.simulator.wire.spelling import Data

KINDS = ("lip", "lip", "lip", "sip", "dkt", "lip", "dect", "slt")
_SHOWN = {"uncondition": "fwd_uncond", "busy": "fwd_busy", "no_answer": "fwd_nans", "busy_noans": "fwd_bsna"}


@dataclass(eq=False)
class Call:
    """A call. `legs` says of each station in it: dialing, ringing, connected, holding or held."""

    ref: int
    began_at: datetime  # local time of the PBX
    began_seconds: float
    conversation: Conversation
    legs: dict[str, str] = field(default_factory=dict)
    trunk: str = ""  # CO number without its "CO"
    outside: str = ""
    name: str = ""  # of the party outside
    did: str = ""
    direction: str = ""  # I and O over a trunk, blank inside
    group: str = ""
    dialed: str = ""
    diversion: str = ""
    handler: str = ""  # the station that the call record names
    account_code: str = ""
    authorization_code: str = ""
    answered_seconds: float | None = None
    recorded_at: datetime | None = None  # where the record that is not written yet begins
    recorded_seconds: float | None = None  # since when somebody talks in it
    transferor: str = ""  # where a transfer that nobody answers comes back to
    tried: set[str] = field(default_factory=set)  # the agents who did not answer it
    is_consultation: bool = False
    is_greeted: bool = False  # an announcement has answered
    is_in_voice_mail: bool = False
    is_passed_on: bool = False  # a station's segment has its record
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
    reason: str = ""  # the key that was pressed when the agent went off duty
    is_on_duty: bool = True
    is_wrapping_up: bool = False
    wrap_up: Segment | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the agent is logged on to."""
        return tuple(filter(None, (self.primary_group, self.secondary_group)))


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
    order: str
    members: tuple[str, ...]
    queue: list[Call] = field(default_factory=list)


def make_groups(numbers: Sequence[str]) -> dict[str, Group]:
    """Two ACD groups, 620 and 621, that share the first two thirds of the stations."""
    agents = tuple(numbers[: len(numbers) * 2 // 3])
    return {
        "620": Group("620", "01", agents[: (len(agents) + 1) // 2]),
        "621": Group("621", "02", agents[(len(agents) + 1) // 2 :]),
    }


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
