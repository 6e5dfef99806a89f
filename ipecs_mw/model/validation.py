"""JSON content → frozen structs, with errors that name the field, its value and what is allowed.

`extra` of a field's `Meta` may hold `words`, the key of the language string that says what its pattern means, and
`rule`, a function that yields what the types alone cannot say as (path below, value, what is allowed).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from ipecs_mw.errors import InvalidDocument, Words

T = TypeVar("T")
_LONGEST_VALUE = 200
_SIMPLE: Mapping[type, Words | str] = {
    inspect.NoneType: "null",
    inspect.BoolType: Words("allowed.boolean"),
    inspect.FloatType: Words("allowed.number"),
    inspect.DictType: Words("allowed.object"),
    inspect.AnyType: Words("allowed.anything"),
    inspect.DateTimeType: Words("allowed.date"),
}


class Fault(NamedTuple):
    """One thing that is wrong: the key of its sentence, the path of the field, its value, and what is allowed."""

    key: str
    path: str
    value: Any
    allowed: str | Words


def convert(content: Any, kind: type[T], *, source: str) -> T:
    """Return `content` as `kind`, fields without a rule only.

    Raises InvalidDocument with `document` (the `source`), `path`, `value` and `allowed`: the first fault, and with
    it all others.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        refuse(source, find_faults(content, kind))
        raise AssertionError(f"{kind} refuses what its fields allow") from error


def refuse(source: str, faults: Iterable[Fault]) -> None:
    """Raise InvalidDocument for the first of `faults`, where there is one; the others are in its `more`."""
    errors = [
        InvalidDocument(
            fault.key,
            document=source,
            path=fault.path or "$",
            value=show(fault.path, fault.value),
            allowed=fault.allowed,
        )
        for fault in faults
    ]
    if errors:
        errors[0].more = tuple(errors[1:])
        raise errors[0]


def refuse_duplicates(source: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON as a parser hands it over; raises InvalidDocument for a key that it has twice.

    Of two values with one key a parser keeps the last, and nobody would miss the other.
    """
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            # the parser does not tell where it is, so the object's beginning has to say it
            begin = show("", dict(pairs[:2]))[:80]
            raise InvalidDocument(
                "error.duplicate_key", document=source, path=key, value=show(key, value), object=begin
            )
        content[key] = value
    return content


def find_faults(content: Any, kind: Any, path: str = "") -> Iterator[Fault]:
    """Yield every fault of `content` as a `kind`, in the order of the fields."""
    faults = list(_find_below(content, kind, path))
    if not faults:
        try:
            value = msgspec.convert(content, kind)
        except msgspec.ValidationError:
            faults = [Fault("error.field_value", path, content, describe(inspect.type_info(kind)))]
        else:
            rule = _extra_of(inspect.type_info(kind)).get("rule")
            found = rule(value) if rule else ()
            faults = [Fault("error.field_value", path + below, *told) for below, *told in found]
    yield from faults


def show(path: str, value: Any) -> str:
    """Return a value for an error message as JSON spells it, masked where its path says that it is a secret."""
    text = json.dumps(_without_secrets(value), ensure_ascii=False, default=str)
    return "***" if _is_secret(path) else text[:_LONGEST_VALUE]


def show_pattern(pattern: str) -> str:
    r"""Return a pattern as all but Python spell it: what ends with `\Z` here ends with `$` there."""
    return pattern.removesuffix(r"\Z") + "$" if pattern.endswith(r"\Z") else pattern


def describe(kind: inspect.Type) -> Words | str:
    """Return in words what a value of `kind` may be."""
    if words := _extra_of(kind).get("words"):
        return Words(words)
    match kind:
        case inspect.Metadata(type=inner):
            return describe(inner)
        case inspect.UnionType(types=types):
            return reduce(
                lambda first, second: Words("allowed.or", first=first, second=second), map(describe, types)
            )
        case inspect.LiteralType(values=values):
            return ", ".join(map(str, values))
        case inspect.IntType():
            return _describe_integer(kind)
        case inspect.StrType():
            return _describe_text(kind)
        case inspect.StructType(fields=fields):
            return "{" + ", ".join(field.encode_name for field in fields) + "}"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return Words("allowed.list", item=describe(item))
        case _:
            return _SIMPLE.get(type(kind)) or type(kind).__name__


def _describe_integer(kind: inspect.IntType) -> Words:
    if kind.ge is not None and kind.le is not None:
        return Words("allowed.integer_range", low=kind.ge, high=kind.le)
    return Words("allowed.integer") if kind.ge is None else Words("allowed.integer_from", low=kind.ge)


def _describe_text(kind: inspect.StrType) -> Words:
    if kind.pattern:
        return Words("allowed.text_like", pattern=show_pattern(kind.pattern))
    if kind.max_length:
        return Words("allowed.text_of", shortest=kind.min_length or 0, longest=kind.max_length)
    return Words("allowed.text_not_empty" if kind.min_length else "allowed.text")


def _find_below(content: Any, kind: Any, path: str) -> Iterator[Fault]:
    """Yield the faults of what is in `content`, where one of the alternatives of `kind` says what may be there."""
    for part in _alternatives(kind):
        if isinstance(part, type) and issubclass(part, msgspec.Struct) and isinstance(content, Mapping):
            yield from _find_in_struct(content, part, path)
        elif get_origin(part) in (list, tuple) and isinstance(content, list | tuple):
            for index, item in enumerate(content):
                yield from find_faults(item, get_args(part)[0], f"{path}[{index}]")
        elif get_origin(part) is dict and isinstance(content, Mapping):
            name_kind, item_kind = get_args(part)
            for name, item in content.items():
                below = _join(path, name)
                if any(find_faults(name, name_kind)):
                    yield Fault("error.field_unknown", below, item, describe(inspect.type_info(name_kind)))
                else:
                    yield from find_faults(item, item_kind, below)


def _find_in_struct(content: Mapping[str, Any], kind: type[msgspec.Struct], path: str) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    names = ", ".join(fields)
    for name, field in fields.items():
        if name in content:
            yield from find_faults(content[name], field.type, _join(path, name))
        elif field.required:
            yield Fault("error.field_missing", _join(path, name), None, names)
    for name in content:
        if name not in fields:
            yield Fault("error.field_unknown", _join(path, name), content[name], names)


def _alternatives(kind: Any) -> Iterator[Any]:
    """Yield what a type may be: its union's parts, annotations left aside."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            yield from _alternatives(part)
    else:
        yield kind


def _extra_of(kind: inspect.Type) -> Mapping[str, Any]:
    return (kind.extra or {}) if isinstance(kind, inspect.Metadata) else {}


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _is_secret(name: str) -> bool:
    return "password" in name.lower()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): "***" if _is_secret(str(k)) else _without_secrets(v) for k, v in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list | tuple) else value
