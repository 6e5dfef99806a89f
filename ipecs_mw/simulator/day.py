"""A day at a small contact centre: what callers, agents and clerks do, by the PBX's own operations.

Seeded, so the same seed gives the same day; simulated seconds, so it runs as fast as the timetable is driven.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator import call_services, calls, endings, features
from ipecs_mw.simulator.parts import Call
from ipecs_mw.simulator.pbx import Pbx

DAY_SECONDS = 10 * 3600.0
_IN_SECONDS, _OUT_SECONDS, _INSIDE_SECONDS, _HABIT_SECONDS = 20.0, 70.0, 150.0, 120.0  # mean time between
_NAMES = ("Tan Wei Ming", "Siti Rahman", "O'Neill & Sons", "김영수", "Müller GmbH", "Chen Li", "")
_REASONS = "1234567890*#"


class Day:
    """Plans what happens next; every step that the PBX refuses by then simply does not happen."""

    def __init__(self, pbx: Pbx, random: Random) -> None:
        self._pbx = pbx
        self._random = random
        self._is_open = False
        pbx.on_new_call = self._on_new_call
        pbx.on_ringing = self._on_ringing

    def begin(self) -> None:
        """Open: stations come into service, agents log on, calls begin; the day repeats for ever."""
        self._is_open = True
        pbx, agents = self._pbx, 0
        for index, number in enumerate(pbx.stations):
            self._later(index * 2.0, partial(features.register, pbx, number))
        for group in pbx.groups.values():
            for number in group.members:
                agents += 1
                self._later(60.0 + agents * 3.0, partial(self._log_on, number, group.number))
        self._repeat(_IN_SECONDS, self._call_in)
        self._repeat(_OUT_SECONDS, self._call_out)
        self._repeat(_INSIDE_SECONDS, self._call_inside)
        for habit in (self._take_break, self._be_undisturbed, self._forward, self._leave_message):
            self._repeat(_HABIT_SECONDS, habit)
        pbx.timetable.after(DAY_SECONDS, self._close)

    def _close(self) -> None:
        """Close: agents log off, every other station goes out of service; the next day begins."""
        self._is_open = False
        pbx = self._pbx
        for number, station in pbx.stations.items():
            if station.agent is not None:
                agent = station.agent
                self._later(
                    60.0,
                    partial(features.log_off, pbx, number, agent.primary_id, agent.primary_group),
                )
            if station.index % 2 == 0:
                self._later(1200.0, partial(features.unregister, pbx, number))
        pbx.timetable.after(1800.0, self.begin)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        def act() -> None:
            with suppress(CommandRefused):
                action()

        self._pbx.timetable.after(seconds, act)

    def _repeat(self, mean_seconds: float, action: Callable[[], object]) -> None:
        def act() -> None:
            if self._is_open:
                self._repeat(mean_seconds, action)  # first: what the PBX refuses happens another time
                action()

        self._later(self._random.expovariate(1 / mean_seconds), act)

    def _pick(self, *, is_agent: bool, is_idle: bool = True) -> str | None:
        numbers = [
            number
            for number, station in self._pbx.stations.items()
            if station.is_registered
            and (station.agent is not None) == is_agent
            and not (is_idle and station.calls)
        ]
        return self._random.choice(numbers) if numbers else None

    def _outside_number(self) -> str:
        return f"6{self._random.randrange(10**7):07}"

    def _log_on(self, number: str, group: str) -> None:
        features.log_on(self._pbx, number, f"{int(number) % 10000:04}", group)

    def _call_in(self) -> None:
        group = self._random.choice(list(self._pbx.groups))
        calls.arrive(self._pbx, self._outside_number(), f"6500{group}", group, self._random.choice(_NAMES))

    def _on_new_call(self, call: Call) -> None:
        """Have every call end, whoever made it: a caller from outside gives up, one inside hangs up."""
        if call.direction == "I":
            self._later(self._random.uniform(30, 240), lambda: self._lose_patience(call))
        else:
            self._later(self._random.uniform(20, 300), lambda: self._hang_up(call))

    def _hang_up(self, call: Call) -> None:
        if call.is_over:
            return
        self._later(30.0, lambda: self._hang_up(call))  # of a conference the others talk on for a while
        number = next(iter(call.legs), "")
        if number and self._pbx.stations[number].is_registered:
            calls.clear(self._pbx, number, call.ref)
        else:
            endings.end(self._pbx, call, 16)

    def _lose_patience(self, call: Call) -> None:
        if call.answered_seconds is None:
            calls.hang_up_outside(self._pbx, call)

    def _call_out(self) -> None:
        number = self._pick(is_agent=self._random.random() < 0.3)
        if number is not None:
            call = calls.make(self._pbx, number, self._outside_number())
            if self._random.random() < 0.4:
                call.account_code = f"{self._random.randrange(10**6):06}"
            elif self._random.random() < 0.2:
                call.authorization_code = f"{self._random.randrange(10**8):08}"

    def _call_inside(self) -> None:
        number, other = self._pick(is_agent=False), self._pick(is_agent=False)
        if number is not None and other is not None and number != other:
            calls.make(self._pbx, number, other)

    def _on_ringing(self, call: Call, number: str) -> None:
        """Have people answer, mostly; a phone that is not answered stops after 20 seconds."""
        if self._random.random() < 0.9:
            self._later(self._random.uniform(2, 12), lambda: self._answer(call, number))
        self._later(20.0, lambda: calls.miss(self._pbx, call, number))

    def _answer(self, call: Call, number: str) -> None:
        calls.answer(self._pbx, number, call.ref)
        if call.direction == "I":
            self._talk(call, number)

    def _talk(self, call: Call, number: str) -> None:
        """Plan a talk: plain, with a hold, or passed on to a colleague; either side hangs up."""
        pbx, seconds, chance = self._pbx, self._random.uniform(20, 240), self._random.random()
        if chance < 0.2:
            self._later(seconds / 3, lambda: call_services.hold(pbx, number, call.ref))
            self._later(seconds / 2, lambda: call_services.retrieve(pbx, number, call.ref))
        elif chance < 0.35 and (other := self._pick(is_agent=False)) is not None:
            self._later(seconds / 2, lambda: call_services.transfer_single_step(pbx, number, call.ref, other))
        if self._random.random() < 0.5:
            self._later(seconds, lambda: calls.clear(pbx, number, call.ref))
        self._later(seconds + 30, lambda: calls.hang_up_outside(pbx, call))

    def _take_break(self) -> None:
        number = self._pick(is_agent=True)
        agent = None if number is None else self._pbx.stations[number].agent
        if number is None or agent is None or not agent.is_on_duty:
            return
        who, reason = (number, agent.primary_id, agent.primary_group), self._random.choice(_REASONS)
        features.set_duty(self._pbx, *who, reason, is_on=False)
        self._later(
            self._random.uniform(120, 600), lambda: features.set_duty(self._pbx, *who, reason, is_on=True)
        )

    def _be_undisturbed(self) -> None:
        number = self._pick(is_agent=False)
        if number is not None:
            features.set_dnd(self._pbx, number, is_on=True)
            self._later(
                self._random.uniform(60, 600), lambda: features.set_dnd(self._pbx, number, is_on=False)
            )

    def _forward(self) -> None:
        number, to = self._pick(is_agent=False), self._pick(is_agent=False)
        if number is not None and to is not None and number != to:
            kind = self._random.choice(("uncondition", "busy", "no_answer", "busy_noans"))
            features.set_forward(self._pbx, number, kind, to)
            self._later(
                self._random.uniform(60, 900),
                lambda: features.set_forward(self._pbx, number, "disable", ""),
            )

    def _leave_message(self) -> None:
        number = self._pick(is_agent=False, is_idle=False)
        if number is not None:
            new = self._random.randrange(4)
            features.leave_message(self._pbx, number, new, self._random.randrange(5), min(new, 1))
