"""What is told to all who follow: each change once read, once named, once spelled; in memory the last ones."""

import asyncio
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from ipecs_mw import logs
from ipecs_mw.api.site import Site
from ipecs_mw.api.stream.client import Client
from ipecs_mw.api.stream.feeding import Feeding
from ipecs_mw.api.stream.frames import Entry
from ipecs_mw.api.stream.position import Places, Spot, write_position
from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.messages.hosts import HostNews
from ipecs_mw.messages.message import Changed
from ipecs_mw.messages.naming import name_change
from ipecs_mw.messages.selection import Selection

log = logs.get_logger()

FEEDS = ("calls", "figures", "gaps", "live", "missed", "requests")
"""The feeds that are read always; the others are, once somebody follows them."""

_MOST_KEPT = 4096
_MOST_BEFORE_YIELD = 200
_MOST_WAITING = 10_000
_BEGIN_SECONDS = 5.0
_LOOK_SECONDS = 0.02


class Told(NamedTuple):
    """A message that was told: its number in this process, its feed and spot there, how far all were before."""

    number: int
    feed: str
    spot: Spot
    before: Places
    entry: Entry


class Hub:
    """All clients of a process, and what it told lately.

    Everything but `take` and `lost` runs in the thread of the loop.
    """

    def __init__(self, site: Site, stop: threading.Event) -> None:
        self.spots: dict[str, Spot] = {}
        self.told: deque[Told] = deque(maxlen=_MOST_KEPT)
        self.delivered = 0
        self.clients: dict[Client, None] = {}
        self._site = site
        self._stop = stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[tuple[str, str, Changed | None, datetime] | str] = deque()
        self._told_up_to: dict[str, datetime] = {}
        self._is_scheduled = False
        self._lock = threading.Lock()
        self._number = 0
        self._begun: dict[str, Spot] = {}
        self._begun_number = 0
        self._hosts = HostNews()
        self._groups: dict[Selection, dict[Client, None]] = {}
        self._narrow: dict[tuple[str, str], dict[Selection, None]] = {}
        self._wide: dict[Selection, None] = {}
        self.feedings: dict[str, Feeding] = {}

    # feeds

    async def start(self, names: Sequence[str] = FEEDS, *, before_seconds: int = 0) -> None:
        """Begin to read these feeds, if they are not read yet, and wait some seconds until each has begun."""
        self._loop = asyncio.get_running_loop()
        fresh = [name for name in names if name not in self.feedings]
        for name in fresh:
            self.feedings[name] = Feeding(
                self._site, name, self.take, self.lost, self._stop, before_seconds=before_seconds
            )
            self.feedings[name].start()
        waiting = [self.feedings[name] for name in names if not self.feedings[name].has_begun]
        if waiting:
            await asyncio.gather(*(asyncio.to_thread(each.wait, _BEGIN_SECONDS) for each in waiting))
            self._drain()

    async def await_spots(self, names: Sequence[str]) -> None:
        """Wait until it is known how far these feeds are; raises StoreUnavailable where it is not soon."""
        give_up_at = self._site.clock.monotonic() + _BEGIN_SECONDS
        while not all(name in self.spots for name in names):
            if self._site.clock.monotonic() >= give_up_at:
                raise StoreUnavailable("error.mongo_away", reason=", ".join(names))
            await asyncio.sleep(_LOOK_SECONDS)

    def take(self, name: str, place: str, changed: Changed | None) -> None:
        """Take a step of a feed, in the feed's thread."""
        at = changed.at if changed is not None and changed.at is not None else self._site.now()
        self._waiting.append((name, place, changed, at))
        self._schedule()
        while len(self._waiting) > _MOST_WAITING and not self._stop.is_set():
            self._site.clock.wait(self._stop, _LOOK_SECONDS)  # it reads faster than this process can tell

    def lost(self, name: str) -> None:
        """Take that a feed has missed something, in the feed's thread."""
        self._waiting.append(name)
        self._schedule()

    def _schedule(self) -> None:
        with self._lock:
            if self._is_scheduled or self._loop is None or self._loop.is_closed():
                return
            self._is_scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop has ended
            return

    def _drain(self) -> None:
        """Tell what waits, some of it at a time, so that clients are served in between."""
        with self._lock:
            self._is_scheduled = False
        for _ in range(_MOST_BEFORE_YIELD):
            if not self._waiting:
                return
            step = self._waiting.popleft()
            if isinstance(step, str):
                self._reset(step)
            else:
                name, place, changed, at = step
                self._tell(name, place, changed)
                self._told_up_to[name] = at
        self._schedule()

    def measure_lags(self) -> dict[str, float]:
        """Return feed → by how many seconds what was told is behind the changes; a second or two are none."""
        now = self._site.now()
        return {name: max(0.0, (now - at).total_seconds()) for name, at in sorted(self._told_up_to.items())}

    def _reset(self, name: str) -> None:
        """Have all clients begin anew: nobody knows what came in between."""
        self.spots.pop(name, None)
        self.told.clear()
        self._begun, self._begun_number = dict(self.spots), self._number
        for client in list(self.clients):
            client.close("reset")

    def _tell(self, name: str, place: str, changed: Changed | None) -> None:
        """Tell a change; several may have one place, which is behind us only once the feed has moved on."""
        if changed is None:
            self._begun.setdefault(name, Spot(place))
            self.spots[name] = Spot(place)
            return
        spot = self.spots.get(name)
        taken = (spot.taken or 0) if spot is not None and spot.place == place else 0
        messages = name_change(changed)
        news = set(map(id, self._hosts.choose(messages)))
        for count, message in enumerate(messages, start=taken + 1):
            before = dict(self.spots)
            self.spots[name] = Spot(place, count)
            if id(message) in news:
                self._number += 1
                entry = Entry(message, write_position(self.spots), self._site.settings.numbers)
                self.told.append(Told(self._number, name, self.spots[name], before, entry))
                self._deliver(entry)
                entry.forget()  # who wants it later is one of few
        if not messages:
            self.spots[name] = Spot(place, taken)

    def _deliver(self, entry: Entry) -> None:
        message = entry.message
        found = [selection for selection in self._wide if selection.has(message)]
        if self._narrow:
            found += [selection for selection in self._find_narrow(entry) if selection.has(message)]
        for selection in found:
            for client in self._groups[selection]:
                client.put(entry)
                self.delivered += 1

    def _find_narrow(self, entry: Entry) -> Iterator[Selection]:
        """Yield the selections by a station or group that this may concern."""
        message = entry.message
        keys = [("s", name) for name in message.stations] + [("g", name) for name in message.groups]
        if message.name in ("gap", "host") or message.data.get("is_gone"):
            keys = list(self._narrow)
        seen: dict[Selection, None] = {}
        for key in keys:
            seen |= self._narrow.get(key, {})
        yield from seen

    # clients

    @property
    def position(self) -> str:
        """The position after all that was told."""
        return write_position(self.spots)

    @property
    def number(self) -> int:
        """The number of the message that was told last."""
        return self._number

    def list_after(self, number: int, most: int) -> list[Told] | None:
        """Return what was told first after a message, by its number; None where memory does not reach back."""
        if self.told and self.told[0].number > number + 1:
            return None
        if not self.told:
            return [] if number == self._number else None
        if number == self._number:
            return []
        begin = number + 1 - self.told[0].number
        return list(islice(self.told, begin, begin + most))

    def find_number(self, spots: Places, feeds: Collection[str]) -> int | None:
        """Return after which message somebody at these spots is; None where memory does not reach back so far."""
        number = self.told[0].number - 1 if self.told else self._number
        # as long as nothing was forgotten, memory reaches back to where the feeds began
        reach = self._begun if number == self._begun_number else self.told[0].before
        if any(name not in reach or spots[name].order < reach[name].order for name in feeds):
            return None
        return number

    def note(self, client: Client) -> None:
        """Have a client count, which does not get what is told yet."""
        self.clients[client] = None

    def attach(self, client: Client) -> None:
        """Have a client get what is told from now on."""
        client.is_attached = True
        selection = client.selection
        if selection not in self._groups:
            self._groups[selection] = {}
            for index in self._list_indexes(selection):
                index[selection] = None
        self._groups[selection][client] = None

    def _list_indexes(self, selection: Selection) -> list[dict[Selection, None]]:
        stations = selection.stations or selection.scope.stations
        groups = selection.groups or selection.scope.groups
        if selection.stations or selection.groups:
            stations, groups = selection.stations, selection.groups
        keys = [("s", name) for name in sorted(stations)] + [("g", name) for name in sorted(groups)]
        return [self._narrow.setdefault(key, {}) for key in keys] or [self._wide]

    def detach(self, client: Client) -> None:
        """Forget a client."""
        self.clients.pop(client, None)
        group = self._groups.get(client.selection, {})
        group.pop(client, None)
        if not group and client.selection in self._groups:
            del self._groups[client.selection]
            for index in self._list_indexes(client.selection):
                index.pop(client.selection, None)
            self._narrow = {key: index for key, index in self._narrow.items() if index}
