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
from ipecs_mw.calls.documents import snapshot
from ipecs_mw.calls.documents.missed import list_readings
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.joining.index import LIMIT, Joined
from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.calls.steps.position import BEGINNING, find_order, split_order
from ipecs_mw.errors import CannotRestore
from ipecs_mw.figures.counting.gaps import Gap, read_gap
from ipecs_mw.figures.counting.touched import FindTouched, find_touched_by_call, find_touched_by_state
from ipecs_mw.figures.time.quarters import list_quarters
from ipecs_mw.service.process.threads import start_task
from ipecs_mw.service.readers.derived import Derived
from ipecs_mw.store.calls.missed_items import MissedCalls, Touched, build_touched
from ipecs_mw.store.calls.moments import (
    Moment,
    drop_moments,
    find_moment,
    find_oldest_moment,
    save_moment,
)
from ipecs_mw.store.calls.ordered import Page, find_first, find_late, note_taken, read_page
from ipecs_mw.store.calls.writing import ALL, Announce, Change, Difference, Span, Written, twice
from ipecs_mw.store.figures.marks import mark
from ipecs_mw.store.figures.place import find_counted_until
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

PAGE_EVENTS = 2000
"""So many events are read at once, and what they changed is written before the next."""

_DERIVED = (
    ("calls", "began_at", find_touched_by_call),
    ("agent_states", "from", find_touched_by_state),
)
_JUST_NOW = timedelta(minutes=1)
_MOST_NOTED = 20_000  # numbers that wait for their missed calls, so that memory is bounded

Document = dict[str, Any]
Live = Sequence[tuple[str, Mapping[str, Any] | None]]


