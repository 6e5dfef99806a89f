"""Questions about figures: whether they can be answered, and what answering needs: intervals, rules, places."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import convert, structs

from ipecs_mw.errors import CannotStart, NoSuchName, StoreRefused, Words
from ipecs_mw.figures.answers.formulas import SERVICE_LEVELS
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.counting.rules import Rule, Rules, read_rules
from ipecs_mw.figures.time.hours import OFFICE, OUTSIDE, find_filter
from ipecs_mw.figures.time.intervals import Span
from ipecs_mw.figures.time.profiles import PROFILES, count_most_spans, divide
from ipecs_mw.figures.time.quarters import QUARTER, find_quarter, list_quarters, split
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.figure_names import BY_INTERVAL, LIMITS
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.figures.place import Place, load_places
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

MOST_ROWS = 200_000
"""A question for more intervals of all groups or agents is refused."""

_OTHER = {"group": "agent", "agent": "group"}
_KEYS = {
    "host": "error.no_such_host_figures",
    "group": "error.no_such_group_figures",
    "agent": "error.no_such_agent_figures",
}


class Asked:
    """A question with what is needed to answer it: the intervals, the rules, and how far the figures are."""

    def __init__(self, store: Store, settings: Settings, question: Question) -> None:
        self.store = store
        self.settings = settings
        self.question = question
        self.zone = find_zone(store, settings, question.zone, question.host)
        self.since = find_quarter(question.since)
        until = find_quarter(question.until)
        self.until = until if until == question.until else until + QUARTER
        self.check_rows(count_most_spans(self.since, self.until, question.interval))
        self.profile = PROFILES.get(question.interval)
        division = divide(self.since, self.until, question.interval, self.zone)
        self._starts, self._rows = [begin for begin, _ in division.spans], division.rows
        self.spans: dict[int, list[Span]] = {}
        for row, span in zip(division.rows, division.spans, strict=True):
            self.spans.setdefault(row, []).append(span)
        self.rules = self._read_rules()
        self.is_wanted = self._find_filter()

    def ask(self, **changes: Any) -> "Asked":
        """Return the same question with some of it changed."""
        return Asked(self.store, self.settings, structs.replace(self.question, **changes))

    def check_rows(self, rows: int) -> None:
        """Refuse what would make more rows than anybody can read; raises NoSuchName."""
        if rows > MOST_ROWS:
            raise NoSuchName(
                "error.too_many_rows", interval=self.question.interval, rows=rows, most=MOST_ROWS
            )

    def _read_rules(self) -> Rules:
        question = self.question
        kept = next((place.rules for place in self.places.values() if place.rules), None)
        rules = read_rules(self.settings.figures) if kept is None else convert({**kept}, Rules)
        if question.formula is None and question.threshold_seconds is None:
            return rules

        def change(rule: Rule) -> Rule:
            formula = question.formula or rule.formula
            threshold = question.threshold_seconds
            return Rule(
                formula, rule.threshold_seconds if threshold is None else threshold, rule.short_seconds
            )

        return Rules({group: change(rule) for group, rule in rules.groups.items()}, change(rules.default))

    def _find_filter(self) -> Callable[[datetime], bool] | None:
        figures, name = self.settings.figures, self.question.hours
        try:
            return find_filter(name, figures.office_hours, figures.shifts, self.zone)
        except KeyError as error:
            allowed = [*([OFFICE] if figures.office_hours else ()), OUTSIDE, *figures.shifts]
            raise NoSuchName("error.no_such_hours", name=name, allowed=", ".join(allowed)) from error

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """How far the figures are of each host that is asked about."""
        wanted = self.question.host
        return {
            place.host: place
            for place in load_places(self.store)
            if (wanted is None or place.host == wanted) and place.as_of is not None
        }

    @property
    def as_of(self) -> datetime | None:
        """Up to when all figures that are asked for are counted; a phone system that is no more holds none up."""
        configured = {host.name for host in self.settings.hosts}
        reached = {host: place.as_of for host, place in self.places.items() if place.as_of is not None}
        known = {host: as_of for host, as_of in reached.items() if host in configured}
        return min((known or reached).values(), default=None)

    def find_row(self, at: datetime) -> int:
        """Return to which row an instant in the time asked for belongs."""
        return self._rows[bisect_right(self._starts, at) - 1]

    def find_gaps(self) -> Mapping[tuple[int, str], float]:
        """Return the seconds of gap by row and host."""
        gaps: dict[tuple[int, str], float] = {}
        with store_errors():
            for host in self.places:
                span = {"$gte": self.since, "$lt": self.until}
                query = {"host": host, "kind": "host", "from": span, "gap_seconds": {"$exists": True}}
                for each in self.store.database["figures"].find(query, {"from": 1, "gap_seconds": 1}):
                    if self.is_wanted is None or self.is_wanted(each["from"]):
                        key = self.find_row(each["from"]), host
                        gaps[key] = round(gaps.get(key, 0.0) + each["gap_seconds"], 3)
        return gaps

    @cached_property
    def waiting(self) -> Collection[tuple[int, str]]:
        """The rows, with their hosts, in which something is still to be counted anew."""
        with store_errors():
            span = {"$gte": self.since, "$lt": self.until}
            found = self.store.database["figure_marks"].find(
                {"host": {"$in": [*self.places]}, "quarter": span}
            )
            return {(self.find_row(each["quarter"]), each["host"]) for each in found}

    def count_seconds(self, since: datetime, until: datetime) -> float:
        """Return how many seconds of a stretch are asked for, and counted by now."""
        known = until if self.as_of is None else min(until, self.as_of)
        if self.is_wanted is None:
            return max(0.0, (known - since).total_seconds())
        return sum(seconds for quarter, seconds in split(since, known) if self.is_wanted(quarter))

    def count_times(self, spans: Iterable[Span]) -> int:
        """Return how many intervals are asked for, and have begun by what is counted."""
        return sum(1 for since, until in spans if self._has_begun(since, until))

    def _has_begun(self, since: datetime, until: datetime) -> bool:
        if self.as_of is None or since >= self.as_of:
            return False
        return self.is_wanted is None or any(map(self.is_wanted, list_quarters(since, until)))


def load_what_is_allowed(store: Store, profile: str | None) -> Settings:
    """Return the configuration, for names and office hours; an empty one for who may read figures alone."""
    try:
        return load_settings(store, profile or "default")[0]
    except (CannotStart, StoreRefused):
        return Settings(hosts=[])


def find_zone(store: Store, settings: Settings, name: str | None, host_name: str | None) -> ZoneInfo:
    """Return the zone of this name, else that of a host, else that of the first host. Raises StoreError.

    Who may not read the configuration is told by the figures.
    """
    if name is not None:
        return ZoneInfo(name)
    if not settings.hosts:
        places = [each for each in load_places(store) if each.zone and host_name in (None, each.host)]
        return ZoneInfo(places[0].zone if places else "UTC")
    named = [host for host in settings.hosts if host.name == host_name]
    hosts: Sequence[Any] = named or settings.hosts
    return ZoneInfo(hosts[0].timezone)


def check_names(store: Store, settings: Settings, question: Question) -> None:
    """Refuse a formula, a host, a group or an agent that nobody has, and what cannot be asked of such figures.

    Raises NoSuchName, which says what there is.
    """
    for limit in ("group", "agent", "station"):
        allowed = LIMITS[question.what]
        if getattr(question, limit) is not None and limit not in allowed:
            raise NoSuchName(
                "error.no_such_limit", name=limit, what=question.what, allowed=", ".join(sorted(allowed))
            )
    if question.interval != "all" and question.what not in BY_INTERVAL:
        raise NoSuchName("error.no_interval_of", what=question.what, interval=question.interval)
    if question.formula is not None and question.formula not in SERVICE_LEVELS:
        raise NoSuchName("error.no_such_formula", name=question.formula, allowed=", ".join(SERVICE_LEVELS))
    configured: Sequence[set[str]] = (
        {host.name for host in settings.hosts},
        set(settings.figures.groups),
        set(),
    )
    for (kind, key), names in zip(_KEYS.items(), configured, strict=True):
        name = getattr(question, kind)
        if name is None or name in names or _has_figures(store, kind, name):
            continue
        with store_errors():
            found = store.database["figures"].distinct(kind, {} if kind == "host" else {"kind": kind})
        if name not in found:
            raise NoSuchName(key, name=name, allowed=", ".join(sorted({*found, *names})[:50]) or "–")


def _has_figures(store: Store, kind: str, name: str) -> bool:
    """Tell whether there are figures of a group or an agent: to list all there are takes much longer."""
    if kind not in _OTHER:
        return False
    with store_errors():
        return any(
            store.database["figures"].find_one(
                {"host": place.host, "kind": kind, kind: name, _OTHER[kind]: None}, {"_id": 1}, hint="by_name"
            )
            for place in load_places(store)
        )


def note_progress(asked: Asked) -> Iterator[Words]:
    """Yield what has to be said of how far the figures are."""
    if asked.as_of is None:
        yield Words("figures.note.none")
        return
    if waiting := sum(place.waiting for place in asked.places.values()):
        yield Words("figures.note.waiting", quarters=waiting)
