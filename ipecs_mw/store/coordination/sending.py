"""Sending a command from anywhere: queue the request, and wait for what becomes of it."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandFailed, StoreRefused
from ipecs_mw.model.texts import Texts
from ipecs_mw.store.coordination.requests import await_request, expire_request, is_waiting, submit_request
from ipecs_mw.store.coordination.unserved import find_address_fault, read_addressees
from ipecs_mw.store.server.connection import Store

_GRACE_SECONDS = 20.0
_SOON_SECONDS = 1.0
"""A daemon that runs says within it that there is no such host; then it is looked for here."""

_KEYS = {
    "failed": "error.request_failed",
    "expired": "error.request_expired",
    "unknown": "error.request_unknown",
}


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
