"""What counts figures anew: one thread, in one daemon of all that share a database.

It counts the quarter hours that were marked since calls or states of agents changed there, and those that have
passed since it looked last. What it makes depends on the documents alone, so that it may stop anywhere.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import convert, structs, to_builtins

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError, StoreRefused
from ipecs_mw.figures.answers.day_sums import Name
from ipecs_mw.figures.counting.rules import Rules, read_rules
from ipecs_mw.figures.time.intervals import begin_day, find_day, next_day
from ipecs_mw.figures.time.quarters import find_quarter, list_quarters
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.days import begin_utc_day
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.process.sole_right import SoleRight
from ipecs_mw.store.figures.keeping import (
    Changed,
    count_anew,
    find_first,
    find_first_figure,
    mark_counted,
    sum_day_anew,
)
from ipecs_mw.store.figures.marks import count_marks, has_marks, list_marks, take_away
from ipecs_mw.store.figures.place import FORMAT, Place, find_as_of, load_place, save_place
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_LOOK_SECONDS = 0.4
_QUIET_SECONDS = 2.0  # where nothing is marked, the rest is looked at as seldom as that
_PASS_SECONDS = 10.0
"""What lasts is counted on so often where nothing else changes."""

_COST = 3.0  # the pause after a count is at least so many times what it took
_MOST_PAUSE_SECONDS = 300.0
_STAND_BY_SECONDS = 2.0
_MOST_MARKS = 2000
_DAYS_AT_ONCE = 20
_DAY = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)


class FigureOptions(NamedTuple):
    """How figures are made, as configured: rules of groups, how many trunks there are, the zone of each host.

    `kept_days` is how long calls are kept: quarter hours from before are not counted anew, since their calls are
    gone. None: for ever.
    """

    rules: Rules
    trunks: int
    zones: Mapping[str, ZoneInfo]
    kept_days: int | None

    def describe(self) -> Mapping[str, Any]:
        """Return what the figures depend on, to be compared with what they were counted by."""
        return {"trunks": self.trunks, **to_builtins(self.rules)}


def find_figure_options(settings: Settings, *, is_asked: bool = False) -> FigureOptions | None:
    """Return how this profile counts figures; None where its daemons are not to, and nobody asked for it."""
    if not (settings.calls.enabled or is_asked):
        return None
    zones = {host.name: ZoneInfo(host.timezone) for host in settings.hosts}
    figures = settings.figures
    return FigureOptions(read_rules(figures), figures.trunks or 0, zones, settings.calls.retention_days)


class FigureMaker:
    """Counts the figures of all hosts while it holds the right to; `run` is its thread.

    `read_settings` gives the configuration as it is now.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        read_settings: Callable[[], Settings],
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._read_settings = read_settings
        self._clock = clock
        self._stop = stop
        self._right = SoleRight(store, "reader:figures", owner, clock)
        self._quiet_until = float("-inf")
        self._passed_at: dict[str, float] = {}
        self._less_since: dict[str, float] = {}
        self._told: dict[str, Mapping[str, Any]] = {}

    def describe(self) -> Sequence[Mapping[str, Any]] | None:
        """Return how far each host's figures are; None where another daemon counts, or none."""
        return list(self._told.copy().values()) or None

    def run(self) -> None:
        """Count until stopped, whatever becomes of MongoDB."""
        take_turns(self._take_turn, self._clock, self._stop, self._tell_stopped)
        self._right.let_go()

    def _take_turn(self) -> float:
        options = find_figure_options(self._read_settings())
        if options is None or not self._right.hold():
            self._right.let_go()
            self._told.clear()
            return _STAND_BY_SECONDS
        begun = self._clock.monotonic()
        if begun < self._quiet_until and not has_marks(self._store):
            return _LOOK_SECONDS
        pause = self.turn(options)
        self._quiet_until = begun + _QUIET_SECONDS if pause else begun
        # where there is more, half the time is left to who stores events
        return pause or self._clock.monotonic() - begun

    def _tell_stopped(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("figures.stopped", detail=logs.explain(error))

    def finish(self, on_progress: Callable[[Mapping[str, Any]], None]) -> None:
        """Count what is due until nothing is, unless a daemon has the right to; tell how far each host is."""
        options = find_figure_options(self._read_settings(), is_asked=True)
        while options is not None and self._right.hold() and self.turn(options) == 0.0:
            for told in self._told.values():
                on_progress(told)
        self._right.let_go()

    def turn(self, options: FigureOptions) -> float:
        """Count once what is due for each host, a day at most; return after how many seconds to look again."""
        begun = self._clock.monotonic()
        is_more = False
        for host, as_of in find_as_of(self._store, self._clock.now()).items():
            if self._stop.is_set():
                return 0.0
            is_more |= self._count_host(host, as_of, options)
        if is_more:
            return 0.0
        cost = self._clock.monotonic() - begun
        return min(max(_LOOK_SECONDS, _COST * cost), _MOST_PAUSE_SECONDS)

    def _count_host(self, host: str, as_of: datetime, options: FigureOptions) -> bool:
        """Count what is due of a host; tell whether there is more."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        known = load_place(self._store, host)
        place = self._begin(known, options, now)
        if place.as_of is None:
            return False
        reached = _go_towards(place.as_of, self._trust(host, place.as_of, as_of))
        is_behind = reached < as_of or (reached < place.as_of and reached != as_of)
        marks = list_marks(self._store, host, reached, _MOST_MARKS)
        newest = marks[0].quarter if marks else None
        is_due = (
            is_behind
            or reached < place.as_of
            or monotonic - self._passed_at.get(host, float("-inf")) >= _PASS_SECONDS
        )
        if is_due or newest == find_quarter(reached):
            self._passed_at[host] = monotonic
            begin, end = sorted((place.as_of, reached))
            quarters = set(list_quarters(find_quarter(begin), end))
        elif newest is not None:
            reached = place.as_of
            quarters = {
                each.quarter for each in marks if begin_utc_day(each.quarter) == begin_utc_day(newest)
            }
        else:
            return False
        floor = find_quarter(now) - timedelta(days=options.kept_days or 0) if options.kept_days else None
        counted = {each for each in quarters if floor is None or each > floor}
        changed: Sequence[Changed] = []
        left = place.unsummed
        if counted:
            place = self._note_days(place, counted, now)
            changed = count_anew(
                self._store,
                host,
                counted,
                as_of=reached,
                now=now,
                rules=options.rules,
                trunks=options.trunks,
            )
        place = structs.replace(place, as_of=reached)
        place, has_more_days = self._sum(place, changed, left, now)
        done = [each for each in marks if each.quarter in quarters]
        take_away(self._store, done)
        waiting = count_marks(self._store, host) if len(done) < len(marks) else 0
        place = structs.replace(place, waiting=waiting)
        save_place(self._store, place, now)
        behind = 0.0 if place.as_of is None else max(0.0, (as_of - place.as_of).total_seconds())
        self._told[host] = {"host": host, "behind_seconds": round(behind, 1), "waiting": waiting}
        return is_behind or has_more_days or len(done) < len(marks)

    def _begin(self, place: Place, options: FigureOptions, now: datetime) -> Place:
        """Return where to go on: at the first call where nothing was counted, or in another way.

        Where other rules hold now, what was counted by those before is marked.
        """
        zone = options.zones.get(place.host) or ZoneInfo(place.zone or "UTC")
        if place.as_of is None or place.format != FORMAT:
            first = find_first(self._store, place.host)
            if first is None:
                return Place(place.host)
            begun = find_quarter(first)
            return Place(place.host, begun, zone.key, f"{find_day(begun, zone)}", rules=options.describe())
        if place.rules != options.describe():
            former = convert({**place.rules}, Rules)
            mark_counted(
                self._store,
                place.host,
                lambda group: former.find(group) != options.rules.find(group),
                has_host=place.rules.get("trunks") != options.trunks,
            )
            log.info("figures.rules_changed", host=place.host)
            place = structs.replace(place, rules=options.describe())
            save_place(self._store, place, now)
        if place.zone != zone.key:
            first = find_first_figure(self._store, place.host) or now
            place = structs.replace(place, zone=zone.key, summed=f"{find_day(first, zone)}")
        return place

    def _trust(self, host: str, counted: datetime, as_of: datetime) -> datetime:
        """Return up to when to take a host as known: less than was counted only once that has been so for a while.

        A reader that begins again is behind for a moment, and nothing is worse known for that.
        """
        if as_of >= counted:
            self._less_since.pop(host, None)
            return as_of
        now = self._clock.monotonic()
        return as_of if now - self._less_since.setdefault(host, now) >= _PASS_SECONDS else counted

    def _note_days(self, place: Place, quarters: Collection[datetime], now: datetime) -> Place:
        """Keep which days are to be summed after quarter hours have been counted, whoever does so then."""
        days = {f"{find_day(each, ZoneInfo(place.zone))}" for each in quarters}
        unsummed = sorted({day for day in days if day < place.summed} | {*place.unsummed})
        if unsummed == [*place.unsummed]:
            return place
        place = structs.replace(place, unsummed=unsummed)
        save_place(self._store, place, now)
        return place

    def _sum(
        self, place: Place, changed: Sequence[Changed], left: Sequence[str], now: datetime
    ) -> tuple[Place, bool]:
        """Sum the days that have passed, and those before in which anything changed; tell whether more are due.

        Those that were `left` by who could not do so any more are summed whole.
        """
        zone, summed = ZoneInfo(place.zone), date.fromisoformat(place.summed)
        place = structs.replace(place, unsummed=())
        if place.as_of is not None:
            summed = min(summed, find_day(place.as_of, zone))
        for each in map(date.fromisoformat, left):
            sum_day_anew(self._store, place.host, each, zone, now)
        names: dict[date, set[Name]] = {}
        for change in changed:
            day = find_day(change.quarter, zone)
            if day < summed:
                names.setdefault(day, set()).add(change.name)
        for day, only in names.items():
            sum_day_anew(self._store, place.host, day, zone, now, only)
        for _ in range(_DAYS_AT_ONCE):
            if place.as_of is None or begin_day(next_day(summed), zone) > place.as_of:
                return structs.replace(place, summed=f"{summed}"), False
            sum_day_anew(self._store, place.host, summed, zone, now)
            summed = next_day(summed)
        return structs.replace(place, summed=f"{summed}"), True


def _go_towards(place: datetime, as_of: datetime) -> datetime:
    """Return up to when to count next, a day at most.

    Backwards where less is known than seemed so: the session had been down for a while, the clock was wrong, or
    the reader reads again. What was counted as over is then counted as what it is.
    """
    if as_of >= place:
        return min(as_of, begin_utc_day(place) + _DAY)
    return max(as_of, begin_utc_day(place - _MOMENT))


def count_what_is_due(
    store: Store,
    owner: str,
    settings: Settings,
    clock: Clock,
    on_progress: Callable[[Mapping[str, Any]], None],
) -> None:
    """Count all figures that are due, unless a daemon does so; tell how far it is. Raises StoreError."""
    maker = FigureMaker(store, owner, lambda: settings, clock, threading.Event())
    maker.finish(on_progress)
