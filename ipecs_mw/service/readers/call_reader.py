"""The reader of the event log: one thread, in one daemon of all that share a database.

It finds new events by asking for what comes behind its position: at once where this daemon has stored some, else
every moment while events flow, and every second where none do. So a restart, a lost position and a server without
change streams are one and the same to it. It only reads the log, and holds up nothing that writes there.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ipecs_mw import logs
from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError, StoreRefused
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.moments import thin_moments
from ipecs_mw.store.calls.ordered import list_hosts
from ipecs_mw.store.calls.reader import hold, let_go, take_over, tell, write_live
from ipecs_mw.store.events.event_log import News
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

LEASE_SECONDS = 10.0
_RENEW_SECONDS = 3.0
_TELL_SECONDS = 2.0
_LATE_SECONDS = 2.0
_LONGEST_LATE_SECONDS = 15.0
_HOSTS_SECONDS = 10.0
_STAND_BY_SECONDS = 2.0
_PAUSE_SECONDS = 0.04
"""Between two looks at least, so that at a trickle what several events changed is written once."""

_TURN_COST = 2.0  # the pause is at least so many times what a look at all hosts took
_LONGEST_PAUSE_SECONDS = 0.25
_PAGES_AT_ONCE = 4
"""While it is behind: what these change is written once."""

_FLOOD_COST = 9.0
"""In a flood of events the reader rests so many times as long as it read: both share one processor."""

_LONGEST_REST_SECONDS = 3.0

_LONGEST_LOOK_SECONDS = 1.0
_QUIET_SHARE = 0.05  # a host that was silent for so long is looked at that share of it later
_MOMENT_SECONDS = 60.0
_HISTORY_SECONDS = 1.0  # while history is read, moments come as fast as this
_HISTORY_STEP = timedelta(hours=6)
_MOMENT_COST = 20.0  # the time between two moments is at least so many times what one costs
_BACK_SECONDS = 5.0
_BACK_COST = 10.0
_LAST_SECONDS = 1.5


class _Attended(Struct):
    """A host that is read, and when what is to be done of it; all in seconds of the monotonic clock."""

    reader: HostReader
    look_at: float = 0.0
    heard_at: float = 0.0
    late_at: float = 0.0
    back_at: float = 0.0
    went_back_at: float = 0.0
    saved_at: float = 0.0
    save_seconds: float = 0.0
    saved_position: str = ""
    saved_history: Any = None


class CallReader:
    """Reads all hosts of the database while it holds the right to; `run` is its thread.

    `news` tells when this daemon has stored events. `read_options` says how to read, as configured now; None
    where this daemon is not to read.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        read_options: Callable[[], ReadingOptions | None],
        clock: Clock,
        stop: threading.Event,
        news: News,
    ) -> None:
        self._store = store
        self._owner = owner
        self._read_options = read_options
        self._clock = clock
        self._stop = stop
        self._news = news
        self._options: ReadingOptions
        self._hosts: dict[str, _Attended] = {}
        self._holder: int | None = None
        self._restarts: int | None = None
        self._held_until = 0.0
        self._told_at = self._listed_at = float("-inf")
        self._told: Sequence[Mapping[str, Any]] | None = None

    def describe(self) -> Sequence[Mapping[str, Any]] | None:
        """Return what it told last of each host; None where another daemon reads, or none."""
        return self._told

    def run(self) -> None:
        """Read until stopped, whatever becomes of MongoDB; then let another daemon go on."""
        self._drop()
        take_turns(self._take_turn, self._clock, self._stop, self._give_up)
        self._finish()

    def _take_turn(self) -> float:
        if not self._is_wanted() or not self._hold():
            self._drop()
            return _STAND_BY_SECONDS
        self._turn()
        return 0.0

    def _give_up(self, error: StoreError) -> None:
        """Tell of what went wrong, and go on from what is in MongoDB."""
        self._tell_trouble(error)
        self._drop()

    def _is_wanted(self) -> bool:
        """Tell whether this daemon is to read; where it is no more, it lets another one go on."""
        options = self._read_options()
        if options is not None:
            self._options = options
            return True
        if self._holder is not None:
            self._finish()
        return False

    def _tell_trouble(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("calls.stopped", detail=logs.explain(error))

    def _drop(self) -> None:
        """Forget what was read: the next turn goes on from what is in MongoDB."""
        self._hosts = {}
        self._holder = None
        self._told_at = self._listed_at = float("-inf")
        self._told = None

    def _hold(self) -> bool:
        """Tell whether this daemon may read and write now; renews its right in time."""
        now = self._clock.monotonic()
        if self._holder is not None and now < self._held_until - LEASE_SECONDS + _RENEW_SECONDS:
            return True
        if not hold(self._store, self._owner, LEASE_SECONDS):
            return False
        self._held_until = now + LEASE_SECONDS  # counted from before it was asked for
        if self._holder is None:
            self._holder = take_over(self._store, self._owner, self._clock.now())
            log.info("calls.reading", holder=self._holder)
        return True

    def _may_write(self) -> bool:
        return self._clock.monotonic() < self._held_until

    def _turn(self) -> None:
        """Look at the hosts that are due once, and wait until the next is."""
        news = self._news.take()
        now = self._clock.monotonic()
        if now - self._listed_at >= _HOSTS_SECONDS or news - self._hosts.keys() - {""}:
            self._attend_all(now)
        for host, attended in self._hosts.items():
            if self._stop.is_set():
                return
            if host in news:  # even where none are new in the host's order: they may be late
                attended.heard_at, attended.late_at = now, min(attended.late_at, now + _LATE_SECONDS)
            if host in news or attended.look_at <= now or attended.reader.is_behind:
                if not self._hold():
                    return
                self._read(attended)
        self._tell()
        spent = self._clock.monotonic() - now
        if self._news.take_flood():  # the log comes first
            self._clock.wait(self._stop, min(_FLOOD_COST * spent, _LONGEST_REST_SECONDS))
        if any(each.reader.is_behind for each in self._hosts.values()):
            return
        now = self._clock.monotonic()
        due_at = min((each.look_at for each in self._hosts.values()), default=now + _LONGEST_LOOK_SECONDS)
        self._clock.wait(self._stop, min(max(_PAUSE_SECONDS, _TURN_COST * spent), _LONGEST_PAUSE_SECONDS))
        self._clock.wait(self._news.is_there, max(0.0, min(due_at - now, _LONGEST_LOOK_SECONDS)))

    def _attend_all(self, now: float) -> None:
        """Attend to the hosts that have events by now."""
        self._listed_at = now
        for host in list_hosts(self._store):
            if host not in self._hosts:
                self._hosts[host] = self._attend(host)

    def _attend(self, host: str) -> _Attended:
        attended = _Attended(HostReader(self._store, host, self._options, may_write=self._may_write))
        attended.reader.begin()
        attended.saved_at = attended.heard_at = self._clock.monotonic()
        attended.saved_position = attended.reader.position
        return attended

    def _read(self, attended: _Attended) -> None:
        """Read a page of a host and write what it changed; go back where events came late."""
        reader, now = attended.reader, self._clock.monotonic()
        if self._options != reader.options:
            reader.flush(self._clock.now(), is_whole=not reader.is_behind)
            reader.change(self._options)
        if not reader.is_behind or attended.went_back_at == 0.0:
            self._go_back_for_late(attended, now)
        was_behind = reader.is_behind
        has_read = self._read_pages(reader)
        if has_read:
            attended.heard_at = now
        if not self._may_write():
            return
        if reader.position and (has_read or was_behind):
            self._write(reader)
            self._save(attended)
        quiet_seconds = (now - attended.heard_at) * _QUIET_SHARE
        attended.look_at = now + min(max(quiet_seconds, _PAUSE_SECONDS), _LONGEST_LOOK_SECONDS)

    def _read_pages(self, reader: HostReader) -> bool:
        """Read the next page, or some of many; tell whether there was anything."""
        has_read = False
        for _ in range(_PAGES_AT_ONCE):
            has_read |= reader.read() > 0
            if not reader.is_behind or self._stop.is_set():
                break
        return has_read

    def _write(self, reader: HostReader) -> None:
        is_whole = not reader.is_behind
        reader.flush(self._clock.now(), is_whole=is_whole)
        if is_whole and self._holder is not None:
            documents, is_all = reader.take_live()
            write_live(self._store, self._holder, reader.host, documents, is_whole=is_all)

    def _go_back_for_late(self, attended: _Attended, now: float) -> None:
        """Look for events that were stored late, and have what follows them read anew; not too often."""
        reader = attended.reader
        if now < max(attended.late_at, attended.back_at) or not reader.position:
            return
        quiet_seconds = (now - attended.heard_at) * _QUIET_SHARE
        attended.late_at = now + min(max(_LATE_SECONDS, quiet_seconds), _LONGEST_LATE_SECONDS)
        late = reader.find_late()
        if late is None:
            return
        log.info("calls.late_events", host=reader.host, order=late)
        reader.begin(before=late)
        attended.went_back_at = now
        attended.saved_at, attended.saved_position = now, reader.position

    def _save(self, attended: _Attended) -> None:
        """Keep what the reader has in mind from time to time."""
        reader, now = attended.reader, self._clock.monotonic()
        if not reader.is_behind and attended.went_back_at:
            seconds = now - attended.went_back_at
            attended.back_at = now + max(_BACK_SECONDS, _BACK_COST * seconds)
            attended.went_back_at = 0.0
        history = attended.saved_history
        is_far = reader.is_behind and (history is None or reader.at - history >= _HISTORY_STEP)
        pause = max(_HISTORY_SECONDS if is_far else _MOMENT_SECONDS, _MOMENT_COST * attended.save_seconds)
        if now - attended.saved_at < pause or reader.position == attended.saved_position:
            return
        if not reader.save(self._clock.now()):
            log.error("calls.moment_too_large", host=reader.host)
        thin_moments(self._store, reader.host, self._clock.now())
        attended.saved_at = self._clock.monotonic()
        attended.save_seconds = attended.saved_at - now
        attended.saved_position, attended.saved_history = reader.position, reader.at

    def _tell(self) -> None:
        """Tell how far each host is; begin again where that was asked for, or another daemon reads now."""
        monotonic, now = self._clock.monotonic(), self._clock.now()
        if monotonic - self._told_at < _TELL_SECONDS or self._holder is None:
            return
        self._told_at = monotonic
        hosts = [_describe(attended.reader, now) for attended in self._hosts.values()]
        restarts = tell(self._store, self._holder, hosts, now)
        self._told = hosts
        if restarts is None or (self._restarts is not None and restarts != self._restarts):
            self._drop()
        self._restarts = restarts

    def _finish(self) -> None:
        """Read what was stored last, keep what is in mind, and let another daemon go on at once."""
        try:
            if self._holder is None or not self._hold():
                return
            until = self._clock.monotonic() + _LAST_SECONDS
            for attended in self._hosts.values():
                reader = attended.reader
                reader.is_behind = True
                while reader.is_behind and self._clock.monotonic() < until:
                    reader.read()
                if reader.position:
                    self._write(reader)
                    reader.save(self._clock.now())
            let_go(self._store, self._owner)
        except StoreError as error:
            self._tell_trouble(error)


def _describe(reader: HostReader, now: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"host": reader.host, "is_catching_up": reader.is_behind, "behind_seconds": 0.0}
    if reader.at is not None:
        told["taken_at"] = reader.at
        if reader.is_behind:
            told["behind_seconds"] = round(max(0.0, (now - reader.at).total_seconds()), 3)
    return told
