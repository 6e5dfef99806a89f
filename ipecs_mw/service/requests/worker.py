"""The worker of one account: takes what is queued for it, has it carried out at most once, writes how it ended."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    CommandRefused,
    IpecsMwError,
    ReplyLost,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    TokenExpired,
    Unexpected,
)
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.protocol.values import MASK
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.requests.resolver import Resolver
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.commands import carry_out, carry_out_as_station, find_command
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.coordination.requests import (
    Request,
    claim_request,
    expire_requests,
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
        self._claim = secrets.token_hex(8)
        self._is_claim_lost = False
        self._due: Callable[[], None] | None = None
        self.change(host, names)

    def change(self, host: HostSettings, names: Sequence[str | None]) -> None:
        """Go on with other settings."""
        self._host = host
        self._names = names

    def serve(self) -> bool:
        """Carry out the next request, the end of the last one written; tell whether there was one."""
        self._write_end()
        request = self._take()
        if request is not None:
            self._carry_out(request)
        return request is not None

    def give_up(self) -> None:
        """Mark what was claimed for this account and is not being carried out: whether it was is unknown."""
        self._write_end()
        for request in find_sent(self._store, self._account):
            claimed_at = request.get("claimed_at")
            if isinstance(claimed_at, datetime):
                self._resolver.watch(request, self._host.name, claimed_at)
        give_up_requests(self._store, self._account)

    def resolve(self) -> None:
        """Mark as done what ended as `unknown`, where the events that followed show that it was carried out."""
        self._resolver.step()

    def expire(self) -> None:
        """Mark what has waited too long, whoever it is for."""
        expire_requests(self._store)

    def _take(self) -> Request | None:
        """Claim a request; one whose claim was made but never confirmed is not lost."""
        try:
            request = find_claimed(self._store, self._claim) if self._is_claim_lost else None
            if request is None:
                request = claim_request(self._store, self._names, self._account, self._claim, self._profile)
        except StoreError:
            self._is_claim_lost = True
            raise
        self._claim, self._is_claim_lost = secrets.token_hex(8), False
        return request

    def _carry_out(self, request: Request) -> None:
        state, fields = "done", {}
        self._resolver.yield_to(request)
        sent_at = self._clock.now()
        drop = self._note_session()
        try:
            fields["result"] = self._execute(request)
            log.info("request.done", host=self._host.name, command=request["command"])
        except TokenExpired as error:
            drop(error)
            if self._is_to_be_repeated(request):  # refused at the door: nothing was done
                self._due = partial(requeue_request, self._store, request["_id"], request.get("args"))
                self._write_end()
                return
            state, fields = self._fail(request, error)
        except StoreUnavailable as error:
            if self._is_to_be_repeated(request):  # MongoDB went away before anything was sent
                self._due = partial(requeue_request, self._store, request["_id"], request.get("args"))
                raise
            state, fields = self._fail(request, error)
        except IpecsMwError as error:
            state, fields = self._fail(request, error)
        except Exception as error:  # a defect with one request must not hold up the others
            log.critical("thread.failed", thread=f"executor-{self._host.name}", exc_info=True)
            state, fields = self._fail(request, Unexpected("error.unexpected", reason=type(error).__name__))
        if state == "unknown":
            self._resolver.watch(request, self._host.name, sent_at)
        self._counters.add("requests", state)
        self._due = partial(self._finish, request["_id"], state, fields)
        self._write_end()

    def _is_to_be_repeated(self, request: Request) -> bool:
        """Tell whether a request that was not sent may be given back: one that never gets through must end."""
        attempts = request.get("attempts", 0)
        return not isinstance(attempts, int) or attempts + 1 < _MOST_ATTEMPTS

    def _fail(self, request: Request, error: IpecsMwError) -> tuple[str, dict[str, Any]]:
        state = "unknown" if isinstance(error, ReplyLost | Unexpected) else "failed"
        log.warning(
            "request.failed",
            host=self._host.name,
            command=str(request.get("command")),
            state=state,
            detail=logs.explain(error),
        )
        return state, {"error": _describe(error)}

    def _write_end(self) -> None:
        """Write how the last request ended; where MongoDB is away, before anything else the next time."""
        if self._due is not None:
            self._due()
            self._due = None

    def _finish(self, request_id: Any, state: str, fields: Mapping[str, Any]) -> None:
        try:
            finish_request(self._store, request_id, state, **fields)
        except StoreRefused as error:
            log.debug("a result as it is cannot be stored", host=self._host.name, error=str(error))
            # what BSON does not take (a lone surrogate, 17 MB) is kept as text, as far as it goes
            plain = {
                name: json.dumps(value, default=str)[:_MOST_RESULT_CHARACTERS]
                for name, value in fields.items()
            }
            finish_request(self._store, request_id, state, **plain)

    def _execute(self, request: Request) -> Any:
        given = request.get("args") or {}
        command = find_command(self._client.commands, request.get("command"))
        if not isinstance(given, Mapping):
            raise CommandRefused("error.field_value", document="requests", path="args", value=repr(given)[:100],
                                 allowed="{…}", family="arguments", name="args")  # fmt: skip
        hidden = [each.name for each in command.params if each.is_secret and each.name in given]
        if hidden:
            hide_arguments(self._store, request["_id"], hidden, MASK)
        if self._host.service in command.services:
            return carry_out(self._client, command, given)
        try:
            return carry_out_as_station(
                self._host,
                command,
                given,
                self._client.commands,
                self._client.codes,
                self._clock,
                self._decrypt,
            )
        except TokenExpired as error:  # the station's own, of this one request
            raise CommandRefused(
                error.key, **error.facts, family="common", code=3, name="invalid_token"
            ) from error


def _describe(error: IpecsMwError) -> dict[str, Any]:
    """Return an error as `requests` keeps it: family, code and name where they are known, and the sentence."""
    facts = {name: error.facts.get(name) for name in ("family", "code", "name")}
    found = {name: value for name, value in facts.items() if value is not None}
    return {"name": error.key.removeprefix("error."), **found, "text": logs.explain(error)}
