"""How the daemon is: alive, ready, and the port that tells monitoring systems.

Alive means that its threads run; ready means that events flow: every session is up, and nothing waits too long.
"""

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.model.configuration.settings import HealthSettings
from ipecs_mw.outside import ask
from ipecs_mw.service.health.metrics import render
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.store.figures.groups_now import GroupNow

log = logs.get_logger()

_SLOWEST_CLIENT_SECONDS = 10
_MOST_CLIENTS = 32
_NAMED = ("reason", "thread", "file", "what", "host")  # what tells one finding from another
_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"

Finding = Mapping[str, Any]
Answer = tuple[HTTPStatus, str, bytes]


@dataclass(frozen=True)
class Vitals:
    """What the daemon tells of itself, read at the moment of asking."""

    describe: Callable[[], Mapping[str, Any]]
    """The document that `instances` gets."""
    find_dead: Callable[[], Sequence[str]]
    """The names of threads that should run and do not."""
    is_stored: Callable[[], bool]
    """Whether MongoDB took the last heartbeat."""
    counters: Callable[[], Mapping[str, Counters]]
    """What is counted, by host; the middleware's own under the empty name."""
    find_hung: Callable[[], Sequence[Finding]] = tuple
    """What stands still in such a way that a restart may help."""
    groups: Callable[[], Sequence[GroupNow]] = tuple
    """How the groups that metrics tell of do."""


def find_unready(
    document: Mapping[str, Any], now: datetime, max_lag_seconds: float, *, is_stored: bool
) -> list[Finding]:
    """Return why events do not flow as they should, by a stable `reason`; nothing where they do.

    `document` is what `instances` says of the daemon, with None for what is absent.
    """
    found: list[Finding] = []
    if document["state"] != "running":
        found.append({"reason": "not_running", "state": document["state"]})
    if not is_stored:
        found.append({"reason": "mongodb_away"})
    for name, host in document["hosts"].items():
        if host["state"] != "up":
            found.append(
                {
                    "reason": "session_not_up",
                    "host": name,
                    "state": host["state"],
                    "since": host.get("since"),
                    "detail": host.get("reason"),
                }
            )
        found += ({**finding, "host": name} for finding in _judge_intake(host, now, max_lag_seconds))
    found += _judge_intake(document["middleware"], now, max_lag_seconds)
    return [{name: value for name, value in finding.items() if value is not None} for finding in found]


def find_amiss(document: Mapping[str, Any]) -> list[Finding]:
    """Return what holds up nothing, and is to be told all the same, by a stable `reason`."""
    found = list(document.get("amiss") or ())
    if refused := document.get("refused"):
        found.append({"reason": "configuration_refused", "detail": refused["reason"]})
    return found


def _judge_intake(intake: Mapping[str, Any], now: datetime, max_lag_seconds: float) -> Iterator[Finding]:
    if intake.get("stalled_since") is not None:
        yield {
            "reason": "forwarding_stalled",
            "since": intake["stalled_since"],
            "detail": intake.get("problem"),
        }
    oldest_at = intake["journal"].get("oldest_at")
    lag_seconds = 0.0 if oldest_at is None else (now - oldest_at).total_seconds()
    if lag_seconds > max_lag_seconds:
        yield {"reason": "lag", "seconds": round(lag_seconds, 1), "allowed_seconds": max_lag_seconds}


