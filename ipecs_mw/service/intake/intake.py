"""An intake: one journal and what is known of its way to MongoDB. Each host has one, and the middleware itself."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalDamaged, JournalError, JournalFull, Unexpected
from ipecs_mw.journal.journal import Arrival, Journal, SetAside, replace_journal
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.model.writing.plain import replace_halves
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.intake.gaps import Moment, bound_gap
from ipecs_mw.service.intake.problems import Problems

log = logs.get_logger()

T = TypeVar("T")

_ALARM_SHARES = (0.70, 0.85, 0.95)
_EASED_SHARE = 0.60
_ROOM_SHARE = 0.90
"""A journal that refused is read into again below this share, so that it does not refuse at every other frame."""

_ROOM_SECONDS = 1.0
"""How often a full journal is asked whether there is room."""


@dataclass(frozen=True)
class Forwarded:
    """How far an intake's events have come."""

    stored: int = 0
    last_event_at: datetime | None = None
    stalled_since: datetime | None = None
    problem: str | None = None


class Intake:
    """Takes what arrives into the journal; `host` is None for the middleware's own intake.

    `journal` is another one after damage: who uses it more than once for one thing keeps it meanwhile, and hands
    the one that failed to `renew`.
    """

    def __init__(self, host: str | None, journal: Journal, clock: Clock) -> None:
        self.host = host
        self.journal = journal
        self.clock = clock
        self.connection = journal.connection
        self.received = 0
        self.forwarded = Forwarded()
        self.counters = Counters()
        self._problems = Problems()
        self._attending: tuple[Callable[[Sequence[Arrival]], None], ...] = ()
        self._lock = threading.Lock()
        self._refusal: JournalError | Unexpected | None = None
        self._alarms = 0
        self._reading: str | None = None

    def keep_reading(self, reading: str) -> None:
        """Have the journal say how its entries are read, and any that takes its place.

        Where it cannot be written, as on a full disk, it is tried again with the next connection.
        """
        self._reading = reading
        self._label(self.journal)

    def attend(self, on_arrivals: Callable[[Sequence[Arrival]], None]) -> None:
        """Call `on_arrivals` with what has become durable from now on; it must not block."""
        self._attending = (*self._attending, on_arrivals)

    def begin_connection(self, after: int = 0) -> None:
        """Count a connection, above `after` and all before: what follows belongs to it. Raises JournalError."""
        last = max(after, self.connection)
        try:
            self.connection = self._use(lambda journal: journal.begin_connection(last))
        except JournalError as error:
            self._refusal = error
            raise
        self._refusal = None
        self._label(self.journal)

    def take_frames(self, frames: Sequence[bytes]) -> None:
        """Make received frames durable. Raises JournalError, and then until the next connection begins.

        So it does after whatever else went wrong: a frame that were taken after one that was not would hide the
        gap between them.
        """
        if self._refusal is not None:
            raise self._refusal
        now = self.clock.now()
        try:
            self._take([Arrival(self.connection, now, "frame", frame) for frame in frames])
        except JournalError as error:
            self._refusal = error
            if isinstance(error, JournalFull):
                self._watch(1.0)
            raise
        except Exception as error:
            self._refusal = Unexpected("error.unexpected", reason=type(error).__name__)
            raise

    def take_records(self, records: Sequence[bytes]) -> None:
        """Make what the host was asked for durable, in the form of frames. Raises JournalError.

        It says nothing of the connection that frames come by: a gap may begin before it.
        """
        now = self.clock.now()
        self._take([Arrival(self.connection, now, "frame", record) for record in records], is_heard=False)

    def hear(self) -> None:
        """Note that the host is heard from now on, although it has sent nothing yet. Raises JournalError."""
        now = self.clock.now()
        self._use(lambda journal: journal.remember_heard(now))

    def wait_for_room(self, stop: threading.Event) -> bool:
        """Wait, where the journal was full, until MongoDB or the disk has made room; False once `stop` is set."""
        while isinstance(self._refusal, JournalFull) and not stop.is_set():
            with suppress(JournalError):
                if self.watch() < _ROOM_SHARE:
                    break
            self.clock.wait(stop, _ROOM_SECONDS)
        return not stop.is_set()

    def record(self, event: str, level: str = "info", /, **facts: Any) -> None:
        """Log an event of the middleware and keep it in the event log: `session.up` becomes `session_up`.

        Raises JournalError.
        """
        where = {"host": self.host} if self.host else {}
        getattr(log, level)(event, **where, **{k: "?" if v is None else v for k, v in facts.items()})
        data: Mapping[str, Any] = {name: value for name, value in facts.items() if value is not None}
        content = {
            "type": event.replace(".", "_"),
            "data": {name: _clean(value) for name, value in data.items()},
        }
        body = msgspec.json.encode(content, enc_hook=str)
        arrival = Arrival(self.connection, self.clock.now(), "system", body)
        self._use(lambda journal: journal.append([arrival]))
        self._tell_arrivals([arrival])
        self.counters.add(event, str(facts.get("reason") or ""))

    def count_stored(self, documents: Sequence[Mapping[str, Any]], write_seconds: float) -> None:
        """Count a batch, the oldest first, that MongoDB has just confirmed after `write_seconds`."""
        self.counters.add_all("events", Counter(document["kind"] for document in documents))
        self.counters.observe("write", write_seconds)
        lag = self.clock.now() - documents[0]["received_at"]
        self.counters.observe("lag", lag.total_seconds(), len(documents))
        for shared in self._problems.note(documents):
            log.warning("events.problem", host=self.host, **shared._asdict())

    def watch(self) -> float:
        """Return how full the journal is; record where that passes an alarm or is well again.

        Raises JournalError.
        """
        share = self._use(lambda journal: journal.used_share)
        self._watch(share)
        return share

    def describe_journal(self) -> dict[str, Any]:
        """Return what waits; a journal that cannot be asked counts as empty and full."""
        try:
            return self._use(
                lambda journal: {
                    "entries": journal.entry_count,
                    "oldest_at": journal.oldest_at,
                    "used_share": round(journal.used_share, 4),
                }
            )
        except JournalError:
            return {"entries": 0, "oldest_at": None, "used_share": 1.0}

    def _tell_arrivals(self, arrivals: Sequence[Arrival]) -> None:
        for on_arrivals in self._attending:
            on_arrivals(arrivals)

    def renew(self, damaged: Journal, error: JournalDamaged) -> None:
        """Set a journal that proved damaged aside and go on with a new one, unless another thread has done so.

        Raises JournalError.
        """
        aside = self._replace(damaged, error)
        if aside is not None:
            self.tell_set_aside(aside, damaged)

    def tell_set_aside(self, aside: SetAside, former: Journal | None = None) -> None:
        """Record that a journal was set aside, and the gap that it leaves. Raises JournalError.

        What `former` knows of the file is asked of the file itself where it was never opened.
        """
        heard_at, begun_at = (former.heard_at, former.begun_at) if former else (None, None)
        with suppress(JournalError), open_salvage(aside.path) as found:
            heard_at = heard_at or found.heard_at
            # the oldest that is missing; where nobody can tell, all since the last that MongoDB has, or ever
            begun_at = found.oldest_at or self.forwarded.last_event_at or begun_at or found.begun_at
        self.record(
            "journal.set_aside",
            "error",
            file=str(aside.path),
            reason=aside.error.key,
            detail=logs.explain(aside.error),
        )
        if self.host is None:
            return
        begun_at = begun_at or self.forwarded.last_event_at
        since, until = bound_gap(None if begun_at is None else Moment(begun_at), Moment.read(self.clock))
        self.record("gap", "warning", since=since, until=until, reason=aside.error.key)
        journal = self.journal
        if (
            journal.heard_at is None
        ):  # until the host is reached something is missing too, since then at the least
            journal.remember_heard(heard_at or self.clock.now())

    def _take(self, arrivals: Sequence[Arrival], *, is_heard: bool = True) -> None:
        """Append frames; of a group for which there is no room, as many as there is room for."""
        try:
            share = self._use(lambda journal: journal.append(self._number(arrivals), is_heard=is_heard))
        except JournalFull:
            if len(arrivals) == 1:
                raise
            half = len(arrivals) // 2
            self._take(arrivals[:half], is_heard=is_heard)
            self._take(arrivals[half:], is_heard=is_heard)
        else:
            self.received += len(arrivals)
            self._tell_arrivals(arrivals)
            self._watch(share)

    def _number(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Return arrivals with the number of the connection that they are written under."""
        now = self.connection
        return arrivals if arrivals[0].connection == now else [replace(a, connection=now) for a in arrivals]

    def _use(self, do: Callable[[Journal], T]) -> T:
        """Return what `do` returns of the journal, or of the one that takes a damaged one's place."""
        journal = self.journal
        try:
            return do(journal)
        except JournalDamaged as error:
            aside = self._replace(journal, error)
            result = do(self.journal)
            if aside is not None:
                self.tell_set_aside(aside, journal)
            return result

    def _replace(self, damaged: Journal, error: JournalDamaged) -> SetAside | None:
        with self._lock:
            if self.journal is not damaged:
                return None
            self.journal, aside = replace_journal(damaged, self.clock, error)
            if self.connection:  # entries are numbered anew, so that the next number of a connection is due
                self.connection = self.journal.begin_connection(self.connection)
            self._label(self.journal)
            return aside

    def _label(self, journal: Journal) -> None:
        """Have a journal say how its entries are read; this alone is no reason to do without it."""
        if self._reading is None:
            return
        try:
            journal.keep_reading(self._reading)
        except JournalError as error:
            log.debug("how the journal is read was not kept", error=str(error))

    def _watch(self, share: float) -> None:
        with self._lock:
            reached = sum(share >= alarm for alarm in _ALARM_SHARES)
            is_eased = bool(self._alarms) and share < _EASED_SHARE
            if reached <= self._alarms and not is_eased:
                return
            self._alarms = reached
        # the log has it also where the journal does not take it
        with suppress(JournalError):
            if is_eased:
                self.record("journal.eased", percent=int(share * 100))
            else:
                level = "error" if reached == len(_ALARM_SHARES) else "warning"
                self.record("journal.filling", level, percent=int(share * 100))


def _clean(value: Any) -> Any:
    """Return a fact as it can be stored: a host may answer with half a character."""
    return replace_halves(value) if isinstance(value, str) else value
