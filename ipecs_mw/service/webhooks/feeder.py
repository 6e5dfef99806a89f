"""Reads what changes and keeps the deliveries of it: a thread for each collection, and one that writes.

A place is saved only when all deliveries before it are durable, and only where nothing of the same instant may
still come.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, PositionLost, StoreError
from ipecs_mw.messages.hosts import HostNews
from ipecs_mw.service.process.threads import WatchedThread
from ipecs_mw.service.webhooks.making import Follower, make_deliveries
from ipecs_mw.store.applications.deliveries import Delivery, keep_deliveries
from ipecs_mw.store.applications.feed import find_place_now, read_feed, read_order
from ipecs_mw.store.applications.webhook_positions import save_places
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_MOST_QUEUED = 1000
_MOST_AT_ONCE = 500
_WAIT_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_SAVE_SECONDS = 1.0
_GOODBYE_SECONDS = 3.0

Audience = Mapping[str, Follower]
"""Webhook → that it follows."""


class Kept(Struct):
    """Deliveries to be kept, and up to which place of the reader's collection then everything is."""

    reader: "_Reader"
    deliveries: Sequence[Delivery] = field(default_factory=list)
    safe_place: str = ""


class Feeder:
    """Keeps deliveries for those in the audience of each collection, which `follow` sets, until stopped."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        tell: Callable[[set[str]], None],
        tell_lost: Callable[[str, str, str], None],
        may_write: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell
        self._tell_lost = tell_lost
        self._may_write = may_write
        self._stop = threading.Event()
        self._queue: queue.Queue[Kept] = queue.Queue(_MOST_QUEUED)
        self._readers: dict[str, _Reader] = {}
        self._writer = WatchedThread(target=self._write, name="webhook-writer", daemon=True)
        self._writer.start()

    def follow(self, audiences: Mapping[str, Audience]) -> None:
        """Follow for these, collection → audience; where one has changed, from the earliest of its places."""
        for collection, reader in list(self._readers.items()):
            if audiences.get(collection) is None or not _is_same(reader.audience, audiences[collection]):
                reader.stop.set()
                reader.thread.join(
                    _GOODBYE_SECONDS
                )  # one that MongoDB holds ends later, and keeps nothing more
                del self._readers[collection]
        for collection, audience in audiences.items():
            if audience and collection not in self._readers:
                self._readers[collection] = self._start(collection, audience)

    def find_places(self) -> Mapping[tuple[str, str], str]:
        """Return webhook and collection → the place up to which all is durable."""
        return {key: place for reader in self._readers.values() for key, place in reader.list_places()}

    def stop(self) -> None:
        """Read no more; what was read is kept."""
        self.follow({})
        self._stop.set()
        self._writer.join(_GOODBYE_SECONDS)

    def _start(self, collection: str, audience: Audience) -> "_Reader":
        reader = _Reader(collection, dict(audience))
        reader.thread = WatchedThread(
            target=lambda: self._read(reader), name=f"webhook-{collection}", daemon=True
        )
        reader.thread.start()
        return reader

    # the threads that read

    def _read(self, reader: "_Reader") -> None:
        while not reader.stop.is_set():
            try:
                self._follow(reader)
            except (PositionLost, CommandRefused):
                self._go_on_from_now(reader)
            except StoreError as error:
                log.debug(
                    "a collection is not followed", collection=reader.collection, reason=logs.explain(error)
                )
                self._clock.wait(reader.stop, _RETRY_SECONDS)
            except Exception:  # a defect must not end what nobody else does
                log.critical("thread.failed", thread=reader.thread.name, exc_info=True)
                self._clock.wait(reader.stop, _RETRY_SECONDS)

    def _follow(self, reader: "_Reader") -> None:
        followers = reader.audience.values()
        if any(not self._fits(each.place) for each in followers):
            raise PositionLost("error.position_lost")
        start = min((each.place for each in followers), key=read_order)
        last, count = start, 0
        steps = read_feed(self._store, self._clock, reader.collection, after=start)
        try:
            for step in steps:
                if reader.stop.is_set():
                    return
                is_next = step.place != last
                kept = Kept(reader)
                if step.changed is None:
                    kept.safe_place, count = step.place, 0
                else:
                    count = 0 if is_next else count + 1
                    kept.safe_place = last if is_next else ""
                    kept.deliveries = list(
                        make_deliveries(
                            followers, step.place, step.changed, self._clock.now(), count, reader.hosts
                        )
                    )
                last = step.place
                if not self._put(reader, kept):
                    return
        finally:
            steps.close()

    def _put(self, reader: "_Reader", kept: Kept) -> bool:
        while not reader.stop.is_set():
            try:
                self._queue.put(kept, timeout=_WAIT_SECONDS)
            except queue.Full:
                self._clock.monotonic()  # so that it is seen to go round
            else:
                return True
        return False

    def _go_on_from_now(self, reader: "_Reader") -> None:
        """Leave aside what is lost to those who are furthest behind, and say so."""
        try:
            now = find_place_now(self._store, self._clock)
            places = {name: each.place for name, each in reader.audience.items()}
            odd = [name for name, place in places.items() if not self._fits(place)]
            first = "" if odd else min(places.values(), key=read_order)
            behind = odd or [name for name, place in places.items() if place == first]
            for name in behind:
                self._tell_lost(name, reader.collection, places[name])
            save_places(self._store, {(name, reader.collection): now for name in behind}, self._clock.now())
        except StoreError:
            self._clock.wait(reader.stop, _RETRY_SECONDS)
            return
        for name in behind:
            reader.audience[name] = Follower(reader.audience[name].active, now)

    def _fits(self, place: str) -> bool:
        """Tell whether a place is one of this kind of server."""
        return self._store.has_change_streams != place.startswith("~")

    # the thread that writes

    def _write(self) -> None:
        saved_at = self._clock.monotonic()
        places: dict[tuple[str, str], str] = {}
        while not (self._stop.is_set() and self._queue.empty()):
            batch = self._take()
            deliveries = [each for kept in batch for each in kept.deliveries]
            while not self._keep(deliveries):
                if self._stop.is_set():
                    return
                self._clock.wait(self._stop, _RETRY_SECONDS)
            if deliveries:
                self._tell({each.webhook for each in deliveries})
            for kept in batch:
                if kept.safe_place:
                    kept.reader.safe_place = kept.safe_place
                    places |= dict(kept.reader.list_places())
            if self._clock.monotonic() - saved_at >= _SAVE_SECONDS and places and self._may_write():
                saved_at = self._clock.monotonic()
                places = {} if self._save(places) else places
        self._save(places)

    def _take(self) -> list[Kept]:
        """Return all that waits to be kept, at once."""
        batch: list[Kept] = []
        total = 0
        self._clock.monotonic()  # so that it is seen to go round
        try:
            batch.append(self._queue.get(timeout=_WAIT_SECONDS / 2))
            total = len(batch[0].deliveries)
            while total < _MOST_AT_ONCE:
                batch.append(self._queue.get_nowait())
                total += len(batch[-1].deliveries)
        except queue.Empty:
            pass
        return batch

    def _keep(self, deliveries: Sequence[Delivery]) -> bool:
        if not deliveries:
            return True
        if not self._may_write():
            return False
        try:
            keep_deliveries(self._store, deliveries)
        except StoreError as error:
            log.debug("deliveries are not kept yet", reason=logs.explain(error))
            return False
        return True

    def _save(self, places: Mapping[tuple[str, str], str]) -> bool:
        try:
            save_places(self._store, places, self._clock.now())
        except StoreError as error:
            log.debug("places are not saved yet", reason=logs.explain(error))
            return False
        return True


class _Reader:
    """A thread that follows a collection for an audience."""

    def __init__(self, collection: str, audience: dict[str, Follower]) -> None:
        self.collection = collection
        self.audience = audience
        self.safe_place = ""
        self.hosts = HostNews()
        self.stop = threading.Event()
        self.thread: threading.Thread

    def list_places(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield webhook and collection, and the place up to which all is durable for it."""
        for name, follower in self.audience.items():
            if self.safe_place and read_order(follower.place) < read_order(self.safe_place):
                yield (name, self.collection), self.safe_place


def _is_same(former: Audience, now: Audience) -> bool:
    """Tell whether the same webhooks follow, as they were: their places go on meanwhile."""
    return {name: each.active for name, each in former.items()} == {
        name: each.active for name, each in now.items()
    }
