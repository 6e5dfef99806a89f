"""The form of an endpoint: a row, from which come its routing, its checks, OpenAPI and the reference page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct

from ipecs_mw.api.site import Site
from ipecs_mw.messages.message import spell_document
from ipecs_mw.messages.rights import NUMBERS
from ipecs_mw.model.numbering.masking import mask_outside
from ipecs_mw.model.texts import Texts
from ipecs_mw.store.applications.tokens import Token

BASE = "/api/v1"
STREAM = f"{BASE}/stream"

ANYBODY = ""
"""The right of an endpoint that needs no token."""

ANY_TOKEN = "*"  # noqa: S105 - a right
"""The right of an endpoint that any token opens."""


BY_BODY = "body"
"""The right of the endpoint whose body holds the token that it needs."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Answer(Struct, frozen=True):
    """What an endpoint answers: `content` as JSON, `lines` of CSV, or `text` of a `kind`; else no content."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    lines: Iterator[str] | None = None
    text: bytes | None = None
    kind: str = "text/plain; charset=utf-8"


class Asked(NamedTuple):
    """A request that was checked: its query and body as the row's types, the parts of its path by name."""

    site: Site
    token: Token
    query: Any
    body: Any
    path: Mapping[str, str]
    texts: Texts
    now: datetime
    headers: Mapping[str, str]
    url: str

    def link(self, **changes: str) -> str:
        """Return the URL that was asked for, with some parameters changed."""
        parts = urlsplit(self.url)
        pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in changes]
        return urlunsplit(parts._replace(query=urlencode([*pairs, *changes.items()])))

    def cut(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document as this token may see it."""
        return self.hide(spell_document(document))

    def hide(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return content with outside numbers masked, for a token that has no right to them."""
        has_right = NUMBERS in self.token.rights
        return content if has_right else mask_outside(content, self.site.settings.numbers)


class Endpoint(NamedTuple):
    """A method and path, the right that it needs, and what answers.

    `query` and `body` are frozen structs that refuse unknown fields, `result` is the type of what it answers.
    `others` are statuses beside 200 and those of every row, each with what it means. `is_slow` marks a handler
    that is a coroutine and may wait; `kind` is the type of what it answers where that is no JSON.
    """

    method: str
    path: str
    right: str
    id: str
    summary: str
    handle: Callable[[Asked], Any]
    result: Any
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    others: Mapping[int, str] = {}
    has_csv: bool = False
    is_slow: bool = False
    success: int = 200
    headers: Sequence[tuple[str, str]] = ()
    is_stream: bool = False
    kind: str = ""
