"""Commands and questions from Python: needs only the MongoDB URI; for commands, a daemon that runs.

from ipecs_mw import Client

with Client("mongodb://127.0.0.1:27017/ipecs_mw") as client:
    client.send("call.make", deviceNumber="1001", calledDN="0123456")
    for call in client.calls(group="620", outcome="abandoned"):
        print(call["began_at"], call["caller"])
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self

from ipecs_mw.calls.outcome import DIRECTIONS, OUTCOMES
from ipecs_mw.clock import Clock, SystemClock
from ipecs_mw.errors import CommandFailed, CommandRefused, IpecsMwError, NoSuchName, StoreRefused, Words
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls import call_query
from ipecs_mw.store.calls.call_query import CallFilter, find_calls, load_call
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.calls.missed_query import STATES, MissedFilter, find_items
from ipecs_mw.store.calls.numbers import read_wanted
from ipecs_mw.store.coordination.requests import await_request, expire_request, is_waiting, submit_request
from ipecs_mw.store.coordination.unserved import find_address_fault, read_addressees
from ipecs_mw.store.events import event_query
from ipecs_mw.store.events.event_query import Filter
from ipecs_mw.store.server.connection import Store, open_client
from ipecs_mw.store.server.following import Change, Following, Source

_GRACE_SECONDS = 20.0
_SOON_SECONDS = 1.0
"""A daemon that runs says within it that there is no such host; then it is looked for here."""

_FOLLOWED: Mapping[str, tuple[Source, type[Filter | CallFilter]]] = {
    "events": (event_query.SOURCE, Filter),
    "calls": (call_query.SOURCE, CallFilter),
}

_KEYS = {
    "failed": "error.request_failed",
    "expired": "error.request_expired",
    "unknown": "error.request_unknown",
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

        A station, agent or group is one that was involved in any way, a number one of outside in any spelling.
        `since` ≤ began < `until`, aware. `before` and `after` are ids of calls: the next page is `before` the last
        one. Raises NoSuchName for a direction or outcome that there is not, CommandRefused for what is no text, no
        aware instant or a limit below 0, StoreError as `send`.
        """
        _check_choice("direction", direction, DIRECTIONS, self._texts)
        _check_choice("outcome", outcome, OUTCOMES, self._texts)
        self._check(
            host=host, station=station, agent=agent, group=group, number=number, since=since, until=until
        )
        _check_limit(limit, self._texts)
        wanted = CallFilter(
            host=host,
            station=station,
            agent=agent,
            group=group,
            numbers=self._read_number(number),
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

    def follow(
        self,
        what: str = "events",
        *,
        after: str | None = None,
        host: str | None = None,
        station: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Follower:
        """Follow `events` as they are stored, or `calls` as they change, from now on or `after` a position.

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


def send(
    store: Store,
    clock: Clock,
    command: str,
    arguments: dict[str, Any],
    *,
    host: str | None,
    by: str,
    profile: str | None,
    timeout_seconds: float,
    texts: Texts,
) -> Any:
    """Queue a request and return its result; raises CommandFailed as `Client.send` says."""
    now = clock.now()
    expires_at = now + timedelta(seconds=timeout_seconds)
    request_id = submit_request(
        store,
        command,
        arguments,
        host=host,
        by=by,
        created_at=now,
        expires_at=expires_at,
        profile=profile,
    )
    request = await_request(store, request_id, min(timeout_seconds, _SOON_SECONDS), clock)
    if request is None:
        _check_address(store, request_id, command, host, profile, texts)
        request = await_request(store, request_id, max(timeout_seconds - _SOON_SECONDS, 0.0), clock)
    if request is None:
        _take_back(store, request_id)
        # what was claimed in the last moment still gets its reply's deadline
        request = await_request(store, request_id, _GRACE_SECONDS, clock)
    if request is None and is_waiting(store, request_id):
        raise CommandFailed("error.request_expired", command=command, state="expired")
    if request is None:
        raise CommandFailed("error.request_unanswered", command=command, state="unknown", id=str(request_id))
    if request["state"] == "done":
        return request.get("result")
    error = request.get("error")
    error = error if isinstance(error, dict) else {"text": str(error or "")}
    raise CommandFailed(
        _KEYS[request["state"]],
        command=command,
        state=request["state"],
        family=error.get("family"),
        code=error.get("code"),
        name=error.get("name"),
        text=error.get("text", ""),
    )


def _check_address(
    store: Store, request_id: Any, command: str, host: str | None, profile: str | None, texts: Texts
) -> None:
    """Take a request back that no daemon would ever take; raise CommandFailed then.

    Who may not read the configuration is not told so before the time is over, unless a daemon runs.
    """
    with suppress(StoreRefused):
        known = read_addressees(store)
        fault = find_address_fault(known, profile, host) if known else None
        if fault is not None and expire_request(store, request_id):
            names = {name: fault.facts.get(name) for name in ("family", "code", "name")}
            text = texts.explain(fault)
            raise CommandFailed("error.request_failed", command=command, state="failed", **names, text=text)


def _take_back(store: Store, request_id: Any) -> None:
    """Take a request back unless it was claimed; who may only queue leaves it, and nobody takes it late."""
    with suppress(StoreRefused):
        expire_request(store, request_id)


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
