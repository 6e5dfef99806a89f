"""What the API says of itself: its health, its description, tickets for streams, the stream's own row."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from ipecs_mw.api.documents import Health, Ticket
from ipecs_mw.api.metrics import FEED_LAG, render
from ipecs_mw.api.openapi import build_openapi
from ipecs_mw.api.reference import KIND, POLICY, build_page
from ipecs_mw.api.rows import ANY_TOKEN, ANYBODY, BASE, STREAM, Answer, Asked, Endpoint
from ipecs_mw.api.stream.opening import StreamQuery
from ipecs_mw.errors import StoreError
from ipecs_mw.store.applications.tokens import make_ticket

_PATIENCE_SECONDS = 5.0


async def _show_health(asked: Asked) -> Answer:
    """Tell whether MongoDB answers soon."""
    try:
        await asyncio.wait_for(asyncio.to_thread(asked.site.store.greet), _PATIENCE_SECONDS)
    except (StoreError, TimeoutError):
        return Answer(Health("down"), 503, {"Retry-After": "5"})
    lags = asked.site.measure().get(FEED_LAG, {}).values()
    return Answer(Health("ok", round(max(lags), 1) if lags else UNSET))


def _make_ticket(asked: Asked) -> Answer:
    ticket, expires_at = make_ticket(asked.site.store, asked.token.name, asked.now)
    return Answer(Ticket(ticket, expires_at), 201)


async def _show_metrics(asked: Asked) -> Answer:
    """Tell what is measured; a coroutine, since what it counts changes in the loop's thread."""
    kind, text = render(asked.site.measure(), asked.headers.get("accept", ""))
    return Answer(text=text, kind=kind)


def _never(asked: Asked) -> Answer:
    raise NotImplementedError


def build_rows(rows: Sequence[Endpoint]) -> list[Endpoint]:
    """Return all rows: those given, and those of the API itself."""
    whole: list[Endpoint] = []

    def show_description(_: Asked) -> Answer:
        return Answer(build_openapi(whole))

    def show_reference(_: Asked) -> Answer:
        page = build_page(build_openapi(whole)).encode()
        return Answer(text=page, kind=KIND, headers={"Content-Security-Policy": POLICY})

    whole += [
        Endpoint("GET", "/healthz", ANYBODY, "getHealth", "Whether the database can be asked.", _show_health,
                 Health, is_slow=True, others={503: "It cannot be asked now."}),
        Endpoint("GET", "/metrics", "state.read", "getMetrics", "What this process measures, for Prometheus.",
                 _show_metrics, str, is_slow=True, kind="text/plain"),
        Endpoint("GET", f"{BASE}/openapi.json", ANYBODY, "getOpenapi", "This description.", show_description,
                 dict[str, Any]),
        Endpoint("GET", f"{BASE}/reference", ANYBODY, "getReference", "This description, for people.",
                 show_reference, str, kind="text/html"),
        *rows,
        Endpoint("POST", f"{BASE}/stream-tickets", ANY_TOKEN, "createStreamTicket",
                 "A ticket that opens a stream, for a minute, where no header can be sent.", _make_ticket, Ticket,
                 success=201),
        Endpoint("GET", STREAM, ANY_TOKEN, "followStream",
                 "What happens, as it happens: Server-Sent Events, or a WebSocket.", _never, str, StreamQuery,
                 headers=(("Last-Event-ID", "the position to go on after"),), is_stream=True,
                 kind="text/event-stream"),
    ]  # fmt: skip
    return whole
