"""How the daemon is: alive, ready, and the port that tells monitoring systems.

Alive means that its threads run; ready means that events flow: every session is up, and nothing waits too long.
"""

import json
import socket
import socketserver
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.model.settings import HealthSettings
from ipecs_mw.service.health.metrics import render
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.process.threads import start_thread

log = logs.get_logger()

_SLOWEST_CLIENT_SECONDS = 10
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

    `serve_forever` is its thread. Raises CannotStart where the port cannot be listened on.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, settings: HealthSettings, vitals: Vitals, clock: Clock) -> None:
        self._vitals = vitals
        self._clock = clock
        self.max_lag_seconds = settings.max_lag_seconds
        self.address_family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        try:
            super().__init__((settings.address, settings.port or 0), _Handler)
        except OSError as error:
            raise CannotStart(
                "error.health_port",
                path="health.port",
                address=settings.address,
                port=settings.port,
                reason=error.strerror or str(error),
            ) from error

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.socket.getsockname()[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        """Note what went wrong with one question; the next one is answered."""
        log.debug("health question failed", client=str(client_address), error=str(sys.exception()))

    def answer(self, path: str, accept: str) -> Answer:
        """Return status, content type and body for a path; `accept` is the header that was sent."""
        match path.partition("?")[0]:
            case "/healthz":
                dead = [{"reason": "thread_ended", "thread": name} for name in self._vitals.find_dead()]
                return _judge("alive", "not_alive", dead)
            case "/readyz":
                now, is_stored = self._clock.now(), self._vitals.is_stored()
                document = self._vitals.describe()
                found = find_unready(document, now, self.max_lag_seconds, is_stored=is_stored)
                return _judge("ready", "not_ready", found)
            case "/metrics":
                return self._measure(accept)
        return HTTPStatus.NOT_FOUND, _TEXT, b"/healthz /readyz /metrics\n"

    def _measure(self, accept: str) -> Answer:
        vitals = self._vitals
        try:
            kind, body = render(
                vitals.describe(), vitals.counters(), self._clock.now(), accept, is_stored=vitals.is_stored()
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
        server = HealthServer(settings, self._vitals, self._clock)
        log.info("start.health", address=settings.address, port=server.port)
        start_thread("health", server.serve_forever)
        return server

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


def _judge(good: str, bad: str, reasons: Sequence[Finding]) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    body = {"status": bad if reasons else good, "reasons": list(reasons)}
    return status, _JSON, (logs.mask(json.dumps(body, default=_spell, ensure_ascii=False)) + "\n").encode()


def _spell(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
