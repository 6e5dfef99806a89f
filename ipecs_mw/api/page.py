"""The page over HTTP: its files and its words, with the policy that lets a browser run nothing else."""

import gzip
from hashlib import sha256

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ipecs_mw.api.answers import Missing
from ipecs_mw.api.routing import Counters, build_problem
from ipecs_mw.api.site import Site
from ipecs_mw.model.texts import Texts
from ipecs_mw.web import load_files

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing runs, and nothing is asked, but what this server sends."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",  # the window of the pop is found again
    "Cache-Control": "no-cache",  # a browser asks whether it has changed
}
_FAMILIES = ("cli.call.", "figures.column.", "figures.formula.", "page.", "state.")
"""Beginnings of the language strings that the page reads."""


class File(msgspec.Struct, frozen=True):
    """What is sent for a path, as it is and compressed; `tag` changes with it."""

    content: bytes
    compressed: bytes
    tag: str
    kind: str
    varies_by: str = "Accept-Encoding"


def make_file(content: bytes, kind: str, varies_by: str = "Accept-Encoding") -> File:
    """Return content as it is sent."""
    tag = f'W/"{sha256(content).hexdigest()[:20]}"'
    return File(content, gzip.compress(content, 9, mtime=0), tag, kind, varies_by)


class Page:
    """The routes of the page."""

    def __init__(self, site: Site, counters: Counters) -> None:
        self._site = site
        self._counters = counters
        self._files = {path: make_file(*found) for path, found in load_files().items()}
        self._words: dict[str, tuple[Texts, File]] = {}
        self.routes: list[BaseRoute] = [
            Route("/", self._show_page),
            Route("/web/words.json", self._show_words),
            Route("/web/{path:path}", self._show_file),
        ]

    async def _show_page(self, request: Request) -> Response:
        return self._send(request, self._files["index.html"])

    async def _show_file(self, request: Request) -> Response:
        file = self._files.get(request.path_params["path"])
        if file is None:
            return self._count(
                build_problem(
                    Missing("error.not_found"), self._site, request.headers.get("accept-language", "")
                )
            )
        return self._send(request, file)

    async def _show_words(self, request: Request) -> Response:
        """Send the words in the language of the parameter `locale`, else of `Accept-Language`."""
        wanted = request.query_params.get("locale") or request.headers.get("accept-language", "")
        texts = self._site.find_texts(wanted)
        known = self._words.get(texts.locale)
        if known is None or known[0] is not texts:  # the strings were loaded anew
            words = {
                "locale": texts.locale,
                "locales": sorted(self._site.texts) or [texts.locale],
                "words": texts.select(_FAMILIES),
            }
            file = make_file(
                msgspec.json.encode(words), "application/json", "Accept-Encoding, Accept-Language"
            )
            known = self._words[texts.locale] = texts, file
        return self._send(request, known[1])

    def _send(self, request: Request, file: File) -> Response:
        headers = {**_HEADERS, "ETag": file.tag, "Vary": file.varies_by}
        if file.tag in request.headers.get("if-none-match", ""):
            return self._count(Response(status_code=304, headers=headers))
        content = file.content
        if "gzip" in request.headers.get("accept-encoding", "") and len(file.compressed) < len(content):
            content, headers["Content-Encoding"] = file.compressed, "gzip"
        return self._count(Response(content, headers=headers, media_type=file.kind))

    def _count(self, response: Response) -> Response:
        self._counters.count(response.status_code)
        return response
