"""The resolver of one host: finds out from the event log what became of requests whose reply was lost."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.protocol.proof import Proof, build_proof
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.store.coordination.requests import Request, resolve_request
from ipecs_mw.store.events.evidence import find_call_events, has_call_before
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_LOOK_SECONDS = 0.5
_WATCH_SECONDS = 60.0
_MOST_WATCHED = 16
_MILLISECOND = 1000  # MongoDB keeps no more of an instant


@dataclass(eq=False)
class _Watched:
    """A request whose end is unknown, and when an event that shows it must have been received."""

    request_id: Any
    command: str
    host: str
    proof: Proof
    since: datetime
    until: datetime
    look_at: float
    give_up_at: float | None = None
    """Counted from the first look, as MongoDB may have been away; monotonic, as `look_at`."""


class Resolver:
    """Watches the log for what became of requests, a minute each and 16 at the most; used by one thread.

    Nothing is looked up while nothing is watched.
    """

    def __init__(self, client: HostClient, store: Store, clock: Clock) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._watched: deque[_Watched] = deque(maxlen=_MOST_WATCHED)

    def watch(self, request: Request, host: str, since: datetime) -> None:
        """Resolve a request that was sent to `host` at `since` or later and is or will be `unknown`."""
        proof = self._build_proof(request)
        if proof is None or any(watched.request_id == request["_id"] for watched in self._watched):
            return
        since = since.replace(microsecond=since.microsecond // _MILLISECOND * _MILLISECOND)
        until = since + timedelta(seconds=_WATCH_SECONDS)
        # not at once: who waits for the request is told `unknown`, however soon the events come
        look_at = self._clock.monotonic() + _LOOK_SECONDS
        self._watched.append(
            _Watched(request["_id"], str(request["command"]), host, proof, since, until, look_at)
        )

    def yield_to(self, request: Request) -> None:
        """Take no event from now on for an earlier request that this one, about to be sent, would cause too."""
        proof = self._build_proof(request) if self._watched else None
        if proof is None:
            return
        now = self._clock.now()
        for watched in self._watched:
            if watched.proof.is_shared_with(proof):
                watched.until = min(watched.until, now)

    def step(self) -> None:
        """Look for each request that is watched, where that is due. Raises StoreError."""
        for watched in list(self._watched):
            if self._clock.monotonic() < watched.look_at:
                continue
            watched.look_at = self._clock.monotonic() + _LOOK_SECONDS
            if self._resolve(watched) or self._is_over(watched):
                self._watched.remove(watched)

    def _resolve(self, watched: _Watched) -> bool:
        event_id = self._find_proof(watched)
        if event_id is None or not resolve_request(self._store, watched.request_id, event_id):
            return False
        log.info("request.resolved", host=watched.host, command=watched.command, id=event_id)
        return True

    def _find_proof(self, watched: _Watched) -> str | None:
        """Return the id of the first event that shows that the request was carried out."""
        proof = watched.proof
        found = find_call_events(
            self._store, watched.host, proof.station, proof.types, since=watched.since, until=watched.until
        )
        for event in found:
            if proof.is_shown_by(event) and not (proof.is_of_new_call and self._is_old(watched, event)):
                return str(event["_id"])
        return None

    def _is_old(self, watched: _Watched, event: Mapping[str, Any]) -> bool:
        """Tell whether the event's call was there before the request."""
        ref = event.get("call_ref")
        return isinstance(ref, int) and has_call_before(
            self._store, watched.host, watched.proof.station, ref, watched.since
        )

    def _is_over(self, watched: _Watched) -> bool:
        now = self._clock.monotonic()
        if watched.give_up_at is None:
            watched.give_up_at = now + _WATCH_SECONDS
        return now >= watched.give_up_at

    def _build_proof(self, request: Request) -> Proof | None:
        command = self._client.commands.get(str(request.get("command")))
        return None if command is None else build_proof(command, request.get("args"), self._client.codes)
