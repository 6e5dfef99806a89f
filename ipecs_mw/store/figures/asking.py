"""Questions about figures: which documents answer them, and the table that they make.

Groups and agents are asked for in the figures that are kept; days of the host's zone in their sums. What call
accounting wants is summed from the calls themselves.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import convert, structs

from ipecs_mw.errors import CannotStart, NoSuchName, StoreRefused, Words
from ipecs_mw.figures.answers.day_sums import name_figure
from ipecs_mw.figures.answers.formulas import SERVICE_LEVELS
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.rows import Part, new_part, put
from ipecs_mw.figures.counting.rules import Rule, Rules, read_rules
from ipecs_mw.figures.time.hours import OFFICE, OUTSIDE, find_filter
from ipecs_mw.figures.time.intervals import begin_day, count_most, find_day, list_intervals, next_day
from ipecs_mw.figures.time.quarters import QUARTER, find_quarter, split
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.figure_names import LIMITS
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.figures.place import Place, load_places
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Document = dict[str, Any]

MOST_ROWS = 200_000
"""A question for more intervals of all groups or agents is refused."""

_OTHER = {"group": "agent", "agent": "group"}
_OF_DAYS = frozenset({"1d", "1w", "1M", "all"})
_LEFT_OUT = dict.fromkeys(
    ("_id", "updated_at", "until", "day", "zone", "formula", "threshold_seconds", "short_seconds"), 0
)


_KEYS = {
    "host": "error.no_such_host_figures",
    "group": "error.no_such_group_figures",
    "agent": "error.no_such_agent_figures",
}


_NARROWS: Mapping[str, Mapping[str, str]] = {
    "group": {"group": "group"},
    "agent": {"agent": "agent", "stations": "station", "groups": "group"},
}
"""Kind of figures → their fields by which a question narrows them down, and its own name for each."""


class Key(NamedTuple):
    """Whose figures a row has, in which interval."""

    at: int
    host: str
    name: str


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
        self._check_rows(count_most(self.since, self.until, question.interval))
        self.spans = list(list_intervals(self.since, self.until, question.interval, self.zone))
        self.starts = [begin for begin, _ in self.spans]
        self.rules = self._read_rules()
        self.is_wanted = self._find_filter()

    def ask(self, **changes: Any) -> "Asked":
        """Return the same question with some of it changed."""
        return Asked(self.store, self.settings, structs.replace(self.question, **changes))

    def _check_rows(self, rows: int) -> None:
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

    def read(self, kind: str) -> Iterator[Document]:
        """Yield the documents of a kind that answer the question: quarter hours, and days where these do."""
        question = self.question
        named = {name: getattr(question, narrows) for name, narrows in _NARROWS.get(kind, {}).items()}
        query: Document = {"kind": kind}
        query |= {name: {"$eq": value} for name, value in named.items() if value is not None}
        is_one = kind in query  # of a single group or agent; no document has both
        if is_one:
            query[_OTHER[kind]] = None
        with store_errors():
            for host, place in self.places.items():
                for collection, since, until in self._plan(place, kind):
                    span = {"host": host, **query, "from": {"$gte": since, "$lt": until}}
                    found = self.store.database[collection].find(span, _LEFT_OUT, batch_size=10_000)
                    found = found.hint("by_name" if is_one else "by_kind")
                    yield from (
                        found
                        if self.is_wanted is None
                        else (each for each in found if self.is_wanted(each["from"]))
                    )

    def _plan(self, place: Place, kind: str) -> Iterator[tuple[str, datetime, datetime]]:
        """Yield which collection is read from when until when."""
        since, until = self.since, self.until
        has_days = self.question.interval in _OF_DAYS and place.zone == self.zone.key
        is_of_parts = kind == "agent" and not {self.question.group, self.question.station} <= {None}
        if (
            has_days and self.is_wanted is None and not is_of_parts
        ):  # an agent may be there for a part of a day
            first = _begin_next_day(since, self.zone)
            summed = begin_day(date.fromisoformat(place.summed), self.zone)
            last = min(begin_day(find_day(until, self.zone), self.zone), summed)
            if first < last:
                yield from (("figures", since, first), ("figure_days", first, last))
                since = last
        if since < until:
            yield "figures", since, until

    def sum(self, kind: str) -> dict[Key, Part]:
        """Return what documents of a kind add up to, by interval and whose they are."""
        parts: dict[Key, Part] = {}
        starts, is_one = self.starts, len(self.starts) == 1
        for document in self.read(kind):
            at = 0 if is_one else bisect_right(starts, document["from"]) - 1
            key = Key(at, document["host"], name_figure(document)[1])
            part = parts.get(key)
            if part is None:
                part = parts[key] = new_part()
                self._check_rows(len(parts))
            put(part, document)
        return parts

    def find_gaps(self) -> Mapping[tuple[int, str], float]:
        """Return the seconds of gap by interval and host."""
        gaps: dict[tuple[int, str], float] = {}
        with store_errors():
            for host in self.places:
                span = {"$gte": self.since, "$lt": self.until}
                query = {"host": host, "kind": "host", "from": span, "gap_seconds": {"$exists": True}}
                for each in self.store.database["figures"].find(query, {"from": 1, "gap_seconds": 1}):
                    if self.is_wanted is None or self.is_wanted(each["from"]):
                        key = bisect_right(self.starts, each["from"]) - 1, host
                        gaps[key] = round(gaps.get(key, 0.0) + each["gap_seconds"], 3)
        return gaps

    @cached_property
    def waiting(self) -> Collection[tuple[int, str]]:
        """The intervals, with their hosts, in which something is still to be counted anew."""
        with store_errors():
            span = {"$gte": self.since, "$lt": self.until}
            found = self.store.database["figure_marks"].find(
                {"host": {"$in": [*self.places]}, "quarter": span}
            )
            return {(bisect_right(self.starts, each["quarter"]) - 1, each["host"]) for each in found}

    def count_seconds(self, since: datetime, until: datetime) -> float:
        """Return how many seconds of a stretch are asked for, and counted by now."""
        known = until if self.as_of is None else min(until, self.as_of)
        if self.is_wanted is None:
            return max(0.0, (known - since).total_seconds())
        return sum(seconds for quarter, seconds in split(since, known) if self.is_wanted(quarter))


def _begin_next_day(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day that is not before an instant."""
    day = find_day(at, zone)
    begin = begin_day(day, zone)
    return begin if begin == at else begin_day(next_day(day), zone)


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
    """Refuse a formula, a host, a group or an agent that nobody has, and what does not narrow down what is asked.

    Raises NoSuchName, which says what there is.
    """
    for limit in ("group", "agent", "station"):
        allowed = LIMITS[question.what]
        if getattr(question, limit) is not None and limit not in allowed:
            raise NoSuchName(
                "error.no_such_limit", name=limit, what=question.what, allowed=", ".join(sorted(allowed))
            )
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
