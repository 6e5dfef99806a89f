"""What a client sends, read as its row says; each fault names the field, its value and what is allowed."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, inspect
from starlette.datastructures import Headers

from ipecs_mw.api.answers import Problem
from ipecs_mw.errors import CommandRefused, InvalidDocument, NoSuchName, Words
from ipecs_mw.model.validation import convert, find_faults, refuse, refuse_duplicates

MOST_BODY_BYTES = 64 * 1024
"""A longer body is refused before it is read whole."""

_LONGEST_VALUE = 500
_YEARS = range(1000, 9999)  # room on both sides for what is reckoned with an instant
_DEEPEST = 20

T = TypeVar("T", bound=Struct)


_ONCE = ("authorization", "content-type", "idempotency-key", "last-event-id")
"""Headers of which a proxy and this server might each take another one, if there were two."""


def check_headers(headers: Headers) -> None:
    """Refuse a header that comes twice and of which one alone can count; raises Problem."""
    for name in _ONCE:
        if (count := len(headers.getlist(name))) > 1:
            raise Problem(400, "error.header_twice", header=name.title(), count=count)


def read_query(pairs: Sequence[tuple[str, str]], kind: type[T]) -> T:
    """Return the parameters of a query; raises CommandRefused or NoSuchName for the first that is wrong."""
    fields = {field.encode_name: field for field in inspect.type_info(kind).fields}  # type: ignore[attr-defined]
    content: dict[str, Any] = {}
    for name, text in pairs:
        if name not in fields:
            allowed = ", ".join(fields) or "-"
            raise NoSuchName("error.no_such_choice", name="parameter", value=name[:80], allowed=allowed)
        kinds = list(_list_kinds(fields[name].type))
        if any(isinstance(each, inspect.ListType) for each in kinds):
            content.setdefault(name, []).append(_check_text(name, text))
        elif name in content:
            raise CommandRefused(
                "error.argument", name=name, value=repr(text[:80]), allowed=Words("allowed.once")
            )
        else:
            content[name] = _read_value(name, _check_text(name, text), kinds)
    return _convert(content, kind, "query")


def _list_kinds(kind: inspect.Type) -> Any:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _list_kinds(each)
    else:
        yield kind


def _check_text(name: str, text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_VALUE or "\0" in text:
        allowed = Words("allowed.text_length", low=1, high=_LONGEST_VALUE)
        raise CommandRefused("error.argument", name=name, value=repr(text[:80]), allowed=allowed)
    return text


def _read_value(name: str, text: str, kinds: Sequence[inspect.Type]) -> Any:
    """Return what a text of a query is as one of these types, itself where it is none."""
    if any(isinstance(each, inspect.DateTimeType) for each in kinds):
        return read_instant(name, text)
    if any(isinstance(each, inspect.BoolType) for each in kinds):
        return {"true": True, "false": False}.get(text, text)
    if any(isinstance(each, inspect.IntType) for each in kinds):
        is_number = text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 20
        return int(text) if is_number else text
    return text


def read_instant(name: str, text: str) -> datetime:
    """Return an instant in ISO 8601 with its zone, in UTC; raises CommandRefused."""
    try:
        # a `+` that nobody encoded comes as a blank
        found = datetime.fromisoformat(text.strip().replace(" ", "+") if text.count(" ") == 1 else text)
        if found.tzinfo is not None and found.year in _YEARS:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise CommandRefused(
        "error.argument", name=name, value=repr(text[:80]), allowed=Words("allowed.instant_iso")
    )


def read_body(body: bytes, kind: type[T]) -> T:
    """Return the JSON object of a body; raises InvalidDocument for none, and for the first field that is wrong."""
    try:
        content = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=partial(refuse_duplicates, "body"),
            parse_constant=_refuse_constant,
        )
        json.dumps(content, ensure_ascii=False).encode()  # half a pair of UTF-16 is no text
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            "error.not_json", file="body", line=error.lineno, column=error.colno, reason=error.msg
        ) from error
    except (RecursionError, ValueError) as error:
        raise InvalidDocument(
            "error.not_json", file="body", line=1, column=1, reason=str(error)[:80]
        ) from error
    if not isinstance(content, dict):
        raise InvalidDocument(
            "error.field_value", document="body", path="$", value=type(content).__name__, allowed="{…}"
        )
    if _is_deep(content, _DEEPEST):
        allowed = Words("allowed.depth", most=_DEEPEST)
        raise InvalidDocument("error.field_value", document="body", path="$", value="…", allowed=allowed)
    return _convert(content, kind, "body")


def _refuse_constant(name: str) -> None:
    """Refuse `NaN` and `Infinity`, which Python would take."""
    raise ValueError(name)


def _is_deep(value: Any, left: int) -> bool:
    if left == 0:
        return True
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_is_deep(part, left - 1) for part in parts if isinstance(part, Mapping | list))


def _convert(content: Mapping[str, Any], kind: type[T], source: str) -> T:
    refuse(source, find_faults(content, kind))
    try:
        return convert(content, kind, source=source)
    except (AssertionError, msgspec.ValidationError) as error:
        raise InvalidDocument(
            "error.field_value", document=source, path="$", value="…", allowed=str(error)
        ) from error
