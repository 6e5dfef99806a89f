"""The two wires of a stream: Server-Sent Events as plain ASGI, and WebSocket."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import uniform
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import Message, Receive, Scope, Send

from ipecs_mw import logs
from ipecs_mw.api.access import Access
from ipecs_mw.api.answers import Problem
from ipecs_mw.api.reading import check_headers, read_query
from ipecs_mw.api.routing import Counters, build_problem
from ipecs_mw.api.rows import STREAM
from ipecs_mw.api.site import Site
from ipecs_mw.api.stream.catching_up import list_feeds
from ipecs_mw.api.stream.hub import FEEDS, Hub
from ipecs_mw.api.stream.opening import Opening, StreamQuery, read_opening
from ipecs_mw.api.stream.position import read_position
from ipecs_mw.api.stream.serving import serve_stream
from ipecs_mw.errors import IpecsMwError

log = logs.get_logger()

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)
_MOST_HEARD = 100
"""So many messages a client of a WebSocket may send: it has nothing to say."""

_POLICY, _TRY_LATER = 1008, 1013


class StreamEndpoint:
    """The endpoint of the stream, on both wires."""

    def __init__(self, site: Site, hub: Hub, access: Access, counters: Counters) -> None:
        self._site = site
        self._hub = hub
        self._access = access
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream."""
        headers = Headers(scope=scope)
        try:
            opening = await self._open(scope, headers)
        except IpecsMwError as error:
            response = build_problem(error, self._site, headers.get("accept-language", ""))
            self._counters.count(response.status_code)
            await response(scope, receive, send)
            return
        self._counters.count(200 if scope["type"] == "http" else 101)
        serve = self._serve_events if scope["type"] == "http" else self._serve_socket
        try:
            await serve(opening, receive, send)
        except OSError:
            return
        except Exception:  # one fault of ours must not end the others
            log.critical("api.failed", path=STREAM, exc_info=True)

    async def _open(self, scope: Scope, headers: Headers) -> Opening:
        if scope["type"] == "http" and scope["method"] != "GET":
            raise Problem(
                405, "error.method", headers={"Allow": "GET"}, method=scope["method"], allowed="GET"
            )
        check_headers(headers)
        query = read_query(QueryParams(scope.get("query_string", b"")).multi_items(), StreamQuery)
        address = scope["client"][0] if scope.get("client") else "-"
        token = await self._access.find(headers, query.ticket, address)
        opening = read_opening(query, token, headers.get("last-event-id", "").strip())
        if opening.after:
            read_position(opening.after)
        if len(self._hub.clients) >= self._site.settings.api.max_streams:
            raise Problem(429, "error.too_many_streams", most=self._site.settings.api.max_streams)
        await self._hub.start(sorted({*FEEDS, *list_feeds(opening.selection.topics)}))
        return opening._replace(begin=dict(self._hub.spots))

    async def _serve_events(self, opening: Opening, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})

        async def send_frames(frames: Sequence[bytes]) -> None:
            body = frames[0] if len(frames) == 1 else b"".join(frames)
            await send({"type": "http.response.body", "body": body, "more_body": True})

        # not all at once, where a server with many clients is started anew
        await send_frames([b"retry: %d\n\n" % int(uniform(1000, 5000))])  # noqa: S311 - a jitter
        await self._until_gone(serve_stream(self._site, self._hub, opening, "sse", send_frames), receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _serve_socket(self, opening: Opening, receive: Receive, send: Send) -> None:
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})

        async def send_frames(frames: Sequence[bytes]) -> None:
            for frame in frames:
                text: Message = {"type": "websocket.send", "text": frame.decode()}
                try:
                    await send(text)
                except RuntimeError as error:  # closed meanwhile
                    raise ConnectionAbortedError from error

        code = await self._until_gone(
            serve_stream(self._site, self._hub, opening, "ws", send_frames), receive
        )
        with suppress(RuntimeError):
            await send({"type": "websocket.close", "code": code})

    async def _until_gone(self, serving: Any, receive: Receive) -> int:
        """Serve until that ends, or the client has gone, or talks; return by which code to close."""
        listening = asyncio.ensure_future(_listen(receive))
        work = asyncio.ensure_future(serving)
        try:
            await asyncio.wait({listening, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                if not work.cancelled():
                    work.result()
                return _TRY_LATER
            return listening.result()
        finally:
            for task in (listening, work):
                task.cancel()
            await asyncio.gather(listening, work, return_exceptions=True)


async def _listen(receive: Receive) -> int:
    """Wait until the client has gone; return the code for one that talks."""
    heard = 0
    while True:
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            return 1000
        heard += message["type"] == "websocket.receive"
        if heard > _MOST_HEARD:
            return _POLICY
