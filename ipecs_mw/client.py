"""Commands and questions from Python: needs only the MongoDB URI; for commands, a daemon that runs.

from ipecs_mw import Client

with Client("mongodb://127.0.0.1:27017/ipecs_mw") as client:
    client.send("call.make", deviceNumber="1001", calledDN="0123456")
    for call in client.calls(group="620", outcome="abandoned"):
        print(call["began_at"], call["caller"])
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Self, get_args

from ipecs_mw.calls.documents.outcome import DIRECTIONS, OUTCOMES
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CommandRefused, IpecsMwError, NoSuchName, Words
from ipecs_mw.figures.answers.question import USUAL_INTERVALS, Question
from ipecs_mw.figures.answers.table import describe_table
from ipecs_mw.figures.time.intervals import INTERVALS
from ipecs_mw.figures.time.periods import choose_span
from ipecs_mw.model.configuration.rules import is_timezone
from ipecs_mw.model.figure_names import Period, What
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls import call_query
from ipecs_mw.store.calls.call_query import CallFilter, find_calls, load_call
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.calls.missed_query import STATES, MissedFilter, find_items
from ipecs_mw.store.calls.names import read_name
from ipecs_mw.store.calls.numbers import read_wanted
from ipecs_mw.store.coordination.sending import send
from ipecs_mw.store.events import event_query
from ipecs_mw.store.events.event_query import Filter
from ipecs_mw.store.figures import following
from ipecs_mw.store.figures.asking import find_zone, load_what_is_allowed
from ipecs_mw.store.figures.following import FigureFilter
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import open_client
from ipecs_mw.store.server.following import Change, Following, Source

_FOLLOWED: Mapping[str, tuple[Source, type[Filter | CallFilter | FigureFilter]]] = {
    "events": (event_query.SOURCE, Filter),
    "calls": (call_query.SOURCE, CallFilter),
    "figures": (following.SOURCE, FigureFilter),
}


class Follower(Following):
    """What `Client.follow` gives: `Following`, whose errors are sentences."""

    def __init__(self, texts: Texts, *arguments: Any, **options: Any) -> None:
        self._texts = texts
        with _told_in_words(texts):
            super().__init__(*arguments, **options)

    def __next__(self) -> Change:
        with _told_in_words(self._texts):
            return super().__next__()


class Client:
    """Sends commands through the daemon that holds the host's session, and asks; safe to share between threads.

    `str` of every error that it raises is a sentence, in the language of `IPECS_MW_LOCALE` or of the environment.
    """

    def __init__(
        self, mongo_uri: str, *, created_by: str = "python", profile: str | None = "default"
    ) -> None:
        """Connect; raises StoreUnavailable, StoreRefused or InvalidDocument (a URI that does not parse).

        Commands are for the daemons of `profile`, or of any where it is None.
        """
        self._texts = shipped_texts()
        with _told_in_words(self._texts):
            self._store = open_client(mongo_uri, "mongo_uri")
        self._created_by = created_by
        self._profile = profile
        self._clock = SystemClock()

    def send(
        self, command: str, *, host: str | None = None, timeout_seconds: float = 30.0, **arguments: Any
    ) -> Any:
        """Have `command` carried out and return the host's reply (its JSON body, None where it is empty).

        `host` may be left out where the daemon has only one. None is also the reply where that was lost and the
        events have shown already that the host carried the command out. A request that no daemon took within
        `timeout_seconds` is never sent. Raises CommandFailed with `state` (`failed`, `expired` or `unknown`),
        `family`, `code`, `name` and `text`; StoreUnavailable or StoreRefused where MongoDB does not do its part.
        """
        with _told_in_words(self._texts):
            return send(
                self._store,
                self._clock,
                command,
                arguments,
                host=host,
                by=self._created_by,
                profile=self._profile,
                timeout_seconds=timeout_seconds,
                texts=self._texts,
            )

    def calls(
        self,
        *,
        host: str | None = None,
        station: str | None = None,
        agent: str | None = None,
        group: str | None = None,
        number: str | None = None,
        name: str | None = None,
        direction: str | None = None,
        outcome: str | None = None,
        is_open: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Iterator[dict[str, Any]]:
        """Return the calls that match, newest first: documents of `calls`, `limit` at the most (0: all).

        A station, agent or group is one that was involved in any way, a number one of outside in any spelling, a
        name what words of the caller's name begin with, without case and accents.
        `since` ≤ began < `until`, aware. `before` and `after` are ids of calls: the next page is `before` the last
        one. Raises NoSuchName for a direction or outcome that there is not, CommandRefused for what is no text, a
        name without a letter, no aware instant or a limit below 0, StoreError as `send`.
        """
        _check_choice("direction", direction, DIRECTIONS, self._texts)
        _check_choice("outcome", outcome, OUTCOMES, self._texts)
        self._check(
            host=host,
            station=station,
            agent=agent,
            group=group,
            number=number,
            name=name,
            since=since,
            until=until,
        )
        _check_limit(limit, self._texts)
        wanted = CallFilter(
            host=host,
            station=station,
            agent=agent,
            group=group,
            numbers=self._read_number(number),
            words=self._read_name(name),
            direction=direction,
            outcome=outcome,
            is_open=is_open,
            since=since,
            until=until,
        )
        return self._tell(find_calls(self._store, wanted, limit=limit, before=before, after=after))

    def call(self, call_id: str) -> dict[str, Any]:
        """Return one call by its id, or a beginning that only one has; raises NoSuchName for none and several."""
        self._check(call_id=call_id)
        with _told_in_words(self._texts):
            return load_call(self._store, call_id)

    def live(self, host: str | None = None, *, group: str | None = None) -> dict[str, Any]:
        """Return what stations, agents and groups do now, as `ipecs-mw live --format json` prints it.

        `is_stale` says that it may no longer be so, also of each host and each of the `items`.
        """
        self._check(host=host, group=group)
        with _told_in_words(self._texts):
            return load_live(self._store, host=host, group=group).describe(self._clock.now())

    def missed(
        self,
        state: str | None = "open",
        *,
        host: str | None = None,
        group: str | None = None,
        number: str | None = None,
        owner: str | None = None,
        limit: int = 50,
    ) -> Iterator[dict[str, Any]]:
        """Return the missed calls that match, that of the latest call first; with `state` None closed ones too."""
        _check_choice("state", state, STATES, self._texts)
        self._check(host=host, group=group, number=number, owner=owner)
        _check_limit(limit, self._texts)
        wanted = MissedFilter(
            state=state, host=host, group=group, owner=owner, numbers=self._read_number(number)
        )
        return self._tell(find_items(self._store, wanted, limit=limit))

    def figures(
        self,
        what: str = "queues",
        *,
        period: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        interval: str | None = None,
        zone: str | None = None,
        host: str | None = None,
        group: str | None = None,
        agent: str | None = None,
        station: str | None = None,
        formula: str | None = None,
        threshold_seconds: int | None = None,
        hours: str | None = None,
        top: int | None = None,
    ) -> dict[str, Any]:
        """Return figures as `ipecs-mw figures --format json` prints them: `items`, and their `total`.

        Without `period` or `since`: today, or the day up to `until`; `until` now where `since` is given. Raises
        NoSuchName for a question, interval, period, formula, host, group, agent or hours that there are not,
        CommandRefused for what is no aware instant, no zone, or a number out of range, StoreError as `send`.
        """
        for name, value, allowed in (
            ("what", what, get_args(What)),
            ("period", period, get_args(Period)),
            ("interval", interval, INTERVALS),
        ):
            _check_choice(name, value, allowed, self._texts)
        self._check(
            host=host, group=group, agent=agent, station=station, since=since, until=until, hours=hours
        )
        if zone is not None and not is_timezone(zone):
            _refuse("zone", zone, Words("allowed.timezone"), self._texts)
        for name, number, most in (("threshold_seconds", threshold_seconds, 3600), ("top", top, 100_000)):
            if number is not None and not 1 <= number <= most:
                _refuse(name, number, Words("allowed.integer_range", low=1, high=most), self._texts)
        with _told_in_words(self._texts):
            settings = load_what_is_allowed(self._store, self._profile)
            here, now = find_zone(self._store, settings, zone, host), self._clock.now()
            begin, end = choose_span(period, since, until, here, now)  # type: ignore[arg-type]
            question = Question(
                what=what,  # type: ignore[arg-type]
                since=begin,
                until=end,
                interval=interval or USUAL_INTERVALS.get(what, "all"),  # type: ignore[arg-type]
                zone=here.key,
                host=host,
                group=group,
                agent=agent,
                station=station,
                formula=formula,
                threshold_seconds=threshold_seconds,
                hours=hours,
                top=top,
            )
            return describe_table(ask(self._store, settings, question))

    def follow(
        self,
        what: str = "events",
        *,
        after: str | None = None,
        host: str | None = None,
        station: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Follower:
        """Follow `events` as they are stored, `calls` or `figures` as they change, from now or `after` a position.

        Each change has its `position`, the `id`, and the `document` as it is then: None for a call that is no
        more, since it became part of another one. Keep the position of the last change that was dealt with, or
        `position` of what this returns, and go on after it with the same filters: nothing is missed and nothing
        comes twice, as long as MongoDB's own log goes back so far; then PositionLost is raised. On a standalone
        server, which has no such log, what is stored more than ten seconds late is missed, and so are calls that
        are no more. It goes on for ever, or until nothing came for `timeout_seconds`.
        """
        _check_choice("what", what, tuple(_FOLLOWED), self._texts)
        self._check(host=host, station=station)
        source, kind = _FOLLOWED[what]
        query = kind(host=host, station=station).build()
        return Follower(
            self._texts, self._store, self._clock, source, query, after=after, timeout_seconds=timeout_seconds
        )

    def _check(self, **given: Any) -> None:
        """Refuse what would match nothing, or something else: a number for a text, an instant without a zone."""
        for name, value in given.items():
            is_instant = name in ("since", "until")
            is_right = (
                isinstance(value, datetime) and value.tzinfo is not None
                if is_instant
                else isinstance(value, str) and bool(value.strip())
            )
            if value is not None and not is_right:
                allowed = Words("allowed.instant" if is_instant else "allowed.text_not_empty")
                _refuse(name, value, allowed, self._texts)

    def _read_number(self, number: str | None) -> Sequence[str] | None:
        with _told_in_words(self._texts):
            return None if number is None else read_wanted(self._store, self._profile, number)

    def _read_name(self, name: str | None) -> Sequence[str] | None:
        with _told_in_words(self._texts):
            return None if name is None else read_name(name)

    def _tell(self, found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        with _told_in_words(self._texts):
            yield from found

    def close(self) -> None:
        """Close the connection to MongoDB."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_choice(name: str, value: str | None, allowed: Sequence[str], texts: Texts) -> None:
    """Refuse a value that there is not."""
    with _told_in_words(texts):
        if value is not None and value not in allowed:
            raise NoSuchName("error.no_such_choice", name=name, value=value, allowed=", ".join(allowed))


def _check_limit(limit: int, texts: Texts) -> None:
    """Refuse what MongoDB would take for something else."""
    if limit < 0:
        _refuse("limit", limit, Words("allowed.integer_from", low=0), texts)


def _refuse(name: str, value: Any, allowed: Words, texts: Texts) -> NoReturn:
    with _told_in_words(texts):
        raise CommandRefused("error.argument", name=name, value=repr(value)[:80], allowed=allowed)


@contextmanager
def _told_in_words(texts: Texts) -> Iterator[None]:
    try:
        yield
    except IpecsMwError as error:
        error.sentence = texts.explain(error)
        raise
