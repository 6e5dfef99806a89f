"""Replies that no careful server would give: errors, pages, silence, single bytes, and a cut line."""

from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Send

from ipecs_mw.simulator.host.exchange import Exchange
from ipecs_mw.simulator.wire.faults import RestFault

_SLOW_BYTE_SECONDS = 0.6
_PAGE = "<html><body><h1>iPECS Web Admin</h1></body></html>"
_ELSEWHERE = "https://127.0.0.1:1/elsewhere"
_REPLIES: dict[str, Callable[[], Response]] = {
    "500": lambda: Response("Internal Server Error", 500),
    "503": lambda: Response("Service Unavailable", 503),
    "html": lambda: Response(_PAGE, media_type="text/html"),
    "empty": Response,
    "redirect": lambda: RedirectResponse(_ELSEWHERE, 302),
    "truncated": lambda: Response('{"data": {"callRef', media_type="application/json"),
}


async def reply_faultily(exchange: Exchange, fault: RestFault, request: Request, send: Send) -> None:
    """Give the wrong reply."""
    if fault.kind in _REPLIES:
        await _REPLIES[fault.kind]()(request.scope, request.receive, send)
    elif fault.kind == "slow":
        response = StreamingResponse(_drip(exchange), media_type="application/json")
        await response(request.scope, request.receive, send)
    else:
        if fault.kind != "silent":
            exchange.abort(request.scope["client"])
        while (await request.receive())["type"] != "http.disconnect":
            pass


async def _drip(exchange: Exchange) -> AsyncIterator[bytes]:
    for byte in b'{"data": {"about": "a reply that takes its time"}}':
        yield bytes((byte,))
        if await run_in_threadpool(exchange.clock.wait, exchange.stopping, _SLOW_BYTE_SECONDS):
            return
