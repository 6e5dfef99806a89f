"""Reading the events of one host: taken in its order, from a moment on, and what they mean put into MongoDB.

What is derived depends on the events alone, so that a reader may stop anywhere, go back to an earlier moment, or
begin anew: what it makes then is compared with what is there, and only what differs is written.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ipecs_mw import logs
from ipecs_mw.calls import snapshot
from ipecs_mw.calls.index import LIMIT, Joined
from ipecs_mw.calls.missed import list_readings
from ipecs_mw.calls.options import ReadingOptions
from ipecs_mw.calls.position import BEGINNING, find_order, split_order
from ipecs_mw.calls.reading import HostReading
from ipecs_mw.calls.record import build_record
from ipecs_mw.errors import CannotRestore, WrittenElsewhere
from ipecs_mw.figures.touched import FindTouched, find_touched_by_call, find_touched_by_state
from ipecs_mw.service.process.threads import start_task
from ipecs_mw.store.calls.missed_items import MissedCalls, Touched, build_touched
from ipecs_mw.store.calls.moments import (
    Moment,
    drop_moments,
    find_moment,
    find_oldest_moment,
    save_moment,
)
from ipecs_mw.store.calls.ordered import Page, find_first, find_late, note_taken, read_page
from ipecs_mw.store.calls.writing import ALL, Announce, Change, Difference, Span, Written
from ipecs_mw.store.figures.marks import mark
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

PAGE_EVENTS = 2000
"""So many events are read at once, and what they changed is written before the next."""

_JUST_NOW = timedelta(minutes=1)

Document = dict[str, Any]
Live = Sequence[tuple[str, Mapping[str, Any] | None]]


class HostReader:
    """Reads the events of one host. `begin` comes first; then `read` and `flush` in turn.

    Only documents that began in `span` are touched. Where it `only_compares`, nothing is written; `await_reader`
    then gives a reader that reads meanwhile the time to write what has just come. Every call may raise StoreError,
    after which the reader is of no use until it has begun again.
    """

    def __init__(
        self,
        store: Store,
        host: str,
        options: ReadingOptions,
        *,
        span: Span = ALL,
        only_compares: bool = False,
        await_reader: Callable[[], None] = lambda: None,
    ) -> None:
        self.host = host
        self.options = options
        self.position = BEGINNING
        self.at: datetime | None = None
        self.is_behind = True
        self.spanned = 0
        self._store = store
        self._only_compares = only_compares
        self._await_reader = await_reader
        self._span = span
        self._taken: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self._reading = HostReading(self.host, bins=self.options.bins, machines=self.options.machines)
        self._ahead: tuple[str, Future[Page]] | None = None
        self._late: str | None = None
        self._pending: dict[str, Joined | None] = {}
        self._intervals: dict[str, Document] = {}
        self._swept = self.position
        self._sweeps = True
        self._is_fresh = True  # what is there may have been written, and what follows from it not
        self._is_whole = True  # all of the live state is to be written
        self.is_behind = True
        self._set_span(self._span)

    def _set_span(self, span: Span) -> None:
        self._touched_span = span
        self._calls = Written(self._store, "calls", "began_at", span, self._mark(find_touched_by_call))
        self._states = Written(self._store, "agent_states", "from", span, self._mark(find_touched_by_state))
        self._missed = MissedCalls(self._store, self.host, self.options)

    def _mark(self, find_touched: FindTouched) -> Announce:
        """Return what has the figures be counted anew in which changed documents count."""

        def announce(changes: Sequence[Change], now: datetime) -> None:
            mark(self._store, self.host, set().union(*(find_touched(*each, now) for each in changes)))

        return announce

    # where to begin

    def begin(self, *, before: str | None = None, until: datetime | None = None) -> None:
        """Go on from the newest moment that is kept, or from the beginning of the log where there is none.

        From one before a place in the host's order, or not after an instant, where these are given; moments from
        that place on are of no use any more.
        """
        if before is not None and not self._only_compares:
            drop_moments(self._store, self.host, since=before)
        self._go_to(find_moment(self._store, self.host, before=before, until=until))
        if self.position == BEGINNING:
            self.begin_at_the_beginning()
        written = self._list_written()
        self._sweeps = any(each.list_between(self.host, self.position, limit=1) for each in written)

    def _go_to(self, moment: Moment | None) -> None:
        """Have in mind what was kept of a moment; nothing, at the beginning, where there is none to be read."""
        self.position = BEGINNING if moment is None else moment.order
        self.at = None if moment is None else moment.at
        self._taken = {} if moment is None else dict(moment.taken)
        self._start()
        if moment is None:
            return
        try:
            snapshot.restore(moment.data, self._reading)
        except CannotRestore as error:
            log.warning("calls.moment_refused", host=self.host, detail=logs.explain(error))
            self._go_to(None)

    def begin_at_the_beginning(self) -> None:
        """Go on from the beginning of the log.

        Nothing is touched whose events are gone, or that may have been joined with such: where there are documents
        from before the first event of the log, retention took events. Who begins there does not know who was
        logged in, and knows half of the calls of the next hours. A moment that was kept since then knows all.
        """
        self._go_to(None)
        first = find_first(self._store, self.host)
        if first is None:
            return
        place = find_order(first)
        if not any(each.has_before(self.host, place) for each in self._list_written()):
            return
        self._go_to(find_oldest_moment(self._store, self.host, place))
        edge = first["received_at"] + LIMIT if self.at is None else self.at
        since = edge if self._span.since is None else max(edge, self._span.since)
        self._set_span(Span(since, self._span.until))

    def _list_written(self) -> tuple[Written, Written]:
        return self._calls, self._states

    def change(self, options: ReadingOptions) -> None:
        """Read what comes from now on as these say; all that has changed must have been flushed."""
        kept = snapshot.keep(self._reading)
        self.options = options
        self._reading = HostReading(self.host, bins=options.bins, machines=options.machines)
        snapshot.restore(kept, self._reading)
        self._missed = MissedCalls(self._store, self.host, options)

    # reading

    def read(self, limit: int = PAGE_EVENTS) -> int:
        """Take the next events in and return how many.

        Then `is_behind` tells whether there may be more, and `spanned` how many of them were received in the span.
        """
        page, is_old = self._read_page(limit)
        events = self._cut(page.events)
        self.spanned = sum([self._span.has(event["received_at"]) for event in events])
        for order, event in zip(page.orders, events, strict=False):
            try:
                self._reading.take(event, order)
            except Exception:  # one odd event must not end the reading of all that follow
                log.critical("calls.event_failed", host=self.host, event_id=event["_id"], exc_info=True)
        if events:
            note_taken(self._taken, events)
            self.position, self.at = page.orders[len(events) - 1], events[-1]["received_at"]
        self.is_behind = page.has_more or is_old or len(events) < len(page.events)
        return len(events)

    def _read_page(self, limit: int) -> tuple[Page, bool]:
        """Return the next page, and whether it was read a while ago, so that there may be more by now.

        Where there are more, the page behind it is asked for while this one is worked on.
        """
        ahead, self._ahead = self._ahead, None
        is_old = ahead is not None and ahead[0] == self.position
        if ahead is not None and is_old:
            page = ahead[1].result()
        else:
            page = read_page(self._store, self.host, self.position, limit)
        if page.has_more:
            after = page.orders[-1] if page.orders else self.position
            read = partial(read_page, self._store, self.host, after, limit)
            self._ahead = after, start_task(f"read-{self.host}", read)
        return page, is_old

    def _cut(self, found: Sequence[Document]) -> Sequence[Document]:
        """Return the events of one connection, and look for late ones where it is another than before.

        A journal is drained in order. Who sees events of its newest connection can find those of its former ones
        that were stored late; once the newest are taken, nothing tells of the former ones any more.
        """
        if not found:
            return found
        connection = found[0].get("connection", 0)
        if self.position != BEGINNING and connection != split_order(self.position)[0]:
            self.find_late()
        return [event for event in found if event.get("connection", 0) == connection]

    def find_late(self) -> str | None:
        """Return the place of the first event that was stored late: before the position, and not taken."""
        late = find_late(self._store, self.host, self._taken, self.position)
        self._late = min((each for each in (self._late, late) if each is not None), default=None)
        return self._late

    # writing

    def flush(self, now: datetime, *, is_whole: bool) -> list[Difference]:
        """Put what has changed into MongoDB, and return what was not there so.

        Where it `is_whole`, all of it; else only that of which no more can come, so that what is there stays as it
        was until what replaces it is whole.
        """
        calls = self._list_calls(is_whole=is_whole)
        states = self._list_states(is_whole=is_whole)
        told = self._put(self._calls, calls, now)
        told += self._put(self._states, states, now)
        is_all = self._sweeps or self._is_fresh
        told += self._put_missed(self._list_touched(calls, told, only_changed=not is_all), now)
        self._forget(calls, states)
        self._swept = self.position
        if is_whole:
            self._sweeps = self._is_fresh = False
        return told

    def _list_calls(self, *, is_whole: bool) -> dict[str, Document | None]:
        calls = self._reading.calls
        self._pending.update(calls.take_changed())
        derived: dict[str, Document | None] = {
            each: None if joined is None else self._build(joined)
            for each, joined in self._pending.items()
            if is_whole or joined is None or calls.is_settled(each)
        }
        if self._sweeps:
            expected = calls.list_expected()
            for each in self._calls.list_between(self.host, self._swept, self.position):
                if each not in self._pending and each not in expected and calls.is_settled(each):
                    derived[each] = None
        return derived

    def _build(self, joined: Joined) -> Document:
        document = build_record(joined, self.host)
        if numbers := list_readings(document, self.options.plan):
            document["numbers"] = numbers
        return document

    def _list_states(self, *, is_whole: bool) -> dict[str, Document | None]:
        self._intervals.update(self._reading.states.take_changed())
        derived: dict[str, Document | None] = {
            each: document for each, document in self._intervals.items() if is_whole or "until" in document
        }
        if self._sweeps:
            for each in self._states.list_between(self.host, self._swept, self.position):
                if each not in self._intervals:
                    derived[each] = None
        return derived

    def _list_touched(
        self, calls: Mapping[str, Document | None], told: Sequence[Difference], *, only_changed: bool
    ) -> list[Touched]:
        changed = [each for each in told if each.collection == self._calls.name]
        ids = [each.id for each in changed] if only_changed else list(calls)
        documents: list[Mapping[str, Any] | None] = [calls[each] for each in ids]
        documents += [each.before for each in changed]
        return [
            touched
            for document in documents
            if document
            and self._touched_span.has(document.get("began_at"))
            and (touched := build_touched(document, self.options)) is not None
        ]

    def _put(
        self, written: Written, derived: Mapping[str, Document | None], now: datetime
    ) -> list[Difference]:
        if self._only_compares:
            told = written.compare(derived)
            if told and self.at is not None and now - self.at < _JUST_NOW:
                self._await_reader()
                written.forget()
                told = written.compare({each.id: derived.get(each.id) for each in told})
            return told
        return _twice(lambda: written.write(derived, now))

    def _put_missed(self, touched: Sequence[Touched], now: datetime) -> list[Difference]:
        if self._only_compares:
            return self._missed.compare(touched)
        return _twice(lambda: self._missed.write(touched, now))

    def _forget(self, calls: Mapping[str, Any], states: Mapping[str, Any]) -> None:
        """Drop from mind what is written, and of what no more can come also what was written."""
        for each in calls:
            self._pending.pop(each, None)
        for each in states:
            self._intervals.pop(each, None)
        self._calls.forget(self._reading.calls.is_settled)
        running = self._reading.states.list_running()
        self._states.forget(lambda each: each not in running)

    def take_live(self) -> tuple[Live, bool]:
        """Return what has changed of what is true now, by id, and whether that is all that is true of the host."""
        live, is_whole = self._reading.live, self._is_whole
        changed = list(live.take_changed())
        self._is_whole = False
        return ([(each["_id"], each) for each in live.list_all()] if is_whole else changed), is_whole

    def save(self) -> bool:
        """Keep what the reader has in mind, to go on from; all that it may write must have been flushed.

        Nothing is kept while events are known to be missing. Returns False where it is too large to be kept.
        """
        if self.at is None or self._late is not None:
            return True
        data = snapshot.keep(self._reading)
        return save_moment(self._store, Moment(self.host, self.position, self.at, self._taken, data))

    def is_over(self, until: datetime) -> bool:
        """Tell whether nothing that began before an instant can change any more."""
        at = self.at
        if at is None or at < until:
            return False
        if at >= until + 2 * LIMIT:
            return True
        calls = [joined for joined in self._pending.values() if joined is not None]
        began = [joined.course.steps[0].moment.at for joined in calls]
        began += self._reading.calls.list_expected().values()
        began += [document["from"] for document in self._intervals.values()]
        return all(each >= until for each in began)


def _twice(write: Callable[[], list[Difference]]) -> list[Difference]:
    """Return what `write` does; again where somebody wrote meanwhile, as who closes a missed call does."""
    try:
        return write()
    except WrittenElsewhere:
        return write()
