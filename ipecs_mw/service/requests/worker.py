"""The worker of one account: takes what is queued for it, has it carried out at most once, writes how it ended."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    CommandRefused,
    IpecsMwError,
    ReplyLost,
    StoreRefused,
    StoreUnavailable,
    TokenExpired,
    Unexpected,
)
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.requests.endings import describe_error, find_secret_names, find_state
from ipecs_mw.service.requests.resolver import Resolver
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.commands import carry_out, carry_out_as_station, find_command
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.coordination.requests import (
    Request,
    claim_request,
    find_claimed,
    find_sent,
    finish_request,
    give_up_requests,
    hide_arguments,
    requeue_request,
)
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_MOST_ATTEMPTS = 3
_MOST_RESULT_CHARACTERS = 100_000


class _Claim(NamedTuple):
    """A claim by its name; `since` is the monotonic time before which it was not made."""

    name: str
    since: float


class RequestWorker:
    """Serves one account's requests; used by the executor's thread. Every method may raise StoreError.

    `names` are the hosts whose requests are its own: its name, and None where a request need not name the only
    host; one that names another profile than `profile` is not. `note_session` is asked before each request for
    what drops the session that it goes by, where the host no longer knows the token.
    """

    def __init__(
        self,
        host: HostSettings,
        names: Sequence[str | None],
        profile: str,
        account: str,
        client: HostClient,
        store: Store,
        decrypt: Decrypt,
        counters: Counters,
        clock: Clock,
        note_session: Callable[[], Callable[[IpecsMwError], None]],
    ) -> None:
        self._profile = profile
        self._account = account
        self._client = client
        self._store = store
        self._decrypt = decrypt
        self._counters = counters
        self._clock = clock
        self._note_session = note_session
        self._resolver = Resolver(client, store, clock)
        self._lost: _Claim | None = None
        """A claim that was asked for and never confirmed."""
        self._due: Callable[[], None] | None = None
        self.change(host, names)

    def change(self, host: HostSettings, names: Sequence[str | None]) -> None:
        """Go on with other settings."""
        self._host = host
        self._names = names

    def serve(self) -> bool:
        """Carry out the next request, the end of the last one written; tell whether there was one."""
        self._write_end()
        taken = self._take()
        if taken is not None:
            self._carry_out(*taken)
        return taken is not None

    def give_up(self) -> None:
        """Mark what was claimed for this account and is not being carried out: whether it was is unknown."""
        self._write_end()
        for request in find_sent(self._store, self._account):
            claimed_at = request.get("claimed_at")
            if isinstance(claimed_at, datetime):
                self._resolver.watch(request, self._host.name, claimed_at)
        give_up_requests(self._store, self._account, find_secret_names(self._client.commands))

    def resolve(self) -> None:
        """Mark as done what ended as `unknown`, where the events that followed show that it was carried out."""
        self._resolver.step()

    def _take(self) -> tuple[Request, _Claim] | None:
        """Claim a request; one whose claim was made but never confirmed is not lost."""
        claim = self._lost or self._new_claim()
        request = find_claimed(self._store, claim.name) if self._lost else None
        if request is None:
            claim = self._new_claim()
            self._lost = claim  # until it is confirmed
            request = claim_request(self._store, self._names, self._account, claim.name, self._profile)
        self._lost = None
        return None if request is None else (request, claim)

    def _new_claim(self) -> _Claim:
        return _Claim(secrets.token_hex(8), self._clock.monotonic())

    def _carry_out(self, request: Request, claim: _Claim) -> None:
        state, fields = "done", {}
        self._resolver.yield_to(request)
        sent_at = self._clock.now()
        drop = self._note_session()
        try:
            fields["result"] = self._execute(request, claim, drop)
            log.info("request.done", host=self._host.name, command=request["command"])
        except (TokenExpired, StoreUnavailable) as error:
            # refused at the door, or MongoDB went away before anything was sent
            if isinstance(error, TokenExpired):
                drop(error)
            attempts = _count_attempts(request)
            if attempts < _MOST_ATTEMPTS:
                self._due = partial(requeue_request, self._store, claim.name, attempts, request.get("args"))
                if isinstance(error, StoreUnavailable):
                    raise
                self._write_end()
                return
            state, fields = self._fail(request, error)
        except IpecsMwError as error:
            state, fields = self._fail(request, error)
        except Exception as error:  # a defect with one request must not hold up the others
            log.critical("thread.failed", thread=f"executor-{self._host.name}", exc_info=True)
            state, fields = self._fail(request, Unexpected("error.unexpected", reason=type(error).__name__))
        if state == "unknown":
            self._resolver.watch(request, self._host.name, sent_at)
        self._counters.add("requests", state)
        self._due = partial(self._finish, claim, state, fields)
        self._write_end()

    def _fail(self, request: Request, error: IpecsMwError) -> tuple[str, dict[str, Any]]:
        state = find_state(error)
        log.warning(
            "request.failed",
            host=self._host.name,
            command=str(request.get("command")),
            state=state,
            detail=logs.explain(error),
        )
        return state, {"error": describe_error(error)}

    def _write_end(self) -> None:
        """Write how the last request ended; where MongoDB is away, before anything else the next time."""
        if self._due is not None:
            self._due()
            self._due = None

    def _finish(self, claim: _Claim, state: str, fields: Mapping[str, Any]) -> None:
        names = find_secret_names(self._client.commands)
        # what BSON does not take (a lone surrogate, 17 MB) is kept as text, as far as it goes
        plain = {
            name: json.dumps(value, default=str)[:_MOST_RESULT_CHARACTERS] for name, value in fields.items()
        }
        try:
            finish_request(self._store, claim.name, state, names, **fields)
        except StoreRefused as error:
            log.debug("a result as it is cannot be stored", host=self._host.name, error=str(error))
            finish_request(self._store, claim.name, state, names, **plain)

    def _execute(self, request: Request, claim: _Claim, drop: Callable[[IpecsMwError], None]) -> Any:
        given = request.get("args") or {}
        command = find_command(self._client.commands, request.get("command"))
        if not isinstance(given, Mapping):
            raise CommandRefused(
                "error.field_value",
                document="requests",
                path="args",
                value=type(given).__name__,  # not the value: a secret may be in it
                allowed="{…}",
                family="arguments",
                name="args",
            )
        hidden = [each.name.lower() for each in command.params if each.is_secret and each.name in given]
        if hidden and not hide_arguments(self._store, claim.name, hidden):
            raise CommandRefused("error.request_taken", command=command.id, name="request_taken")
        not_after = _find_end(request, claim)
        if self._host.service in command.services:
            try:
                return carry_out(self._client, command, given, not_after=not_after)
            except ReplyLost as error:
                if isinstance(error.__cause__, TokenExpired):  # in the midst of several requests
                    drop(error.__cause__)
                raise
        try:
            return carry_out_as_station(
                self._host,
                command,
                given,
                self._client.commands,
                self._client.codes,
                self._clock,
                self._decrypt,
                not_after=not_after,
            )
        except TokenExpired as error:  # the station's own, of this one request
            raise CommandRefused(
                error.key, **error.facts, family="common", code=3, name="invalid_token"
            ) from error


def _count_attempts(request: Request) -> int:
    """Return how often a request was tried: one that never gets through must end."""
    before = request.get("attempts")
    return 1 + (before if isinstance(before, int) else 0)


def _find_end(request: Request, claim: _Claim) -> float | None:
    """Return the monotonic time from which a request must not be sent any more; None where it never expires.

    Both instants are of the server's clock, as who wrote the one had none of ours; what passed since is ours.
    """
    expires_at, claimed_at = request.get("expires_at"), request.get("claimed_at")
    if not isinstance(expires_at, datetime) or not isinstance(claimed_at, datetime):
        return None
    return claim.since + (expires_at - claimed_at).total_seconds()
