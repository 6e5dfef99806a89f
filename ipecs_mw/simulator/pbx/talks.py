"""What people do on the phone on a simulated day: whether they answer, how they talk, whom they pass calls to."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.pbx import call_services, calls, endings, features, groups
from ipecs_mw.simulator.pbx.parts import Call
from ipecs_mw.simulator.pbx.pbx import Pbx

_RING_SECONDS = 20.0
_GIVES_UP_SHARE, _PICKS_UP_SHARE = 0.03, 0.04
_OUTSIDE = (("answers", 70), ("silent", 18), ("is busy", 12))


class Talks:
    """The people at both ends; every step that the PBX refuses by then simply does not happen."""

    def __init__(self, pbx: Pbx, random: Random) -> None:
        self._pbx = pbx
        self._random = random
        pbx.on_new_call = self._on_new_call
        pbx.on_ringing = self._on_ringing
        pbx.on_voice_mail = self._on_voice_mail
        pbx.answer_of_outside = self._answer_outside
        self._habits: tuple[tuple[int, Callable[[Call, str, float], None]], ...] = (
            (52, lambda _call, _number, _seconds: None),
            (10, self._hold),
            (4, self._lose_on_hold),
            (6, self._transfer_screened),
            (5, self._transfer_unscreened),
            (6, self._transfer_blind),
            (6, self._ask_and_return),
            (5, self._confer),
            (6, self._park),
        )

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something happen, unless the PBX refuses it by then."""

        def act() -> None:
            with suppress(CommandRefused):
                action()

        self._pbx.timetable.after(seconds, act)

    def pick(self, *, is_agent: bool, is_idle: bool = True) -> str | None:
        """Return a station in service, of an agent or of a clerk."""
        numbers = [
            number
            for number, station in self._pbx.stations.items()
            if station.is_registered
            and (station.agent is not None) == is_agent
            and not (is_idle and station.calls)
        ]
        return self._random.choice(numbers) if numbers else None

    # calls come and go

    def _on_new_call(self, call: Call) -> None:
        """Have every call end, whoever made it: a caller from outside gives up, one inside hangs up."""
        if call.direction == "I":
            longest = 240 if self._random.random() < 0.8 else 45
            self.later(self._random.uniform(10, longest), lambda: self._lose_patience(call))
            self.later(self._random.uniform(25, 60), lambda: self._overflow(call))
        else:
            self.later(self._random.uniform(20, 300), lambda: self._hang_up(call))

    def _hang_up(self, call: Call) -> None:
        if call.is_over:
            return
        self.later(30.0, lambda: self._hang_up(call))  # of a conference the others talk on for a while
        number = next(iter(call.legs), "")
        if number and self._pbx.stations[number].is_registered:
            calls.clear(self._pbx, number, call.ref)
        else:
            endings.end(self._pbx, call, 16)

    def _lose_patience(self, call: Call) -> None:
        if call.answered_seconds is None:
            calls.hang_up_outside(self._pbx, call)

    def _overflow(self, call: Call) -> None:
        """Have a call that still waits go to the other group."""
        for group in self._pbx.groups.values():
            if call in group.queue:
                groups.overflow(self._pbx, call, next(n for n in self._pbx.groups if n != group.number))
                return

    def _answer_outside(self, call: Call) -> str:
        (answer,) = self._random.choices(
            [answer for answer, _ in _OUTSIDE], [weight for _, weight in _OUTSIDE]
        )
        if answer == "silent":
            self.later(self._random.uniform(25, 45), lambda: self._hang_up(call))
        return answer

    def _on_voice_mail(self, call: Call, number: str) -> None:
        """Have a caller leave a message and hang up."""

        def leave() -> None:
            station = self._pbx.stations[number]
            if not call.is_over:
                calls.hang_up_outside(self._pbx, call) if call.trunk else self._hang_up(call)
                features.leave_message(self._pbx, number, station.new_messages + 1, station.old_messages)

        self.later(self._random.uniform(8, 40), leave)

    def _on_ringing(self, call: Call, number: str) -> None:
        """Have people answer, mostly; a phone that is not answered stops after 20 seconds."""
        seconds, chance = self._random.uniform(2, 12), self._random.random()
        if self._random.random() >= self._pbx.variants.unanswered_share:
            self.later(seconds, lambda: self._answer(call, number))
        if chance < _GIVES_UP_SHARE:
            self.later(seconds / 2, lambda: self._lose_patience(call) if call.trunk else self._hang_up(call))
        elif chance < _GIVES_UP_SHARE + _PICKS_UP_SHARE:
            self.later(seconds / 2, lambda: self._pick_up(call, number))
        self.later(_RING_SECONDS, lambda: self._miss(call, number))

    def _find_ringing(self, call: Call, number: str) -> Call:
        """Return the call that rings at a station by now: a transfer may have made it part of another one."""
        calls_there = self._pbx.stations[number].calls
        return next((c for c in calls_there if c.conversation is call.conversation), call)

    def _miss(self, call: Call, number: str) -> None:
        calls.miss(self._pbx, self._find_ringing(call, number), number)

    def _pick_up(self, call: Call, number: str) -> None:
        call = self._find_ringing(call, number)
        other = self.pick(is_agent=False)
        if other is not None and other not in call.legs and call.legs.get(number) == "ringing":
            call_services.pick_up(self._pbx, other, number)
            if call.direction == "I":
                self._talk(call, other)

    def _answer(self, call: Call, number: str) -> None:
        call = self._find_ringing(call, number)
        is_first = call.answered_seconds is None
        calls.answer(self._pbx, number, call.ref)
        if call.direction == "I" and is_first:
            self._talk(call, number)
        elif call.direction == "" and is_first and not call.is_consultation:
            self._choose_habit()(call, number, self._random.uniform(20, 240))

    # talks

    def _talk(self, call: Call, number: str) -> None:
        """Plan a talk: plain, or with something in it; either side hangs up, the one outside at the latest."""
        seconds = self._random.uniform(20, 240)
        self._choose_habit()(call, number, seconds)
        if self._random.random() < 0.5:
            self.later(seconds, lambda: calls.clear(self._pbx, number, call.ref))
        self.later(seconds + 30, lambda: calls.hang_up_outside(self._pbx, call))

    def _choose_habit(self) -> Callable[[Call, str, float], None]:
        weights = [weight for weight, _ in self._habits]
        return self._random.choices([act for _, act in self._habits], weights)[0]

    def _hold(self, call: Call, number: str, seconds: float) -> None:
        self.later(seconds / 3, lambda: call_services.hold(self._pbx, number, call.ref))
        self.later(seconds / 2, lambda: call_services.retrieve(self._pbx, number, call.ref))

    def _lose_on_hold(self, call: Call, number: str, seconds: float) -> None:
        self.later(seconds / 3, lambda: call_services.hold(self._pbx, number, call.ref))
        self.later(seconds / 2, lambda: self._hang_up_far(call, number))

    def _hang_up_far(self, call: Call, number: str) -> None:
        """Have the other party hang up."""
        if call.trunk:
            calls.hang_up_outside(self._pbx, call)
        elif not call.is_over:
            calls.clear(self._pbx, call.other(number), call.ref)

    def _consult(
        self, call: Call, number: str, seconds: float, wait: float, then: Callable[[], object]
    ) -> None:
        """Have somebody ask a colleague a third into a talk, and do something `wait` seconds later."""

        def ask() -> None:
            other = self.pick(is_agent=self._random.random() < 0.3)
            if other is not None:
                call_services.consult(self._pbx, number, call.ref, other)
                self.later(wait, then)
                self.later(wait + 10, lambda: call_services.reconnect(self._pbx, number, call.ref))

        self.later(seconds / 3, ask)

    def _transfer_screened(self, call: Call, number: str, seconds: float) -> None:
        wait = self._random.uniform(15, 19)
        self._consult(
            call, number, seconds, wait, lambda: call_services.transfer(self._pbx, number, call.ref)
        )

    def _transfer_unscreened(self, call: Call, number: str, seconds: float) -> None:
        self._consult(call, number, seconds, 1.5, lambda: call_services.transfer(self._pbx, number, call.ref))

    def _transfer_blind(self, call: Call, number: str, seconds: float) -> None:
        def pass_on() -> None:
            other = self.pick(is_agent=False)
            if other is not None:
                call_services.transfer_single_step(self._pbx, number, call.ref, other)

        self.later(seconds / 2, pass_on)

    def _ask_and_return(self, call: Call, number: str, seconds: float) -> None:
        wait = self._random.uniform(13, 40)
        self._consult(
            call, number, seconds, wait, lambda: call_services.reconnect(self._pbx, number, call.ref)
        )

    def _confer(self, call: Call, number: str, seconds: float) -> None:
        wait = self._random.uniform(13, 19)
        self._consult(
            call, number, seconds, wait, lambda: call_services.join_conference(self._pbx, number, call.ref)
        )

    def _park(self, call: Call, number: str, seconds: float) -> None:
        """Have a talk be parked, and mostly taken by a colleague."""

        def leave() -> None:
            place = call_services.park(self._pbx, number, call.ref)
            if self._random.random() < 0.85:
                self.later(self._random.uniform(3, 25), lambda: take(place))

        def take(place: int) -> None:
            other = self.pick(is_agent=False)
            if other is not None and self._pbx.parked.get(place) is call:
                call_services.unpark(self._pbx, other, place)

        self.later(seconds / 3, leave)
