"""Reading one host's call records: what was missed while away, page by page, and deleting what is stored.

A record that was read goes the same way as one that was pushed: into the journal, and from there to MongoDB,
where its id shows whether it is there already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, IpecsMwError, JournalError, SessionError, StoreError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.smdr import (
    MOST_RECORDS,
    Filter,
    Record,
    build_filter,
    build_range,
    build_record_id,
    find_runs,
    join_filters,
    next_range,
    read_count,
    read_index,
    read_records,
    wrap_record,
)
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.store.events.stored_records import find_position, find_stored
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.messages import MOST_FRAME_BYTES

log = logs.get_logger()

_EVERY_SECONDS = 600.0
_STORED_SECONDS = 300.0  # how long a page waits to be stored before its records are left at the host
_MOST_NAMED = 10  # of the records that are left, in a log line
_MOST_TOLD = 10_000  # records that are remembered as told
_OVERLAP = timedelta(hours=1)  # read again each time, for a host whose index began anew
_LONGEST_CALL = timedelta(days=1)


@dataclass(frozen=True)
class Position:
    """How far the records were read: above `index` all is new, and so may be what began at `since` or later."""

    index: int | None
    since: datetime


@dataclass
class _Pass:
    """One reading of the records, from its first page to its last, with the deleting in between."""

    base: Filter
    begun_at: datetime
    range: tuple[int | None, int | None] | None = (None, None)
    """Above and up to which index the next page is; None after the last."""
    highest: int | None = None
    fresh: int = 0
    kept: Mapping[int, str] = field(default_factory=dict)
    """Index → id of the records of the page that are to be deleted once MongoDB has them."""
    kept_at: datetime | None = None
    """When all of the page was in the journal."""
    wait_until: float = 0.0
    """Until when, on the monotonic clock, the page waits to be stored."""
    runs: list[tuple[int, int]] = field(default_factory=list)
    """What of it can be deleted: MongoDB has it."""


class RecordReader:
    """Reads the records of one host after each `begin`, then every 10 minutes; used by the executor's thread."""

    def __init__(
        self,
        host: HostSettings,
        client: HostClient,
        decode: Callable[[bytes, datetime], Event],
        intake: Intake,
        store: Store,
        clock: Clock,
    ) -> None:
        self._host = host
        self._zone = ZoneInfo(host.timezone)
        self._client = client
        self._decode = decode
        self._intake = intake
        self._store = store
        self._clock = clock
        self._heard_at = intake.journal.heard_at  # of the run before: later ones are this run's own
        self._is_on = host.smdr.backfill or host.smdr.delete_after_store
        self._next_at: float | None = None
        self._position: Position | None = None
        self._is_recorded = False
        self._pass: _Pass | None = None
        self._told: set[str] = set()

    def begin(self) -> None:
        """Read from now on: the session is up."""
        self._pass = None
        self._next_at = self._clock.monotonic() if self._is_on else None

    def step(self) -> bool:
        """Do what is due, one page at the most, and tell whether there is more to do at once.

        What fails is logged and tried again in 10 minutes; what the host refuses, after the next `begin`. Raises
        SessionError, StoreError or JournalError: then the same step can be repeated.
        """
        if self._next_at is None or self._clock.monotonic() < self._next_at:
            return False
        try:
            return self._advance()
        except (SessionError, StoreError, JournalError):
            raise
        except CommandRefused as error:
            log.warning("smdr.refused", host=self._host.name, detail=logs.explain(error))
            self._next_at = None
            return False
        except IpecsMwError as error:
            log.warning("smdr.failed", host=self._host.name, detail=logs.explain(error))
            self._pass = None
            self._next_at = self._clock.monotonic() + _EVERY_SECONDS
            return False

    def _advance(self) -> bool:
        now = self._pass = self._pass or self._open_pass()
        if now.runs:
            self._delete(now, *now.runs[0])
            now.runs = now.runs[1:]
            now.kept = now.kept if now.runs else {}
        elif now.kept:
            # first: what is no longer in the journal by now is in MongoDB below, or never will be
            is_last_look = self._clock.monotonic() >= now.wait_until or self._is_forwarded(now.kept_at)
            stored = find_stored(self._store, list(now.kept.values()))
            missing = {index: name for index, name in now.kept.items() if name not in stored}
            if missing and not is_last_look:
                return False  # the forwarder is not there yet: look again at the next tick
            self._leave(missing)
            now.kept = {index: name for index, name in now.kept.items() if name in stored}
            now.runs = find_runs(now.kept)
        elif now.range is not None:
            self._read_page(now, *now.range)
        else:
            self._close_pass(now)
            return False
        return True

    def _open_pass(self) -> _Pass:
        """Decide what is to be read: everything where it is deleted afterwards, else what is new."""
        now = self._clock.now()
        if self._position is None:
            self._position = self._load_position(now)
        if self._host.smdr.delete_after_store:
            return _Pass({}, now)
        started = build_filter(self._zone, since=self._position.since)
        index = self._position.index
        return _Pass(started if index is None else {"$or": [build_range(index), started]}, now)

    def _load_position(self, now: datetime) -> Position:
        found = find_position(self._store, self._host.name)
        self._is_recorded = found is not None
        if found is not None:
            index, since = found.get("index"), datetime.fromisoformat(str(found["since"]))
            return Position(index if isinstance(index, int) else None, since)
        # an empty log begins now; where an earlier run heard the host, its records are read from there
        since = now if self._heard_at is None else self._heard_at - _LONGEST_CALL
        return Position(None, since.replace(second=0, microsecond=0))  # records tell the minute

    def _read_page(self, now: _Pass, after: int | None, last: int | None) -> None:
        """Read a page and put into the journal what MongoDB does not have of it."""
        page = self._ask(join_filters([now.base, build_range(after, last)]))
        names = self._name(page)
        stored = find_stored(self._store, [name for name in names if name is not None])
        missing = [record for record, name in zip(page, names, strict=True) if name not in stored]
        if missing:
            self._take(missing)
            now.fresh += len(missing)
        numbered = {
            index: name
            for record, name in zip(page, names, strict=True)
            if name is not None and (index := read_index(record)) is not None
        }
        now.highest = max([*numbered, *([] if now.highest is None else [now.highest])], default=None)
        now.range = next_range(page, after, last)
        if self._host.smdr.delete_after_store:
            now.kept, now.kept_at = numbered, self._clock.now()
            now.wait_until = self._clock.monotonic() + _STORED_SECONDS

    def _is_forwarded(self, at: datetime | None) -> bool:
        """Tell whether all that was in the journal at `at` has left it. Raises JournalError."""
        oldest_at = self._intake.journal.oldest_at
        return oldest_at is None or (at is not None and oldest_at > at)

    def _leave(self, missing: Mapping[int, str]) -> None:
        """Say, once of each, which records stay at the host because MongoDB does not have them."""
        fresh = sorted(index for index, name in missing.items() if name not in self._told)
        if not fresh:
            return
        if len(self._told) > _MOST_TOLD:
            self._told.clear()
        self._told.update(missing.values())
        named = ", ".join(map(str, fresh[:_MOST_NAMED])) + (", …" if len(fresh) > _MOST_NAMED else "")
        log.warning("smdr.left", host=self._host.name, count=len(fresh), indexes=named)

    def _take(self, records: Sequence[Record]) -> None:
        """Put records into the journal, and say which are longer than a frame that pushes one may be."""
        frames = [wrap_record(record) for record in records]
        for record, frame in zip(records, frames, strict=True):
            if len(frame) > MOST_FRAME_BYTES:
                self._intake.record("smdr.large", "warning", index=read_index(record), size=len(frame))
        self._intake.take_records(frames)

    def _delete(self, now: _Pass, first: int, last: int) -> None:
        """Delete the records from `first` to `last` if they are still those that MongoDB has."""
        wanted = build_range(first - 1, last)
        if not set(self._name(self._ask(wanted))) <= set(now.kept.values()):
            log.debug(
                "records changed before they were deleted", host=self._host.name, first=first, last=last
            )
            return
        self._client.call("smdr.delete", {"q": wanted})
        left = read_count(self._client.call("smdr.get", {"countOnly": "true", "q": wanted}))
        if left:
            log.warning("smdr.not_deleted", host=self._host.name, count=left, first=first, last=last)
        else:
            self._intake.record("smdr.deleted", first=first, last=last)

    def _close_pass(self, now: _Pass) -> None:
        """Note how far the records are read, in the log too where that says something new."""
        if self._position is not None and now.highest is not None:
            since = max(self._position.since, now.begun_at - _OVERLAP)
            self._position = Position(now.highest, since)
        if self._position is not None and (now.fresh or not self._is_recorded):
            position = self._position
            self._intake.record("smdr.read", count=now.fresh, index=position.index, since=position.since)
            self._is_recorded = True
        self._pass = None
        self._next_at = self._clock.monotonic() + _EVERY_SECONDS

    def _ask(self, wanted: Filter) -> list[Record]:
        query = {"maxCount": MOST_RECORDS, **({"q": wanted} if wanted else {})}
        return read_records(self._client.call("smdr.get", query))

    def _name(self, page: Sequence[Record]) -> list[str | None]:
        """Return the ids that the records have in the event log."""
        at = self._clock.now()
        return [build_record_id(self._host.name, self._decode(wrap_record(record), at)) for record in page]
