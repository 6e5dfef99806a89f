"""A day at a small contact centre: when people come, call, pause and go, by the PBX's own operations.

Seeded, so the same seed gives the same day; simulated seconds, so it runs as fast as the timetable is driven.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.pbx import calls, features
from ipecs_mw.simulator.pbx.pbx import VOICE_MAIL, Pbx
from ipecs_mw.simulator.pbx.talks import Talks

DAY_SECONDS = 10 * 3600.0
_IN_SECONDS, _OUT_SECONDS, _INSIDE_SECONDS, _HABIT_SECONDS = 20.0, 70.0, 150.0, 120.0  # mean time between
_RUSH_SECONDS, _RUSH_CALLS = 1500.0, 7
_HOT_DESK_SECONDS = (3600.0, 10_800.0)  # when somebody comes to a phone that is nobody's, and goes
_RETRY_SECONDS = 15.0
_DIRECT_SHARE, _RANKS = 0.15, ("primary", "secondary")
_FEWEST_FOR_HOT_DESK = 4
_NAMES = ("Tan Wei Ming", "Siti Rahman", "O'Neill & Sons", "김영수", "Müller GmbH", "Chen Li", "")
_REASONS = "1234567890*#"


class Day:
    """Plans what happens next; every step that the PBX refuses by then simply does not happen."""

    def __init__(self, pbx: Pbx, random: Random) -> None:
        self._pbx = pbx
        self._random = random
        self._talks = Talks(pbx, random)
        self._later, self._pick = self._talks.later, self._talks.pick
        self._is_open = False
        numbers = list(pbx.stations)
        has_room = len(numbers) >= _FEWEST_FOR_HOT_DESK
        self._desk, self._guest = (numbers[-2], numbers[-1]) if has_room else ("", "")

    def begin(self) -> None:
        """Open: stations come into service, agents log on, calls begin; the day repeats for ever."""
        self._is_open = True
        pbx = self._pbx
        for index, number in enumerate(pbx.stations):
            if number != self._guest:
                self._later(index * 2.0, partial(features.register, pbx, number))
        self._begin_shift()
        self._repeat(_IN_SECONDS, self._call_in)
        self._repeat(_RUSH_SECONDS, self._rush)
        self._repeat(_OUT_SECONDS, self._call_out)
        self._repeat(_INSIDE_SECONDS, self._call_inside)
        for habit in (self._take_break, self._be_undisturbed, self._forward, self._leave_message):
            self._repeat(_HABIT_SECONDS, habit)
        pbx.timetable.after(DAY_SECONDS, self._close)

    def _begin_shift(self) -> None:
        """Have agents log on, every third to both groups, and one come to a phone that is nobody's."""
        agents, groups = 0, list(self._pbx.groups.values())
        for group, other in zip(groups, reversed(groups), strict=True):
            for number in group.members:
                agents += 1
                self._later(60.0 + agents * 3.0, partial(self._log_on, number, group.number))
                if agents % 3 == 0:
                    self._later(61.0 + agents * 3.0, partial(self._log_on, number, other.number, "secondary"))
        if self._guest:
            come, go = _HOT_DESK_SECONDS
            self._later(come - 600, partial(self._log_on, self._desk, groups[-1].number))
            self._later(
                come, self._insist(partial(features.enter_hot_desk, self._pbx, self._guest, self._desk))
            )
            self._later(
                go, self._insist(partial(features.leave_hot_desk, self._pbx, self._guest, self._desk))
            )

    def _close(self) -> None:
        """Close: agents log off, every other station goes out of service; the next day begins."""
        self._is_open = False
        pbx = self._pbx
        for number, station in pbx.stations.items():
            agent = station.agent
            for rank in _RANKS if agent is not None else ():
                agent_id, group = getattr(agent, f"{rank}_id"), getattr(agent, f"{rank}_group")
                if group:
                    self._later(60.0, partial(features.log_off, pbx, number, agent_id, group, rank))
            if station.index % 2 == 0:
                self._later(1200.0, partial(features.unregister, pbx, number))
        pbx.timetable.after(1800.0, self.begin)

    def _insist(self, action: Callable[[], object]) -> Callable[[], None]:
        """Return an action that is tried until the PBX lets it happen."""

        def act() -> None:
            try:
                action()
            except CommandRefused:
                self._later(_RETRY_SECONDS, act)

        return act

    def _repeat(self, mean_seconds: float, action: Callable[[], object]) -> None:
        def act() -> None:
            if self._is_open:
                self._repeat(mean_seconds, action)  # first: what the PBX refuses happens another time
                action()

        self._later(self._random.expovariate(1 / mean_seconds), act)

    def _outside_number(self) -> str:
        return f"6{self._random.randrange(10**7):07}"

    def _log_on(self, number: str, group: str, rank: str = "primary") -> None:
        features.log_on(self._pbx, number, f"{int(number) % 10000:04}", group, rank)

    def _call_in(self) -> None:
        """Have a call come for a group, or for somebody directly."""
        target = self._random.choice(list(self._pbx.groups))
        if self._random.random() < _DIRECT_SHARE:
            target = self._pick(is_agent=self._random.random() < 0.2, is_idle=False) or target
        calls.arrive(
            self._pbx, self._outside_number(), f"65{target:0>5}", target, self._random.choice(_NAMES)
        )

    def _rush(self) -> None:
        """Have more calls come at once than there are agents free."""
        for index in range(_RUSH_CALLS):
            self._later(index * 2.0, self._call_in)

    def _call_out(self) -> None:
        number = self._pick(is_agent=self._random.random() < 0.3)
        if number is not None:
            call = calls.make(self._pbx, number, self._outside_number())
            if self._random.random() < 0.4:
                call.account_code = f"{self._random.randrange(10**6):06}"
            elif self._random.random() < 0.2:
                call.authorization_code = f"{self._random.randrange(10**8):08}"

    def _call_inside(self) -> None:
        number, other = self._pick(is_agent=False), self._pick(is_agent=False, is_idle=False)
        if number is not None and other is not None and number != other:
            calls.make(self._pbx, number, other)

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
        number = self._pick(is_agent=self._random.random() < 0.3)
        if number is not None:
            features.set_dnd(self._pbx, number, is_on=True)
            self._later(
                self._random.uniform(60, 600), lambda: features.set_dnd(self._pbx, number, is_on=False)
            )

    def _forward(self) -> None:
        number, to = self._pick(is_agent=False), self._pick(is_agent=False)
        if number is not None and to is not None and number != to:
            kind = self._random.choice(("uncondition", "busy", "no_answer", "busy_noans"))
            target = VOICE_MAIL if self._random.random() < 0.5 else to
            features.set_forward(self._pbx, number, kind, target)
            self._later(
                self._random.uniform(60, 900),
                lambda: features.set_forward(self._pbx, number, "disable", ""),
            )

    def _leave_message(self) -> None:
        number = self._pick(is_agent=False, is_idle=False)
        if number is not None:
            new = self._random.randrange(4)
            features.leave_message(self._pbx, number, new, self._random.randrange(5), min(new, 1))
