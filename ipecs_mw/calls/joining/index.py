"""The calls of a host that more may come of, by reference, trunk, station and number, and when each is due."""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from ipecs_mw.calls.course.course import Course

GRACE = timedelta(seconds=90)
"""So long a call that has ended takes what still comes of it: call records, wrap-up, a late event."""

LIMIT = timedelta(hours=12)
"""A call that has had no event for so long is closed."""


UNSEEN_LIMIT = timedelta(hours=1)
"""So long a caller of whom only the number is known may wait: nothing tells when he gives up."""

MOST_STEPS = 2000
"""A call that has so many is closed: what is made of it is made anew with each."""

MOST_REVIVED = 200
"""One that has so many is not read anew where it ended by mistake: it begins again where it ended."""

MOST_AT_STATION = 64
"""Of more calls a station is not found in the first: each of its events looks at all of them."""

NEVER = datetime.max.replace(tzinfo=UTC)
"""Later than anything is due."""


class Joined(Struct):
    """A call that is being joined. `marks` say what was not told but judged; `is_open` while it lasts.

    `recorded_at` is when a call record came that may have been its end while nothing else tells of one, `alarm_at`
    when the index looks at it again. `is_gone` once it became part of another call.
    """

    id: str
    course: Course
    heard_at: datetime
    marks: dict[str, None] = {}
    numbers: dict[str, None] = {}
    refs: dict[int, None] = {}
    recorded_at: datetime | None = None
    alarm_at: datetime | None = None
    is_gone: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.course.end is None

    @property
    def due_at(self) -> datetime:
        """When something is to be done about it although nothing has been heard."""
        if not self.is_open:
            may_live = (
                self.course.wrapping or self.course.closed_by == "state_read" or self.recorded_at is not None
            )
            return self.heard_at + (LIMIT if may_live else GRACE)
        if self.recorded_at is not None:
            return self.recorded_at + GRACE
        is_seen = any(line.is_seen() for line in self.course.list_lines())
        return self.heard_at + (LIMIT if is_seen else UNSEEN_LIMIT)


class Index:
    """Calls by what names them. Each lookup takes the same time however many calls there are."""

    def __init__(self) -> None:
        self.calls: dict[str, Joined] = {}
        self._refs: dict[int, str] = {}
        self._trunks: dict[str, str] = {}
        self._last_on: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._stations: dict[str, dict[str, None]] = {}
        self._due: list[tuple[datetime, str]] = []

    def add(self, call: Joined) -> None:
        """Add a call."""
        self.calls[call.id] = call
        self.wake(call)

    def remove(self, call: Joined) -> None:
        """Forget a call; one that is forgotten already stays so."""
        if self.calls.pop(call.id, None) is None:
            return
        for keys, places in self._places(call):
            for key in keys:
                if places.get(key) == call.id:
                    del places[key]
        for station in call.course.stations:
            ids = self._stations.get(station, {})
            ids.pop(call.id, None)
            if not ids:
                self._stations.pop(station, None)

    def replace(self, gone: Joined, call: Joined) -> None:
        """Have what named one call name another, of which it became part."""
        for keys, places in self._places(gone):
            for key in keys:
                if places.get(key) == gone.id:
                    places[key] = call.id
        call.refs |= gone.refs
        call.numbers |= gone.numbers
        self.remove(gone)
        self.place_stations(call)

    def _places(self, call: Joined) -> list[tuple[dict, dict]]:  # type: ignore[type-arg]
        trunks = call.course.trunks
        return [
            (call.refs, self._refs),
            (trunks, self._trunks),
            (trunks, self._last_on),
            (call.numbers, self._numbers),
        ]

    def place_ref(self, ref: int, call: Joined) -> None:
        """Have a reference name a call."""
        self._refs[ref] = call.id
        call.refs[ref] = None

    def place_trunk(self, trunk: str, call: Joined) -> None:
        """Have a trunk name a call: only one at a time."""
        self._trunks[trunk] = self._last_on[trunk] = call.id

    def place_number(self, number: str, call: Joined) -> None:
        """Have a number outside name a call."""
        self._numbers[number] = call.id
        call.numbers[number] = None

    def place_stations(self, call: Joined) -> None:
        """Have all stations of a call name it, beside others."""
        for station in call.course.stations:
            ids = self._stations.setdefault(station, {})
            ids[call.id] = None
            if len(ids) > MOST_AT_STATION:
                del ids[next(iter(ids))]

    def free_trunk(self, trunk: str) -> None:
        """Have a trunk name no call any more."""
        self._trunks.pop(trunk, None)

    def by_ref(self, ref: int | None) -> Joined | None:
        """Return the call of a reference."""
        return None if ref is None else self.calls.get(self._refs.get(ref, ""))

    def by_trunk(self, trunk: str) -> Joined | None:
        """Return the call that a trunk has."""
        return self.calls.get(self._trunks.get(trunk, ""))

    def by_last_trunk(self, trunk: str) -> Joined | None:
        """Return the last call of a trunk, also where it has ended a while ago."""
        return self.calls.get(self._last_on.get(trunk, ""))

    def by_number(self, number: str) -> Joined | None:
        """Return the last call of a number outside."""
        return self.calls.get(self._numbers.get(number, ""))

    def by_station(self, station: str) -> list[Joined]:
        """Return the calls of a station, also those that have just ended, the first first."""
        return [self.calls[each] for each in self._stations.get(station, ())]

    def open_at(self, station: str) -> list[Joined]:
        """Return the open calls of a station."""
        return [call for call in self.by_station(station) if call.is_open]

    def wake(self, call: Joined, now: datetime | None = None) -> None:
        """Have a call come back from `take_due` when it is due; it is looked at each hour."""
        due_at = min(call.due_at, (now or call.heard_at) + UNSEEN_LIMIT)
        if call.alarm_at is None or due_at < call.alarm_at:
            call.alarm_at = due_at
            heapq.heappush(self._due, (due_at, call.id))

    @property
    def due_at(self) -> datetime:
        """When the first call may be due."""
        return self._due[0][0] if self._due else NEVER

    def take_due(self, now: datetime) -> Iterator[Joined]:
        """Yield the calls that are due; each has to be woken again or removed."""
        while self._due and self._due[0][0] < now:
            alarm_at, call_id = heapq.heappop(self._due)
            call = self.calls.get(call_id)
            if call is None or call.alarm_at != alarm_at:
                continue
            call.alarm_at = None
            if call.due_at < now:
                yield call
            else:
                self.wake(call, now)
