"""The forwarder of one intake: journal → decode → MongoDB, each entry exactly once and in order.

An entry's id is made of its journal's id, its number and its instant (a call record's of what it says), so
writing it again is recognised by MongoDB. The journal is acknowledged only after MongoDB has confirmed; retries
never give up. Where more waits than a batch holds, the next one is made and the one before is acknowledged while
MongoDB is at one; where less comes, several are acknowledged together. A crash before that has them sent again.
Where the journal cannot be written, as on a full disk, what waits in it is stored all the same.
"""

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, JournalDamaged, JournalError, StoreRefused, Unexpected
from ipecs_mw.journal.journal import READ_BYTES, Entry, Journal
from ipecs_mw.model.event import Event
from ipecs_mw.service.intake.documents import Decode, Documents, Item, store_items
from ipecs_mw.service.intake.intake import Forwarded, Intake
from ipecs_mw.service.process.threads import start_task
from ipecs_mw.store.events.event_log import FULL_BATCH, EventLog

log = logs.get_logger()

_BATCH_ENTRIES = FULL_BATCH
_MOST_BATCH_ENTRIES = 4000
"""While MongoDB is slow to confirm, more go at a time: then it is the batch that costs, not its documents."""

_SLOW_SECONDS = 0.5
_IDLE_SECONDS = 0.5
_ACKNOWLEDGE_SECONDS = 0.25
"""How often at the most a journal is told what MongoDB has, while little comes: it costs as much as an append."""

_REFUSED_SECONDS = 1.0
"""How long after a journal could not be told it is tried again."""

_SHORTEST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a journal is stored once its entries up to `seq` are; `position` is where the next ones go on.

    `size` is that of the bodies since the mark before.
    """

    journal: Journal
    seq: int
    position: str | None
    size: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is stored of some entries of one journal, in order, and how far that journal is stored then."""

    items: Sequence[Item]
    mark: _Mark
    is_full: bool


