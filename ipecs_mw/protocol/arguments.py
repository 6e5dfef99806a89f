"""Arguments of a command → values of the wire, checked before anything is sent."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ipecs_mw.errors import CommandRefused
from ipecs_mw.model.definitions import Command, Parameter
from ipecs_mw.model.numbering.extensions import expand_numbers
from ipecs_mw.protocol.values import MASK

_DIGITS = re.compile(r"[0-9]{1,32}")
_DIAL = re.compile(r"[0-9*#+]{1,32}")
_RANGE = re.compile(r"[0-9]{1,8}(-[0-9]{1,8})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_MOST_EXPANDED = 10_000
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LONGEST_TEXT = 256
_MEANINGS = {
    "posint": "from 0",
    "digits": "0-9, 1 to 32 of them",
    "digits[]": "numbers and ranges such as 1000-1099",
    "dial": "0-9 * # +, 1 to 32 of them",
    "string": "1 to 256 characters",
    "bool": "true or false",
    "query": "a JSON object",
}
"""What may be given for the types whose names do not say it."""


def check_arguments(command: Command, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the wire wants them; defaults stay the host's.

    Raises CommandRefused naming the argument, its value (masked where it is secret) and what is allowed.
    """
    known = {parameter.name: parameter for parameter in command.params}
    for name, value in arguments.items():
        if name not in known:
            allowed = ", ".join(known) or "-"
            # it may be a secret under a misspelt name
            is_hidden = any(parameter.is_secret for parameter in command.params)
            shown = MASK if is_hidden else repr(value)[:100]
            raise _refuse("error.argument_unknown", command, name, shown, allowed)
    checked: dict[str, Any] = {}
    for parameter in command.params:
        value = arguments.get(parameter.name)
        if value is None:
            if parameter.is_required:
                raise _refuse("error.argument_missing", command, parameter.name, "-", describe(parameter))
            continue
        try:
            checked[parameter.name] = _read(parameter, value)
        except (ValueError, TypeError, RecursionError) as error:
            shown = MASK if parameter.is_secret else repr(value)[:100]
            raise _refuse(
                "error.argument_value", command, parameter.name, shown, describe(parameter)
            ) from error
    return checked


def describe(parameter: Parameter) -> str:
    """Return in short what a parameter may be: `on, off`, `posint (from 0) <= 200`."""
    meaning = _MEANINGS.get(parameter.type)
    parts = [f"{parameter.type} ({meaning})" if meaning else parameter.type]
    if parameter.choices:
        parts = [", ".join(parameter.choices)]
    if parameter.minimum is not None:
        parts.append(f">= {parameter.minimum}")
    if parameter.maximum is not None:
        parts.append(f"<= {parameter.maximum}")
    if parameter.pattern is not None:
        parts.append(parameter.pattern)
    if parameter.max_items is not None:
        parts.append(f"({parameter.max_items} a request; more are split)")
    return " ".join(parts)


def split_arguments(command: Command, checked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the arguments of each request: a list longer than the host takes is split over several."""
    for parameter in command.params:
        items = checked.get(parameter.name)
        size = parameter.max_items
        if size is not None and isinstance(items, list) and len(items) > size:
            parts = [items[first : first + size] for first in range(0, len(items), size)]
            return [{**checked, parameter.name: part} for part in parts]
    return [dict(checked)]


def join_results(results: list[Any]) -> Any:
    """Return the result of requests that were one command: lists of the same name are put together."""
    if len(results) < 2 or not all(isinstance(result, dict) for result in results):
        return results[-1] if results else None
    joined = dict(results[0])
    for result in results[1:]:
        for name, value in result.items():
            former = joined.get(name)
            joined[name] = former + value if isinstance(former, list) and isinstance(value, list) else value
    return joined


def _read(parameter: Parameter, value: Any) -> Any:
    read = _READERS[parameter.type](value)
    if parameter.choices and read not in parameter.choices:
        raise ValueError(value)
    if parameter.minimum is not None and read < parameter.minimum:
        raise ValueError(value)
    if parameter.maximum is not None and read > parameter.maximum:
        raise ValueError(value)
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, str(read)):
        raise ValueError(value)
    return read


def _read_int(value: Any) -> int:
    if isinstance(value, bool | float) or not _WHOLE.fullmatch(str(value).strip()):
        raise ValueError(value)
    return int(value)


def _read_posint(value: Any) -> int:
    number = _read_int(value)
    if number < 0:
        raise ValueError(value)
    return number


def _read_matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(value)
        text = str(value).strip()
        if not pattern.fullmatch(text):
            raise ValueError(value)
        return text

    return read


def _read_digits_list(value: Any) -> list[str]:
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise ValueError(value)
    ranges = [str(item).strip() for item in items if not isinstance(item, bool)]
    if not all(_RANGE.fullmatch(item) for item in ranges):
        raise ValueError(value)
    sizes = [_count(*item.split("-")) for item in ranges]
    if min(sizes) < 1 or sum(sizes) > _MOST_EXPANDED:
        raise ValueError(value)
    return expand_numbers(ranges)


def _count(first: str, last: str | None = None) -> int:
    """Return how many numbers a range has: none where it runs backwards."""
    return int(last or first) - int(first) + 1


def _read_string(value: Any) -> str:
    if (
        not isinstance(value, str | int)
        or isinstance(value, bool)
        or not 0 < len(str(value)) <= _LONGEST_TEXT
    ):
        raise ValueError(value)
    text = str(value)
    text.encode()  # a lone surrogate has no bytes to send
    return text


def _read_bool(value: Any) -> str:
    """Return `true` or `false`: in a query string, where truth values stand, they are words."""
    flag = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ValueError(value)
    return "true" if flag else "false"


def _read_query(value: Any) -> dict[str, Any]:
    content = json.loads(value) if isinstance(value, str) else value
    if not isinstance(content, dict):
        raise TypeError(value)
    json.dumps(
        content, ensure_ascii=False, allow_nan=False
    ).encode()  # what is no JSON is found before sending
    return content


_READERS: dict[str, Callable[[Any], Any]] = {
    "posint": _read_posint,
    "int": _read_int,
    "digits": _read_matching(_DIGITS),
    "digits[]": _read_digits_list,
    "dial": _read_matching(_DIAL),
    "string": _read_string,
    "bool": _read_bool,
    "enum": _read_string,
    "query": _read_query,
}


def _refuse(key: str, command: Command, name: str, value: str, allowed: str) -> CommandRefused:
    return CommandRefused(
        key,
        command=command.id,
        argument=name,
        value=value,
        allowed=allowed,
        family="arguments",
        code=None,
        name=key.removeprefix("error."),
    )
