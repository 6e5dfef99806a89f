"""JSON content → frozen structs, with errors that name the field, its value and what is allowed."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from ipecs_mw.errors import InvalidDocument

T = TypeVar("T")
_STEP = re.compile(r"([^.\[\]]+)|\[(?:(\d+)|\.\.\.)\]")
_SIMPLE = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.FloatType: "number",
    inspect.AnyType: "anything",
    inspect.DateTimeType: "date, such as ISODate('2026-11-24T10:00:00Z')",
}


def convert(content: Any, kind: type[T], *, source: str) -> T:
    """Return `content` as `kind`.

    Raises InvalidDocument with `document` (the `source`), `path`, `value` and `allowed`.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        path = path.rstrip("`").removeprefix("$").removeprefix(".")
        named = re.search(r"(unknown|missing required) field `(.*)`", message)
        if named is None:
            key, at = "error.field_value", path
            allowed = _describe(_type_at(inspect.type_info(kind), path))
        else:
            key = "error.field_unknown" if named[1] == "unknown" else "error.field_missing"
            at = ".".join(part for part in (path, named[2]) if part)
            allowed = ", ".join(_field_names(_type_at(inspect.type_info(kind), path)))
        raise InvalidDocument(
            key, document=source, path=at or "$", value=show(at, _value_at(content, at)), allowed=allowed
        ) from error


def show(path: str, value: Any) -> str:
    """Return a value for an error message, masked where its path says that it is a secret."""
    return "***" if _is_secret(path) else repr(_without_secrets(value))[:200]


def show_pattern(pattern: str) -> str:
    r"""Return a pattern as all but Python spell it: what ends with `\Z` here ends with `$` there."""
    return pattern.removesuffix(r"\Z") + "$" if pattern.endswith(r"\Z") else pattern


def _is_secret(name: str) -> bool:
    return "password" in name.lower()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "***" if _is_secret(str(k)) else _without_secrets(v) for k, v in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def _steps(path: str) -> list[tuple[str, str]]:
    return _STEP.findall(path)


def _value_at(content: Any, path: str) -> Any:
    for name, index in _steps(path):
        try:
            content = content[name] if name else content[int(index)]
        except (LookupError, TypeError, ValueError):
            return None
    return content


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for part in kind.types:
            yield from _alternatives(part)
    else:
        yield kind


def _type_at(kind: inspect.Type, path: str) -> inspect.Type:
    for name, _ in _steps(path):
        for part in _alternatives(kind):
            if name and isinstance(part, inspect.StructType):
                fields = {field.encode_name: field.type for field in part.fields}
                kind = fields.get(name, kind)
            elif isinstance(part, inspect.DictType):
                kind = part.value_type
            elif not name and isinstance(part, inspect.ListType | inspect.VarTupleType):
                kind = part.item_type
    return kind


def _field_names(kind: inspect.Type) -> list[str]:
    return [
        field.encode_name
        for part in _alternatives(kind)
        if isinstance(part, inspect.StructType)
        for field in part.fields
    ]


def _describe(kind: inspect.Type) -> str:
    return " | ".join(_describe_one(part) for part in _alternatives(kind))


def _describe_one(kind: inspect.Type) -> str:
    match kind:
        case inspect.LiteralType(values=values):
            return ", ".join(map(str, values))
        case inspect.IntType(ge=low, le=high):
            return (
                "integer"
                if low is high is None
                else f"integer {low} to {'' if high is None else high}".strip()
            )
        case inspect.StrType(pattern=pattern, min_length=shortest, max_length=longest):
            lengths = (
                f"{shortest or 0} to {longest or 'any number of'} characters" if shortest or longest else ""
            )
            like = f"like {show_pattern(pattern)}" if pattern else ""
            return " ".join(filter(None, ["string", like, lengths]))
        case inspect.StructType():
            return "{" + ", ".join(_field_names(kind)) + "}"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list of {_describe(item)}"
        case inspect.DictType():
            return "object"
        case _:
            return _SIMPLE.get(type(kind), type(kind).__name__)