class HealthServer(socketserver.ThreadingTCPServer):
    """Answers `/healthz`, `/readyz` and `/metrics` by plain HTTP, from its construction until closed.

    `serve_forever` is its thread. Of more clients than 32 the one that has been there longest is sent away, so
    that neither one that says nothing nor many at once keep others out. Raises CannotStart where the port cannot
    be listened on.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = _MOST_CLIENTS

    def __init__(self, settings: HealthSettings, vitals: Vitals, clock: Clock) -> None:
        self._vitals = vitals
        self._clock = clock
        self._clients: dict[socket.socket, None] = {}  # in the order of their coming
        self._counting = threading.Lock()
        self.max_lag_seconds = settings.max_lag_seconds
        self.address_family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        try:
            super().__init__((settings.address, settings.port or 0), _Handler)
        except OSError as error:
            raise _refuse(settings, error) from error

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a client on a thread of its own."""
        with self._counting:
            self._clients[request] = None
            longest = next(iter(self._clients)) if len(self._clients) > _MOST_CLIENTS else None
            if longest is not None:
                del self._clients[longest]
        if longest is not None:
            with suppress(OSError):  # it may have gone by itself
                longest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Let a client go."""
        with self._counting:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        """Note what went wrong with one question; the next one is answered."""
        log.debug("health question failed", client=str(client_address), error=str(sys.exception()))

    def answer(self, path: str, accept: str) -> Answer:
        """Return status, content type and body for a path; `accept` is the header that was sent."""
        match path.partition("?")[0]:
            case "/healthz":
                return _judge(
                    "alive", "not_alive", self._find_lifeless(), find_amiss(self._vitals.describe())
                )
            case "/readyz":
                now, is_stored = self._clock.now(), self._vitals.is_stored()
                document = self._vitals.describe()
                found = find_unready(document, now, self.max_lag_seconds, is_stored=is_stored)
                return _judge("ready", "not_ready", [*found, *self._find_lifeless()])
            case "/metrics":
                return self._measure(accept)
        return HTTPStatus.NOT_FOUND, _TEXT, b"/healthz /readyz /metrics\n"

    def _find_lifeless(self) -> list[Finding]:
        dead = [{"reason": "thread_ended", "thread": name} for name in self._vitals.find_dead()]
        return [*dead, *self._vitals.find_hung()]

    def _measure(self, accept: str) -> Answer:
        vitals = self._vitals
        try:
            kind, body = render(
                vitals.describe(),
                vitals.counters(),
                self._clock.now(),
                accept,
                is_stored=vitals.is_stored(),
                groups=vitals.groups(),
            )
        except CannotStart as missing:
            return HTTPStatus.NOT_IMPLEMENTED, _TEXT, f"{logs.explain(missing)}\n".encode()
        return HTTPStatus.OK, kind, body


class HealthPort:
    """The server where one is configured, exchanged when the configuration changes; used by one thread."""

    def __init__(self, vitals: Vitals, clock: Clock) -> None:
        self._vitals = vitals
        self._clock = clock
        self._settings = HealthSettings()
        self._server: HealthServer | None = None

    def change(self, settings: HealthSettings) -> None:
        """Answer as `settings` say from now on.

        Raises CannotStart where their port cannot be listened on; it answers as before then.
        """
        former = self._settings
        is_open = self._server is not None or settings.port is None
        if not is_open or (former.address, former.port) != (settings.address, settings.port):
            if former.port == settings.port:  # two addresses of one port may exclude each other
                self._close()
            try:
                fresh = self._open(settings)
            except CannotStart:
                if self._server is None:
                    with suppress(CannotStart):
                        self._server = self._open(former)
                raise
            self._close()
            self._server = fresh
        if self._server is not None:
            self._server.max_lag_seconds = settings.max_lag_seconds
        self._settings = settings

    def _open(self, settings: HealthSettings) -> HealthServer | None:
        if settings.port is None:
            return None
        server = self._listen(settings)
        log.info("start.health", address=settings.address, port=server.port)
        start_thread("health", server.serve_forever)
        return server

    def _listen(self, settings: HealthSettings) -> HealthServer:
        try:  # the address may be a name, and the resolver silent
            return ask(
                f"{settings.address}:{settings.port}",
                partial(HealthServer, settings, self._vitals, self._clock),
            )
        except TimeoutError as error:
            raise _refuse(settings, error) from error

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOWEST_CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer a question; HEAD asks for the same without a body."""
        status, kind, body = cast(HealthServer, self.server).answer(
            self.path, self.headers.get("Accept") or ""
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base's name

    def version_string(self) -> str:
        """Return what the header Server says."""
        return "ipecs-mw"

    def log_message(self, *_: Any) -> None:
        """Say nothing: a question every few seconds is not worth a line."""


def _refuse(settings: HealthSettings, error: OSError) -> CannotStart:
    return CannotStart(
        "error.health_port",
        path="health.port",
        address=settings.address,
        port=settings.port,
        reason=error.strerror or str(error),
    )


def _judge(good: str, bad: str, reasons: Sequence[Finding], asides: Sequence[Finding] = ()) -> Answer:
    """Return the answer for what is wrong; `asides` are told and change nothing."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    told = {tuple(finding.get(name) for name in _NAMED): finding for finding in (*asides, *reasons)}
    body = {"status": bad if reasons else good, "reasons": logs.mask_values(list(told.values()))}
    return status, _JSON, (json.dumps(body, ensure_ascii=False) + "\n").encode()