class Forwarder:
    """Forwards one intake until `stop` is set and the journal is empty; `run` is its thread.

    `decode` may be exchanged at any time.
    """

    def __init__(
        self,
        intake: Intake,
        decode: Decode,
        events: EventLog,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._intake = intake
        self.decode = decode
        self._on_gap: Callable[[], None] = lambda: None
        self._documents = Documents(intake.host, intake.journal.id, intake.journal.position)
        self._batch_entries = _BATCH_ENTRIES
        self._batches: deque[_Batch] = deque()  # the one to be stored next, and the one after it
        self._stored: deque[_Mark] = deque()  # MongoDB has what is before them, the journal does not know yet
        self._acknowledge_at = -math.inf
        self._is_refused = False
        self._events = events
        self._clock = clock
        self._stop = stop
        self._failures = 0
        self._journal = intake.journal
        self._after = 0
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret

    def attend(self, note: Callable[[Event], None], on_gap: Callable[[], None]) -> None:
        """Call `note` with each event of the host, once and in order; `on_gap` when serial numbers tell a gap."""
        self._documents.note, self._on_gap = note, on_gap

    def run(self) -> None:
        """Forward until stopped and drained; while MongoDB is away, leave the rest in the journal."""
        while True:
            try:
                stored = self.step()
            except IpecsMwError as error:
                self._fail(error)
            except Exception as error:  # a defect must not end the forwarding: the journal keeps its entries
                log.critical("thread.failed", thread=f"forward-{self._intake.host}", exc_info=True)
                self._fail(Unexpected("error.unexpected", reason=type(error).__name__))
            else:
                if self._stop.is_set():
                    if not stored and not self._stored:
                        return
                elif not stored and not self._clock.wait(
                    self._intake.journal.has_entries, self._rest_seconds()
                ):
                    self._sweep()
                continue
            if self._clock.wait(self._stop, self._wait_seconds()):
                return

    def step(self) -> int:
        """Forward one batch and return how many entries it had; raises StoreError or JournalError."""
        if not self._batches:  # else what was read before is tried again, as it was
            self._prepare()
        if not self._batches:
            self._acknowledge_in_time()
            return 0
        batch = self._batches[0]
        began = self._clock.monotonic()
        self._store(batch)
        seconds = self._clock.monotonic() - began
        self._intake.count_stored([item.document for item in batch.items], seconds)
        is_slow = batch.is_full and seconds > _SLOW_SECONDS
        self._batch_entries = min(2 * self._batch_entries, _MOST_BATCH_ENTRIES) if is_slow else _BATCH_ENTRIES
        self._batches.popleft()
        self._add_stored(batch.mark)
        self._succeed(batch.items)
        if not self._batches:
            self._acknowledge_in_time()
        return len(batch.items)

    def _store(self, batch: _Batch) -> None:
        """Store a batch; where more waits, acknowledge the one before and make the next one meanwhile."""

        def store() -> None:
            store_items(self._events, self._intake.host, batch.items)

        if not batch.is_full:
            store()
            return
        storing = start_task(f"store-{self._intake.host}", store)
        try:
            self._acknowledge()
            if len(self._batches) == 1:
                self._prepare()
        finally:
            storing.result()

    def _prepare(self) -> None:
        """Read and decode what waits next in the journal, if anything does."""
        entries = self._read()
        if entries:
            items = [item for entry in entries for item in self._documents.build(entry, self.decode)]
            is_full = len(entries) == self._batch_entries
            # as of this batch: the next one is built before this one is acknowledged
            size = sum(len(entry.arrival.body) for entry in entries)
            mark = _Mark(self._journal, entries[-1].seq, self._documents.position, size)
            self._batches.append(_Batch(items, mark, is_full))
            self._after = mark.seq  # last: what fails above is read again

    def _read(self) -> Sequence[Entry]:
        if self._journal is not self._intake.journal:
            self._journal, self._after = self._intake.journal, 0
            self._documents.journal_id = self._journal.id
        try:
            return self._journal.read(self._after, self._batch_entries)
        except JournalDamaged as error:
            self._intake.renew(self._journal, error)
            return ()

    def _add_stored(self, mark: _Mark) -> None:
        """Note what MongoDB has; little that belongs together is acknowledged together."""
        last = self._stored[-1] if self._stored else None
        if last is not None and last.journal is mark.journal and last.size + mark.size <= READ_BYTES:
            mark = replace(mark, size=last.size + mark.size)
            self._stored.pop()
        self._stored.append(mark)

    def _acknowledge_in_time(self) -> None:
        """Acknowledge what is stored, unless that was done a moment ago; at once where all is to end."""
        if self._stop.is_set() or self._clock.monotonic() >= self._acknowledge_at:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Have the journal forget what MongoDB has; until then a crash has it sent once more, and recognised.

        Where it cannot, that is put off. Raises JournalError only at a stop, which must not wait for it.
        """
        if not self._stored:
            return
        try:
            while self._stored:
                self._acknowledge_to(self._stored[0])
                self._stored.popleft()
            self._intake.watch()
        except JournalError as error:
            if self._stop.is_set():
                raise
            self._put_off(error)
        else:
            self._is_refused = False
            self._acknowledge_at = self._clock.monotonic() + _ACKNOWLEDGE_SECONDS

    def _acknowledge_to(self, mark: _Mark) -> None:
        try:
            mark.journal.acknowledge(mark.seq, mark.position)
        except JournalDamaged as error:  # MongoDB has these; what comes after them is in the file set aside
            self._intake.renew(mark.journal, error)

    def _put_off(self, error: JournalError) -> None:
        """Acknowledge later: loud the first time, quiet while it repeats."""
        where, detail = self._intake.host or "middleware", logs.explain(error)
        if self._is_refused:
            log.debug("journal not written yet", host=where, detail=detail)
        else:
            log.error("journal.refused", host=where, detail=detail)
        self._is_refused = True
        self._acknowledge_at = self._clock.monotonic() + _REFUSED_SECONDS

    def _rest_seconds(self) -> float:
        """Return how long nothing need be done unless something arrives."""
        if not self._stored:
            return _IDLE_SECONDS
        return max(0.0, self._acknowledge_at - self._clock.monotonic())

    def _sweep(self) -> None:
        """Have the journal's file forget what it has given, now that it is quiet."""
        if self._stored:
            return
        try:
            self._intake.journal.sweep()
        except JournalError as error:  # such as a full disk; who appends or reads next says so
            log.debug("journal not swept", **self._where(), detail=logs.explain(error))

    def _succeed(self, batch: Sequence[Item]) -> None:
        if self._failures:
            log.info(
                "forwarding.resumed", **self._where(), waiting=self._intake.describe_journal()["entries"]
            )
        self._failures = 0
        stored = self._intake.forwarded.stored + len(batch)
        heard = (
            item.document["received_at"] for item in reversed(batch) if item.document["kind"] != "system"
        )
        last = next(heard, self._intake.forwarded.last_event_at)  # of the host, not what we say of ourselves
        self._intake.forwarded = Forwarded(stored=stored, last_event_at=last)
        gaps = [item.document["data"] for item in batch if item.is_gap]
        for gap in gaps:
            log.warning("gap", **{"since": "?", **self._where(), **gap})
            self._intake.counters.add("gap", gap["reason"])
        if gaps:
            self._on_gap()

    def _fail(self, error: IpecsMwError) -> None:
        """Note what holds the events up: loud the first time, quiet while it repeats."""
        self._failures += 1
        problem = logs.explain(error)
        if self._stop.is_set():  # what waits is told by the stop itself
            log.debug("forwarding ends", **self._where(), detail=problem)
        elif self._intake.forwarded.problem != problem:
            level = log.error if isinstance(error, StoreRefused | JournalError) else log.warning
            level("forwarding.stalled", **self._where(), detail=problem)
        since = self._intake.forwarded.stalled_since or self._clock.now()
        self._intake.forwarded = replace(self._intake.forwarded, stalled_since=since, problem=problem)

    def _wait_seconds(self) -> float:
        backoff: float = min(_SHORTEST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10), _LONGEST_WAIT_SECONDS)
        return backoff * self._chance.uniform(0.5, 1.0)

    def _where(self) -> Mapping[str, str]:
        return {"host": self._intake.host} if self._intake.host else {}
