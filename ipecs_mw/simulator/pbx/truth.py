"""What really happened: the simulated PBX writes it here where it acts, whatever events it sends of it.

No event is read for it, and it shares nothing with what makes sense of events, so that the two can be compared.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from ipecs_mw.simulator.pbx.agent_states import AgentStates
from ipecs_mw.simulator.pbx.conversation import Conversation, Instant, Segment, tell_instant
from ipecs_mw.simulator.pbx.parts import Call
from ipecs_mw.simulator.pbx.timetable import Timetable

_KINDS = {"dialing": "dial", "ringing": "ring", "connected": "talk", "holding": "hold", "held": "held"}
_INTERVALS_A_CONVERSATION = 6
T = TypeVar("T")
_DIRECTIONS = {"I": "inbound", "O": "outbound", "": "internal"}


class Truth:
    """The latest `capacity` conversations that are over, all that are not, and what the agents did.

    It outlives a restart of the PBX, and its seconds go on.
    """

    def __init__(
        self, timetable: Timetable, local_now: Callable[[], datetime], *, capacity: int = 10_000
    ) -> None:
        self._timetable = timetable
        self._local_now = local_now
        self._numbers = count(1)
        self._open: dict[int, Conversation] = {}
        self._done: deque[Conversation] = deque(maxlen=capacity)
        self._lost_seconds = 0.0
        self.agents = AgentStates(self.instant, capacity * _INTERVALS_A_CONVERSATION)

    def instant(self) -> Instant:
        """Return this instant."""
        return self._timetable.now_seconds, self._local_now()

    def describe(self, since_seconds: float = 0.0) -> dict[str, Any]:
        """Return everything that lasts, or ended at `since_seconds` or later, as JSON.

        `complete_since_seconds` says how far back that is all there was; what is older had to go.
        """
        found = [c for c in (*self._done, *self._open.values()) if c.last_seconds >= since_seconds]
        return {
            **tell_instant("now", self.instant()),
            "complete_since_seconds": round(max(self._lost_seconds, self.agents.lost_seconds), 3),
            "conversations": [c.describe() for c in sorted(found, key=lambda c: c.number)],
            "log_ons": self.agents.describe_log_ons(since_seconds),
            "agent_states": self.agents.describe(since_seconds),
        }

    def begin(self) -> Conversation:
        """Return the conversation of a new call."""
        conversation = Conversation(next(self._numbers), self.instant(), open_calls=1)
        self._open[conversation.number] = conversation
        return conversation

    def note(self, call: Call) -> None:
        """Note who and what a call has to do with by now."""
        conversation = call.conversation
        _add(conversation.refs, call.ref)
        for known, values in (
            (conversation.trunks, (call.trunk,)),
            (conversation.groups, (call.group,)),
            (conversation.stations, call.legs),
        ):
            for value in filter(None, values):
                _add(known, value)
        if conversation.refs[0] == call.ref and conversation.answered is None:
            _note_parties(conversation, call)

    def set_leg(self, call: Call, number: str, state: str, group: str) -> None:
        """Note that a station is in a call, or does something else there."""
        self.note(call)
        conversation, now = call.conversation, self.instant()
        kind = _kind_of(call, state)
        before = conversation.find_leg(call, number)
        if before is not None and before.kind == kind:
            return
        if before is not None:
            before.close(now, "answered" if before.kind in ("ring", "dial") and kind != "dial" else "")
        conversation.segments.append(Segment(kind, now, number, group, call=call))

    def drop_leg(self, call: Call, number: str, how: str = "", by: str = "") -> None:
        """Note that a station is out of a call."""
        if (segment := call.conversation.find_leg(call, number)) is not None:
            segment.close(self.instant(), how, by)

    def move_leg(self, call: Call, onto: Call, number: str) -> None:
        """Note that a station goes from one call to another as the two become one; what rings goes on ringing."""
        segment = call.conversation.find_leg(call, number)
        if segment is None:
            return
        if segment.kind == "ring" and onto.conversation is call.conversation:
            segment.call = onto
        else:
            segment.close(self.instant(), "joined")

    def move_stays(self, call: Call, onto: Call) -> None:
        """Note that one call takes the place of another in a group and in its queue."""
        for segment in call.conversation.segments:
            if segment.call is call and segment.kind in ("group", "queue"):
                segment.call = onto

    def answer(self, call: Call, who: str) -> None:
        """Note that a person answers; only the first time of a conversation counts."""
        call.conversation.failed = None
        if call.conversation.answered is None:
            call.conversation.answered, call.conversation.answered_by = self.instant(), who
            call.conversation.failure = ""

    def fail(self, call: Call, outcome: str) -> None:
        """Note that a call meets an obstacle: busy, refused or failed."""
        call.conversation.failed = self.instant()
        if call.conversation.answered is None:
            call.conversation.failure = outcome

    def begin_stay(
        self, call: Call, kind: str, *, group: str = "", place: str = "", station: str = ""
    ) -> None:
        """Note that a call comes to a group, waits in its queue, is parked, or talks to a machine."""
        self.note(call)
        if call.conversation.find(call, kind) is None:
            segment = Segment(kind, self.instant(), station, group, place, call=call)
            call.conversation.segments.append(segment)

    def end_stay(self, call: Call, *kinds: str, how: str, by: str = "") -> None:
        """Note that a call leaves a group, its queue, or its parking place."""
        for kind in kinds:
            if (segment := call.conversation.find(call, kind)) is not None:
                segment.close(self.instant(), how, by)

    def unite(self, call: Call, onto: Call) -> None:
        """Note that two calls become one; where they were two conversations, the older survives."""
        one, other = onto.conversation, call.conversation
        if one is other:
            return
        old, new = sorted((one, other), key=lambda c: c.number)
        for name in (
            "refs",
            "trunks",
            "groups",
            "stations",
            "segments",
            "transfers",
            "conferences",
            "records",
        ):
            kept = getattr(old, name)
            kept += [each for each in getattr(new, name) if each not in kept]
        old.segments.sort(key=lambda segment: segment.began[0])
        old.answered, old.answered_by = min(
            ((c.answered, c.answered_by) for c in (old, new) if c.answered is not None),
            default=(None, ""),
        )
        old.open_calls += new.open_calls
        call.conversation = onto.conversation = old
        del self._open[new.number]

    def wrap_up(self, call: Call, number: str) -> Segment:
        """Return the wrap-up of a station that begins."""
        segment = Segment("wrap_up", self.instant(), number, call.group)
        call.conversation.segments.append(segment)
        return segment

    def end_wrap_up(self, segment: Segment) -> None:
        """Note that a wrap-up ends."""
        segment.close(self.instant())

    def transfer(self, call: Call, by: str, to: str, kind: str) -> None:
        """Note that a station passes a call on."""
        call.conversation.transfers.append(
            {"by": by, "to": to, "kind": kind, **tell_instant("done", self.instant())}
        )

    def confer(self, call: Call, by: str, new: str) -> None:
        """Note that a station has another one, or the party outside, join a talk."""
        call.conversation.conferences.append({"by": by, "new": new, **tell_instant("done", self.instant())})

    def end(self, call: Call, by: str, *, is_left: bool) -> None:
        """Note that a call is over; with its last call the conversation is.

        `is_left` says that somebody was there and nobody talked to him: he was on hold, parked, or in a transfer.
        """
        conversation, now = call.conversation, self.instant()
        self.note(call)
        for segment in conversation.segments:
            if segment.call is call:
                segment.close(now, _END_OF.get(segment.kind, "").format(by=_side_of(conversation, by)))
        conversation.open_calls -= 1
        if is_left and conversation.answered is not None:
            conversation.failure = "lost_on_hold"
        if conversation.open_calls == 0:
            conversation.ended, conversation.ended_by = now, by
            conversation.outcome = _judge(conversation, by)
            self._finish(conversation)

    def end_all(self) -> None:
        """Note that the PBX goes down: nothing lasts."""
        self.agents.close_all()
        for conversation in list(self._open.values()):
            for segment in conversation.segments:
                segment.close(self.instant(), "reboot")
            conversation.open_calls, conversation.outcome = 0, "unknown"
            conversation.ended, conversation.ended_by = self.instant(), "reboot"
            self._finish(conversation)

    def _finish(self, conversation: Conversation) -> None:
        del self._open[conversation.number]
        if len(self._done) == self._done.maxlen and (ended := self._done[0].ended) is not None:
            self._lost_seconds = ended[0]
        self._done.append(conversation)


_END_OF = {"ring": "{by}", "queue": "{by}", "group": "{by}", "park": "{by}"}
"""What ends with a call before it came to anything: the caller gave up, or the PBX did."""


def _add(known: list[T], value: T) -> None:
    if value not in known:
        known.append(value)


def _side_of(conversation: Conversation, by: str) -> str:
    return "abandoned" if by and by in conversation.caller.values() else "ended"


def _judge(conversation: Conversation, by: str) -> str:
    if conversation.answered is not None:
        return conversation.failure or "answered"
    if any(segment.kind == "voice_mail" for segment in conversation.segments):
        return "voicemail"
    if conversation.failure:
        return conversation.failure
    has_given_up = bool(by) and by in conversation.caller.values()
    return "abandoned" if has_given_up and conversation.direction == "inbound" else "no_answer"


def _kind_of(call: Call, state: str) -> str:
    if state == "connected":
        return "voice_mail" if call.is_in_voice_mail else "consult" if call.is_consultation else "talk"
    return _KINDS[state]


def _note_parties(conversation: Conversation, call: Call) -> None:
    """Note who calls whom, as far as the first call of a conversation tells by now."""
    conversation.direction = _DIRECTIONS[call.direction]
    caller = next(iter(call.legs), "")
    to = "group" if call.dialed in ("620", "621") else "station"
    if call.direction == "I":
        found = {"number": call.outside, "name": call.name}
        conversation.dialed = {"did": call.did, to: call.dialed}
    else:
        found = {"station": conversation.caller.get("station") or caller}
        conversation.dialed = {"number" if call.direction == "O" else to: call.dialed}
    conversation.caller = {name: value for name, value in found.items() if value}