class HostReader:
    """Reads the events of one host. `begin` comes first; then `read` and `flush` in turn.

    Only documents that began in `span` are touched. Where it `only_compares`, nothing is written; `await_reader`
    then gives a reader that reads meanwhile the time to write what has just come. What `is_anew` reads again what
    was read before: it does not follow what is true now, and goes on from what was read by the same options alone.
    Calls and states are written only as long as it `may_write`: who stood still may have been overtaken.
    Every call may raise StoreError, after which the reader is of no use until it has begun again.
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
        is_anew: bool = False,
        may_write: Callable[[], bool] = lambda: True,
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
        self._is_anew = is_anew
        self._may_write = may_write
        self._span = span
        self._missed = MissedCalls(store, host, options)
        self._taken: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self._reading = self._make_reading()
        self._ahead: tuple[str, Future[Page]] | None = None
        self._late: str | None = None
        self._pending: dict[str, Joined | None] = {}
        self._intervals: dict[str, Document] = {}
        self._gaps: list[Gap] = []
        self._put_at: datetime | None = None  # when the last event was received of what is being put
        self._swept = self.position
        self._sweeps = True
        self._is_fresh = True  # what is there may have been written, and what follows from it not
        self._is_whole = True  # all of the live state is to be written
        self.is_behind = True
        self._set_span(self._span)

    def _make_reading(self) -> HostReading:
        options = self.options
        return HostReading(
            self.host, bins=options.bins, machines=options.machines, follows_live=not self._is_anew
        )

    def _set_span(self, span: Span) -> None:
        self._touched_span = span
        self._calls, self._states = (
            Written(self._store, name, began, span, self._mark(find_touched), self._may_write)
            for name, began, find_touched in _DERIVED
        )

    def _mark(self, find_touched: FindTouched) -> Announce:
        """Return what has the figures be counted anew in which changed documents count."""

        def announce(changes: Sequence[Change], now: datetime) -> Callable[[], None]:
            until = find_counted_until(self._store, self.host, self._put_at or now, now)
            quarters = set().union(*(find_touched(*each, until) for each in changes))
            return partial(mark, self._store, self.host, quarters)

        return announce

    # where to begin

    def begin(self, *, before: str | None = None, until: datetime | None = None) -> None:
        """Go on from the newest moment that is kept, or from the beginning of the log where there is none.

        From one before a place in the host's order, or not after an instant, where these are given; moments from
        that place on are of no use any more.
        """
        if before is not None and not self._only_compares:
            drop_moments(self._store, self.host, since=before)
        self._go_to(
            find_moment(self._store, self.host, before=before, until=until, read_as=self._find_read_as())
        )
        if self.position == BEGINNING:
            self.begin_at_the_beginning()
        written = self._list_written()
        self._sweeps = any(each.list_between(self.host, self.position, limit=1) for each in written)

    def _find_read_as(self) -> str | None:
        return self.options.describe_reading() if self._is_anew else None

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
        self._go_to(find_oldest_moment(self._store, self.host, place, read_as=self._find_read_as()))
        edge = first["received_at"] + LIMIT if self.at is None else self.at
        since = edge if self._span.since is None else max(edge, self._span.since)
        self._set_span(Span(since, self._span.until))

    def _list_written(self) -> tuple[Written, Written]:
        return self._calls, self._states

    def change(self, options: ReadingOptions) -> None:
        """Read what comes from now on as these say; all that has changed must have been flushed."""
        kept = snapshot.keep(self._reading)
        self.options = options
        self._reading = self._make_reading()
        snapshot.restore(kept, self._reading)
        self._missed.options = options

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
        self._gaps += [gap for event in events if (gap := read_gap(event)) is not None]
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
        """Put what has changed into MongoDB, and return what was not there so."""
        return self.put(self.derive(is_whole=is_whole), now)

    def derive(self, *, is_whole: bool) -> Derived:
        """Return what has changed, for `put`, and drop it from mind.

        Where it `is_whole`, all of it; else only that of which no more can come, so that what is there stays as it
        was until what replaces it is whole.
        """
        reading, pending, intervals = self._reading, self._pending, self._intervals
        pending.update(reading.calls.take_changed())
        intervals.update(reading.states.take_changed())
        is_settled = reading.calls.is_settled
        calls = [each for each, call in pending.items() if is_whole or call is None or is_settled(each)]
        states = [each for each, state in intervals.items() if is_whole or "until" in state]
        derived = Derived(
            calls={each: self._build(pending.pop(each)) for each in calls},
            states={each: intervals.pop(each) for each in states},
            lasting=reading.states.list_running(),
            at=self.at,
            is_whole=is_whole,
            is_all=self._sweeps or self._is_fresh,
            gaps=self._gaps,
        )
        self._gaps = []
        if self._sweeps:
            derived.swept = (self._swept, self.position)
            derived.expected = {*pending, *intervals, *reading.calls.list_expected()}
            if is_whole:  # calls that are expected, and are not there yet
                derived.calls.update(dict.fromkeys(derived.expected))
        self._swept = self.position
        if is_whole:
            self._sweeps = self._is_fresh = False
        return derived

    def _build(self, joined: Joined | None) -> Document | None:
        if joined is None:
            return None
        document = build_record(joined, self.host)
        if numbers := list_readings(document, self.options.plan):
            document["numbers"] = numbers
        return document

    def put(self, derived: Derived, now: datetime) -> list[Difference]:
        """Put what was derived into MongoDB, and return what was not there so; another thread may read meanwhile.

        Missed calls follow from all calls of their numbers. So while history is read they wait for its end, for
        `save`, or until there are many.
        """
        self._put_at = derived.at
        if not self._only_compares:
            mark(self._store, self.host, {each for gap in derived.gaps for each in list_quarters(*gap)})
        told = self._put(self._calls, derived.calls, derived, now)
        self._missed.note(self._list_touched(derived.calls, told, only_changed=not derived.is_all))
        told += self._put(self._states, derived.states, derived, now)
        if derived.is_whole or self._missed.noted >= _MOST_NOTED:
            told += self.put_missed(now)
        self._calls.forget(self._reading.calls.is_settled)
        self._states.forget(lambda each: each not in derived.lasting)
        return told

    def _put(
        self, written: Written, documents: dict[str, Document | None], derived: Derived, now: datetime
    ) -> list[Difference]:
        if derived.swept is not None:
            known = documents.keys() | derived.expected
            documents |= dict.fromkeys(set(written.list_between(self.host, *derived.swept)) - known)
        if self._only_compares:
            told = written.compare(documents)
            if told and derived.at is not None and now - derived.at < _JUST_NOW:
                self._await_reader()
                written.forget()
                told = written.compare({each.id: documents.get(each.id) for each in told})
            return told
        return twice(lambda: written.write(documents, now))

    def _list_touched(
        self, calls: Mapping[str, Document | None], told: Sequence[Difference], *, only_changed: bool
    ) -> list[Touched]:
        ids = [each.id for each in told] if only_changed else list(calls)
        documents: list[Mapping[str, Any] | None] = [calls[each] for each in ids]
        documents += [each.before for each in told]
        return [
            touched
            for document in documents
            if document
            and self._touched_span.has(document.get("began_at"))
            and (touched := build_touched(document, self.options)) is not None
        ]

    def put_missed(self, now: datetime) -> list[Difference]:
        """Put the missed calls that wait into MongoDB, and return what was not there so."""
        return self._missed.compare() if self._only_compares else self._missed.write(now)

    def take_live(self) -> tuple[Live, bool]:
        """Return what has changed of what is true now, by id, and whether that is all that is true of the host."""
        live, is_whole = self._reading.live, self._is_whole
        changed = list(live.take_changed())
        self._is_whole = False
        return ([(each["_id"], each) for each in live.list_all()] if is_whole else changed), is_whole

    def save(self, now: datetime) -> bool:
        """Keep what the reader has in mind, to go on from; all that it may write must have been flushed.

        Nothing is kept while events are known to be missing. Returns False where it is too large to be kept.
        """
        self.put_missed(now)
        if self.at is None or self._late is not None:
            return True
        data = snapshot.keep(self._reading)
        read_as = self.options.describe_reading()
        return save_moment(self._store, Moment(self.host, self.position, self.at, self._taken, data, read_as))

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
