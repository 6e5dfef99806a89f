"""The state of the simulated PBX, and the one way its events get out.

What happens to it lives elsewhere: calls in `calls` and `call_services`, settings in `features`, conferences in
`conferences`. All of it runs in the host's event loop.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from random import Random
from typing import Any, TypeAlias

from ipecs_mw.simulator.pbx.parts import KINDS, Call, Group, Station, make_groups, status_of
from ipecs_mw.simulator.pbx.timetable import Timetable
from ipecs_mw.simulator.pbx.truth import Truth
from ipecs_mw.simulator.wire.refusals import refuse
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.simulator.wire.spelling import Data, spell_acd, spell_call
from ipecs_mw.simulator.wire.variants import Variants

GROUP_PICKUP, PAGING = "566", "543"  # the two feature codes that call.make accepts
PARK_START, PARK_END = 601, 608
VOICE_MAIL, VOICE_MAIL_BIN = "640", "10"

Publish: TypeAlias = Callable[[str, str, Data], bool]
"""(kind: acd, call, presence or smdr; the number that it is about; its data) -> did it go to anybody?"""


class Pbx:
    """Stations, trunks, groups and calls. `publish` takes each event out, `truth` notes what happens."""

    def __init__(
        self,
        *,
        stations: Sequence[int],
        trunks: int,
        records: CallRecords,
        publish: Publish,
        local_now: Callable[[], datetime],
        random: Random,
        timetable: Timetable | None = None,
        truth: Truth | None = None,
        variants: Variants | None = None,
    ) -> None:
        self.stations = {
            str(number): Station(str(number), index, KINDS[index % len(KINDS)])
            for index, number in enumerate(stations, 1)
        }
        self.trunks: dict[str, Call | None] = {f"{n:03}": None for n in range(1, trunks + 1)}
        self.groups = make_groups(tuple(self.stations))
        self.calls: dict[int, Call] = {}
        self.parked: dict[int, Call] = {}
        self.records = records
        self.timetable = timetable or Timetable()
        self.truth = truth or Truth(self.timetable, local_now)
        self.variants = variants or Variants()
        self.random = random
        self.local_now = local_now
        self.on_new_call: Callable[[Call], None] = lambda _call: None
        self.on_ringing: Callable[[Call, str], None] = lambda _call, _number: None
        self.on_voice_mail: Callable[[Call, str], None] = lambda _call, _number: None
        self.answer_of_outside: Callable[[Call], str] = lambda _call: "answers"  # or is "busy", or "silent"
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

    def new_call(self, beside: Call | None = None, **facts: Any) -> Call:
        """Return a new call with the next reference; `beside` is the one that its station holds meanwhile."""
        call = Call(
            next(self._refs),
            self.local_now(),
            self.timetable.now_seconds,
            self.truth.begin(),
            is_consultation=beside is not None,
            **facts,
        )
        self.calls[call.ref] = call
        self.truth.note(call)
        self.on_new_call(call)
        return call

    def next_ref(self) -> int:
        """Return a reference that no call has had."""
        return next(self._refs)

    def rename(self, call: Call, ref: int) -> None:
        """Give a call another reference, which no other has any more."""
        del self.calls[call.ref]
        call.ref = ref
        self.calls[ref] = call
        self.truth.note(call)

    def bin_of(self, group: Group) -> str:
        """Return the number by which ACD events name a group."""
        return group.number if self.variants.bins == "number" else group.order

    def set_leg(self, call: Call, number: str, state: str, group: str = "") -> None:
        """Put a station into a call, or change what it does there; `group` is the one that rings it."""
        if number not in call.legs:
            self.stations[number].calls.append(call)
        call.legs[number] = state
        self.truth.set_leg(call, number, state, group)
        self.look(*call.legs)

    def drop_leg(self, call: Call, number: str, how: str = "", by: str = "") -> None:
        """Take a station out of a call; `how` and `by` whom is for the truth alone."""
        if call.legs.pop(number, None) is not None:
            self.stations[number].calls.remove(call)
            self.truth.drop_leg(call, number, how, by)
            self.look(number)

    def move_leg(self, call: Call, onto: Call, number: str) -> None:
        """Take a station from one call to another, where it does the same."""
        state = call.legs[number]
        self.truth.move_leg(call, onto, number)
        self.drop_leg(call, number)
        self.set_leg(onto, number, state)

    def look(self, *numbers: str) -> None:
        """Have the truth note what the agents at these stations do now."""
        for number in numbers:
            self.truth.agents.look(self.stations[number])

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
        ref = None if call is None or self.variants.blank_refs in ("acd", "both") else call.ref
        self._publish("acd", "", spell_acd(code, self.local_now(), ref, source, dest, data1, data2))

    def say_idle(self, number: str) -> None:
        """Emit that a station is idle, if it is: it may have another call."""
        if not self.stations[number].calls:
            self.acd(18, number)

    def tell(self, number: str, kind: str, call: Call | None = None, **fields: Any) -> None:
        """Emit a call event of a station, a group or a trunk; the serial number is the connection's to add."""
        fields |= {"deviceNumber": number, "serviceDN": number}
        if call is not None:
            fields["callRefID"] = call.ref
        if self.variants.blank_refs in ("call", "both"):
            fields["callRefID"] = ""
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
