"""Answers on the wire: JSON, CSV, and problem documents (RFC 9457) for all that goes wrong."""

import base64
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from ipecs_mw.errors import (
    CannotStart,
    InvalidDocument,
    IpecsMwError,
    NoSuchName,
    PositionLost,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import replace_halves

JSON = "application/json"
PROBLEM = "application/problem+json"
CSV = "text/csv; charset=utf-8"

_RETRY_SECONDS = 5


class Problem(IpecsMwError):
    """An error that says itself by which status it is answered."""

    def __init__(
        self, status: int, key: str, /, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(key, **facts)
        self.status = status
        self.headers = headers or {}


class Missing(Problem):
    """There is nothing at this path."""

    def __init__(self, key: str = "error.not_found", /, **facts: Any) -> None:
        super().__init__(404, key, **facts)


class ProblemDocument(msgspec.Struct, frozen=True):
    """RFC 9457: what is wrong, in the language of `Accept-Language`; `name` is the same in all of them."""

    type: str
    title: str
    status: int
    detail: str
    name: str


_STATUS: tuple[tuple[type[IpecsMwError], int], ...] = (
    (StoreUnavailable, 503),
    (PositionLost, 410),
    (StoreRefused, 503),
    (StoreError, 503),
    (NoSuchName, 400),
    (InvalidDocument, 400),
    (CannotStart, 503),
    (IpecsMwError, 400),
)
_TITLES: Mapping[int, str] = {
    400: "api.status.400",
    401: "api.status.401",
    403: "api.status.403",
    404: "api.status.404",
    405: "api.status.405",
    409: "api.status.409",
    410: "api.status.410",
    413: "api.status.413",
    415: "api.status.415",
    422: "api.status.422",
    429: "api.status.429",
    500: "api.status.500",
    503: "api.status.503",
}


def encode(content: Any) -> bytes:
    """Return JSON: instants in ISO 8601, UTC; bytes in Base64; ids as text."""
    try:
        return msgspec.json.encode(content, enc_hook=_encode)
    except (UnicodeEncodeError, TypeError, ValueError):
        return msgspec.json.encode(_repair(content), enc_hook=_encode)


def _encode(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _repair(value: Any) -> Any:
    """Return what JSON can say of a value that it cannot say as it is."""
    if isinstance(value, msgspec.Struct):
        return _repair(msgspec.structs.asdict(value))
    if isinstance(value, Mapping):
        return {_repair(str(name)): _repair(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_repair(part) for part in value]
    if isinstance(value, str):
        return replace_halves(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def find_status(error: IpecsMwError) -> int:
    """Return by which status an error is answered."""
    if isinstance(error, Problem):
        return error.status
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def find_headers(error: IpecsMwError) -> dict[str, str]:
    """Return the headers that go with an error."""
    headers = dict(error.headers) if isinstance(error, Problem) else {}
    if find_status(error) in (429, 503):
        headers.setdefault("Retry-After", str(_RETRY_SECONDS))
    return headers


def describe_problem(error: IpecsMwError, texts: Texts) -> ProblemDocument:
    """Return an error as a problem document."""
    status = find_status(error)
    name = error.key.removeprefix("error.")
    title = texts.render(_TITLES.get(status, _TITLES[400]))
    return ProblemDocument(f"urn:ipecs-mw:problem:{name}", title, status, texts.explain(error), name)
