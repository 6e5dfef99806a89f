"""The application: routes, streams, what is asked again and again, the answer to every wrong path."""

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec import structs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from ipecs_mw import logs
from ipecs_mw.api.access import Access
from ipecs_mw.api.answers import Problem
from ipecs_mw.api.endpoints import alarmed, commanded, counted, hooked, logged, present, signed_in
from ipecs_mw.api.endpoints.about import build_rows
from ipecs_mw.api.metrics import FEED_LAG, Measured
from ipecs_mw.api.page import Page
from ipecs_mw.api.routing import Counters, build_problem, build_routes
from ipecs_mw.api.rows import STREAM
from ipecs_mw.api.site import Site
from ipecs_mw.api.stream.frames import spell_alive
from ipecs_mw.api.stream.hub import FEEDS, Hub
from ipecs_mw.api.stream.serving import ALIVE_SECONDS, end_stuck
from ipecs_mw.api.stream.wires import StreamEndpoint
from ipecs_mw.errors import StoreError
from ipecs_mw.store.applications.page_sessions import find_open
from ipecs_mw.store.applications.tokens import Token, load_valid

log = logs.get_logger()

ROWS = build_rows(
    [row for each in (present, alarmed, logged, counted, commanded, hooked, signed_in) for row in each.ROWS]
)
"""Every endpoint."""

_TICK_SECONDS = 1.0
_USES_EVERY = 30  # seconds
_BEFORE_SECONDS = 30
"""So far back the feeds begin: clients of a process that has just died find in memory what they missed."""

_SETTINGS_EVERY = 10  # seconds


class Api:
    """The application of one process, and what it does beside answering."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.stop = threading.Event()
        self.hub = Hub(site, self.stop)
        self.access = Access(site)
        self.counters = Counters()
        site.measure = self._measure
        self.app = self._build()
        self._ticks = 0
        self._executor = ThreadPoolExecutor(1, "token-check")  # it waits for no questions of others

    def _build(self) -> Starlette:
        stream = StreamEndpoint(self.site, self.hub, self.access, self.counters)
        rows = [row for row in ROWS if not row.is_stream]
        routes: list[BaseRoute] = [
            *build_routes(rows, self.site, self.access, self.counters),
            Route(STREAM, stream),
            WebSocketRoute(STREAM, stream),
            *Page(self.site, self.counters).routes,
        ]
        cors = Middleware(
            CORSMiddleware,
            allow_origins=self.site.settings.api.origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "Accept-Language",
            ],
            expose_headers=["Link", "Location", "Retry-After"],
        )
        app = Starlette(
            routes=routes,
            middleware=[cors] if self.site.settings.api.origins else [],
            exception_handlers={HTTPException: self._refuse},
        )
        app.router.redirect_slashes = False  # a path that there is not is told as one
        return app

    def _measure(self) -> Measured:
        """Return what the metrics tell; in the loop's thread."""
        forms = Counter(client.form for client in self.hub.clients)
        return {
            "ipecs_mw_api_answers_total": {str(key): count for key, count in self.counters.answers.items()},
            "ipecs_mw_api_sign_in_failures_total": {"": self.access.failures},
            "ipecs_mw_api_streams": {"sse": forms["sse"], "ws": forms["ws"]},
            "ipecs_mw_api_messages_total": {"": self.hub.delivered},
            "ipecs_mw_api_feed_up": {name: feeding.is_up for name, feeding in self.hub.feedings.items()},
            FEED_LAG: self.hub.measure_lags(),
        }

    async def _refuse(self, request: Request, error: Exception) -> Response:
        """Answer a path that there is not, or a method that it does not have."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        headers: Mapping[str, str] = (error.headers or {}) if isinstance(error, HTTPException) else {}
        key = "error.method" if status == 405 else "error.not_found"
        facts = {"method": request.method, "allowed": headers.get("Allow", "-")} if status == 405 else {}
        response = build_problem(
            Problem(status if status == 405 else 404, key, headers=headers, **facts),
            self.site,
            request.headers.get("accept-language", ""),
        )
        self.counters.count(response.status_code)
        return response

    # beside answering

    async def run(self) -> None:
        """Read the feeds; every second look at tokens, show streams that they live. Runs until it is cancelled."""
        await self.hub.start(FEEDS, before_seconds=_BEFORE_SECONDS)
        await asyncio.gather(self._watch_streams(), self._watch_tokens(), self._care())

    async def _watch_streams(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._ticks += 1
            self._show_alive()
            end_stuck(self.hub)

    async def _watch_tokens(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self._check_tokens()

    async def _care(self) -> None:
        """Do what may wait for MongoDB as long as any question."""
        while True:
            for _ in range(_USES_EVERY // _SETTINGS_EVERY):
                await asyncio.sleep(_SETTINGS_EVERY)
                await asyncio.to_thread(self.site.refresh)
            await self.access.note_uses()

    def _show_alive(self) -> None:
        """Show every stream once in 15 seconds that it lives, some of them each second."""
        frames: dict[str, bytes] = {}
        for client in self.hub.clients:
            if client.slot == self._ticks % ALIVE_SECONDS and client.is_idle and client.is_attached:
                position = self.hub.position
                frame = frames.setdefault(client.form, spell_alive(client.form, position))
                client.put_frame(frame, position)

    async def _check_tokens(self) -> None:
        """Close streams whose token was revoked, has expired or was changed, or who signed out."""
        clients = list(self.hub.clients)
        names = {client.token.name for client in clients}
        sessions = {client.token.session for client in clients} - {""}
        if not names:
            return
        try:
            valid, are_open = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._load_valid, names, sessions
            )
        except StoreError as error:
            log.debug("api.tokens_not_checked", detail=logs.explain(error))
            return
        for client in clients:
            token, session = valid.get(client.token.name), client.token.session
            if token is None or structs.replace(token, session=session) != client.token:
                self.access.forget(client.token.name)
                client.close("token_revoked" if token is None else "token_changed")
            elif session and session not in are_open:
                client.close("signed_out")

    def _load_valid(
        self, names: Collection[str], sessions: Collection[str]
    ) -> tuple[Mapping[str, Token], Collection[str]]:
        """Return which of these tokens are valid, and which of these sessions are open, in a thread of its own."""
        are_open = find_open(self.site.store, sessions) if sessions else ()
        return load_valid(self.site.store, names, self.site.now()), are_open

    def close_streams(self) -> None:
        """Close every stream: the process ends."""
        for client in list(self.hub.clients):
            client.close("stopping")
