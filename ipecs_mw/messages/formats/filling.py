"""Texts with placeholders → values: `{PATH}`, `{PATH|FILTER}`, `{PATH|FILTER:ARGUMENT|…}`.

A text that is one placeholder keeps the kind of its value, and is left out of an object where there is none.
Everything here takes time in proportion to its input.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from msgspec import Struct

from ipecs_mw.messages.formats.numbers import FORMS, spell_number
from ipecs_mw.messages.spelling import spell_json
from ipecs_mw.model.configuration.formats import NumberSettings

_PLACEHOLDER = re.compile(r"\{([^{}]{1,300})\}")
_ABSENT = object()
_TIMES: Mapping[str, str] = {"date": "%Y-%m-%d", "time": "%H:%M", "sql": "%Y-%m-%d %H:%M:%S"}


class Placeholder(NamedTuple):
    """Where a value comes from, and what is done to it, in this order: names of filters with their arguments."""

    path: str
    filters: list[tuple[str, str]]


class Values(Struct, frozen=True):
    """What placeholders are filled with: the roots of paths, tables by their name, and how numbers are dialled."""

    roots: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]
    plan: NumberSettings


def list_placeholders(text: str) -> Iterator[Placeholder]:
    """Yield the placeholders of a text."""
    return (read_placeholder(found[1]) for found in _PLACEHOLDER.finditer(text))


def read_placeholder(inside: str) -> Placeholder:
    """Return what stands between the brackets of a placeholder, such as `station|table:users`."""
    path, *filters = inside.split("|")
    return Placeholder(
        path, [(name, argument) for name, _, argument in (each.partition(":") for each in filters)]
    )


def find_value(values: Values, inside: str) -> Any:
    """Return the value of what would stand in a placeholder, None where there is none."""
    found = _fill(read_placeholder(inside), values)
    return None if found is _ABSENT else found


def fill_text(text: str, values: Values) -> str:
    """Return a text with its placeholders filled; one without a value is empty."""
    return _PLACEHOLDER.sub(lambda found: _spell(_fill(read_placeholder(found[1]), values)), text)


def fill_url(text: str, values: Values) -> str:
    """Return a URL with its placeholders filled; what was told adds no part to it, but `{url}` is whole."""

    def spell(inside: str) -> str:
        place = read_placeholder(inside)
        filled = _spell(_fill(place, values))
        return filled if place.path == "url" else quote(filled, safe=":@+")

    return _PLACEHOLDER.sub(lambda found: spell(found[1]), text).strip()


def fill(value: Any, values: Values) -> Any:
    """Return JSON content with every text in it filled; what has no value is left out of objects and lists."""
    filled = _fill_content(value, values)
    return None if filled is _ABSENT else filled


def fill_form(form: Mapping[str, str], values: Values) -> list[tuple[str, str]]:
    """Return the fields of a form, those without a value left out."""
    filled = ((name, _fill_content(text, values)) for name, text in form.items())
    return [(name, _spell(value)) for name, value in filled if value is not _ABSENT]


def _fill_content(value: Any, values: Values) -> Any:
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        return fill_text(value, values) if whole is None else _fill(read_placeholder(whole[1]), values)
    if isinstance(value, Mapping):
        filled = {name: _fill_content(part, values) for name, part in value.items()}
        return {name: part for name, part in filled.items() if part is not _ABSENT}
    if isinstance(value, list):
        return [part for part in (_fill_content(part, values) for part in value) if part is not _ABSENT]
    return value


def _fill(place: Placeholder, values: Values) -> Any:
    value = _find(values.roots, place.path)
    for name, argument in place.filters:
        if name == "or":
            value = argument if value in (_ABSENT, None, "") else value
        elif value is not _ABSENT:
            value = FILTERS[name](value, argument, values)
    return _ABSENT if value is None else value


def _find(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _ABSENT
    return value


def _spell(value: Any) -> str:
    if value is _ABSENT or value is None:
        return ""
    if isinstance(value, str):
        return value
    return spell_json(value).decode().strip('"')


def _spell_phone(form: str, value: Any, _argument: str, values: Values) -> str:
    return spell_number(_spell(value), form, values.plan)


def _spell_instant(form: str, value: Any, _argument: str, _values: Values) -> Any:
    return value.astimezone(UTC).strftime(form) if isinstance(value, datetime) else _ABSENT


def _spell_unix(scale: int, value: Any, _argument: str, _values: Values) -> Any:
    return int(value.timestamp() * scale) if isinstance(value, datetime) else _ABSENT


def _spell_span(value: Any, _argument: str, _values: Values) -> Any:
    """Return seconds as hours and minutes, begun ones counted."""
    if not isinstance(value, int | float):
        return _ABSENT
    minutes = -(-int(value) // 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _multiply(value: Any, argument: str, _values: Values) -> Any:
    is_number = isinstance(value, int | float) and argument.isdecimal()
    return round(value * int(argument)) if is_number else _ABSENT


def _look_up(value: Any, argument: str, values: Values) -> Any:
    table = values.tables.get(argument) or {}
    return table.get(_spell(value), table.get("*", _ABSENT))


def _rename(value: Any, argument: str, values: Values) -> Any:
    return (values.tables.get(argument) or {}).get(_spell(value), value)


FILTERS: Final[Mapping[str, Callable[[Any, str, Values], Any]]] = {
    **{form: partial(_spell_phone, form) for form in FORMS},
    **{name: partial(_spell_instant, form) for name, form in _TIMES.items()},
    "unix": partial(_spell_unix, 1),
    "unix_ms": partial(_spell_unix, 1000),
    "span": _spell_span,
    "times": _multiply,
    "table": _look_up,
    "renamed": _rename,
    "or": lambda value, _argument, _values: value,
}
"""Name of a filter → what it makes of a value: `table` looks it up, `renamed` does where it is in the table."""
