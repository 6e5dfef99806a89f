"""Rows → routes: reads and checks a request as its row says, and makes the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ipecs_mw import logs
from ipecs_mw.api.access import Access
from ipecs_mw.api.answers import (
    CSV,
    JSON,
    PROBLEM,
    Problem,
    describe_problem,
    encode,
    find_headers,
    find_status,
)
from ipecs_mw.api.reading import MOST_BODY_BYTES, check_headers, read_body, read_query
from ipecs_mw.api.rows import ANY_TOKEN, ANYBODY, BY_BODY, Answer, Asked, Endpoint
from ipecs_mw.api.scoping import check_right
from ipecs_mw.api.site import Site
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.store.applications.tokens import Token

log = logs.get_logger()

_BODY_SECONDS = 10.0
_LONGEST_PART = 400
_NOBODY = Token("-", frozenset())
_SAFE = ("GET", "HEAD")
_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Counters:
    """What was answered, by status, for the metrics."""

    def __init__(self) -> None:
        self.answers: dict[int, int] = {}

    def count(self, status: int) -> None:
        """Count an answer."""
        self.answers[status] = self.answers.get(status, 0) + 1


def build_routes(rows: Sequence[Endpoint], site: Site, access: Access, counters: Counters) -> list[Route]:
    """Return a route for each path, with all its methods."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method] = row
    return [
        Route(path, _build(methods, site, access, counters), methods=list(methods))
        for path, methods in paths.items()
    ]


def _build(
    methods: Mapping[str, Endpoint], site: Site, access: Access, counters: Counters
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        row = methods["GET" if request.method == "HEAD" else request.method]
        language = request.headers.get("accept-language", "")
        try:
            response = _write(await _answer(row, request, site, access))
        except ClientDisconnect:
            response = Response(status_code=400)
        except IpecsMwError as error:
            response = build_problem(error, site, language)
        except Exception:  # one fault of ours must not end the process; what it was is in the log alone
            log.critical("api.failed", path=row.path, exc_info=True)
            response = build_problem(Problem(500, "error.api_failed"), site, language)
        counters.count(response.status_code)
        return response

    return respond


async def _answer(row: Endpoint, request: Request, site: Site, access: Access) -> Answer:
    headers = request.headers
    check_headers(headers)
    token = _NOBODY
    address = request.client.host if request.client else "-"
    if row.right not in (ANYBODY, BY_BODY):
        token = await access.find(headers, None, address, is_change=request.method not in _SAFE)
        if row.right != ANY_TOKEN:
            check_right(token, row.right)
    path = {name: _check_part(value) for name, value in request.path_params.items()}
    query = read_query(request.query_params.multi_items(), row.query)
    body: Any = None if row.body is None else read_body(await _take_body(request), row.body)
    if row.right == BY_BODY:
        token = await access.sign_in(body.token, address)
    asked = Asked(
        site=site,
        token=token,
        query=query,
        body=body,
        path=path,
        texts=site.find_texts(headers.get("accept-language", "")),
        now=site.now(),
        headers=headers,
        url=str(request.url),
    )
    if row.is_slow:
        answer: Answer = await row.handle(asked)
    else:
        answer = await site.run(row.handle, asked)
    return answer


def _check_part(value: str) -> str:
    if not value.strip() or len(value) > _LONGEST_PART or "\0" in value:
        raise Problem(404, "error.not_found")
    return value


async def _take_body(request: Request) -> bytes:
    """Return the body; raises Problem for one that is no JSON by its type, too long, or does not come."""
    kind = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if kind != JSON:
        raise Problem(415, "error.not_json_type", value=kind[:80])
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told) > MOST_BODY_BYTES:
        raise Problem(413, "error.body_too_long", most=MOST_BODY_BYTES)
    body = bytearray()

    async def take() -> None:
        async for part in request.stream():
            body.extend(part)
            if len(body) > MOST_BODY_BYTES:
                raise Problem(413, "error.body_too_long", most=MOST_BODY_BYTES)

    try:
        await asyncio.wait_for(take(), _BODY_SECONDS)
    except TimeoutError:
        raise Problem(400, "error.body_slow", seconds=int(_BODY_SECONDS)) from None
    return bytes(body)


def _write(answer: Answer) -> Response:
    headers = {**_ALWAYS, **answer.headers}
    if answer.lines is not None:
        lines = answer.lines
        return StreamingResponse((f"{line}\r\n" for line in lines), answer.status, headers, CSV)
    if answer.text is not None:
        return Response(answer.text, answer.status, headers, answer.kind)
    if answer.content is None:
        return Response(status_code=answer.status, headers=headers)
    return Response(encode(answer.content), answer.status, headers, JSON)


def build_problem(error: IpecsMwError, site: Site, language: str) -> Response:
    """Return the answer to what went wrong."""
    texts = site.find_texts(language)
    problem = describe_problem(error, texts)
    headers = {**_ALWAYS, **find_headers(error), "Content-Language": texts.locale}
    return Response(encode(problem), find_status(error), headers, PROBLEM)
