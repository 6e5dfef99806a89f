"""The parties of one reference of a call: who dials, rings, talks, holds or is held in it at this moment."""

from msgspec import Struct

from ipecs_mw.calls.steps.steps import is_trunk

OUTSIDE = "outside"
"""The caller where he is seen by nothing but his number."""

_KINDS = {
    "held": "held",
    "ringing": "ring",
    "holding": "hold",
    "dialing": "dial",
    "recalled": "recall",
    "playing": "announcement",
    "recording": "voicemail",
}


_WAITS = frozenset({"held", "talking", "dialing"})
"""What a party does for whom a call is passed on."""


class Line(Struct):
    """The parties of one reference.

    A leg is `dialing`, `ringing`, `talking`, `holding`, `held`, `recalled`, `recording` a message, or
    `playing` (a machine).

    Stations in `named` were only named by others, so nothing will tell of their end. `caller` began the line.
    `is_consult` while the station that made it holds another line of the call; `is_moving` while a transfer is on
    its way and who comes next is not there yet, `is_passed_on` until somebody answers it; `is_connected` once
    somebody has answered in it.
    """

    legs: dict[str, str] = {}
    trunks: dict[str, None] = {}
    named: set[str] = set()
    caller: str = ""
    group: str = ""
    has_outside: bool = False
    is_consult: bool = False
    is_conference: bool = False
    is_parked: bool = False
    is_waiting: bool = False
    is_moving: bool = False
    is_passed_on: bool = False
    is_connected: bool = False
    is_voicemail: bool = False

    def put(self, party: str, state: str, *, is_told: bool = True) -> None:
        """Have a party do something; a trunk is only there."""
        if is_trunk(party):
            self.trunks[party] = None
        elif party:
            if is_told:
                self.named.discard(party)
            elif party not in self.legs:
                self.named.add(party)
            self.legs[party] = state

    def drop(self, party: str) -> None:
        """Take a party out."""
        self.legs.pop(party, None)
        if party in self.trunks:
            del self.trunks[party]
            self.has_outside = False

    def turn(self, before: str, after: str) -> None:
        """Have everybody who does one thing do another."""
        for party, state in self.legs.items():
            if state == before:
                self.legs[party] = after

    def call_again(self) -> bool:
        """Have whoever was held wait for somebody new, where the call was passed on; tell whether it was."""
        is_on_its_way = self.is_moving or self.is_passed_on
        if is_on_its_way:
            self.turn("held", "dialing")
        return is_on_its_way

    def find_kind(self, state: str) -> str:
        """Return the kind of segment that a state is; blank where it is none."""
        if state == "talking":
            if self.is_consult:
                return "consult"
            return "conference" if self.is_conference else "talk"
        if state == "playing" and self.is_voicemail:
            return "voicemail"
        return _KINDS.get(state, "")

    def is_seen(self) -> bool:
        """Whether somebody is in it who will tell of his end."""
        return bool(self.trunks) or any(party not in self.named for party in self.legs)

    def is_alive(self) -> bool:
        """Whether somebody is left who could go on and would tell of it."""
        waits = bool(self.trunks) or any(state in _WAITS for state in self.legs.values())
        if self.is_waiting and (waits or self.has_outside):
            return True
        if not self.is_seen():
            return False
        if self.is_parked or self.is_moving or self.is_passed_on:
            return waits
        outside = len(self.trunks) or int(self.has_outside)
        if len(self.legs) + outside > 1:
            return self.is_connected or self.is_caller_there()
        return not self.is_connected and self.is_caller_there()

    def is_caller_there(self) -> bool:
        """Whether who called has not hung up, as far as is known."""
        if self.caller in ("", OUTSIDE):
            return self.has_outside or bool(self.trunks)
        return self.caller in self.legs or self.caller in self.trunks

    def pass_on(self) -> None:
        """Have the call go on to somebody who is not there yet."""
        self.is_moving = self.is_passed_on = True

    def take_over(self, other: "Line") -> None:
        """Become one with another line; who is in both does what he does in the busier one."""
        self.trunks.update(other.trunks)
        for party, state in other.legs.items():
            if self.legs.get(party) in (None, "holding", "held"):
                self.legs[party] = state
        self.named |= other.named
        self.caller = self.caller or other.caller
        self.group = self.group or other.group
        self.has_outside |= other.has_outside
        self.is_waiting |= other.is_waiting
        self.is_connected |= other.is_connected
        self.is_conference |= other.is_conference
