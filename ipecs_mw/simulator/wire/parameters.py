"""A request's arguments as the PBX checks them, by the table of commands."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.wire.refusals import refuse

Row = Mapping[str, Any]


def _is_text(pattern: str) -> Callable[[Any], bool]:
    rule = re.compile(pattern)
    return lambda value: isinstance(value, str) and rule.fullmatch(value) is not None


def _is_whole(value: Any) -> bool:
    return type(value) is int


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "enum": lambda value: isinstance(value, str),
    "digits": _is_text(r"[0-9]{1,32}"),
    "dial": _is_text(r"[0-9*#]{0,32}"),
    "int": _is_whole,
    "posint": lambda value: _is_whole(value) and value > 0,
    "bool": lambda value: isinstance(value, bool),
    "query": lambda value: isinstance(value, dict),
    "digits[]": lambda value: isinstance(value, list) and all(map(_TYPES["digits"], value)) and bool(value),
}
_FROM_QUERY: dict[str, Callable[[str], Any]] = {
    "int": int,
    "posint": int,
    "bool": json.loads,
    "query": json.loads,
}


def check_arguments(row: Row, query: bytes, body: bytes) -> dict[str, Any]:
    """Return a request's arguments by name.

    Raises CommandRefused: 1 (clickcall 105) for wrong ones, CTI 111 for a value that is not among those allowed.
    """
    wrong = refuse("parameter error", family="clickcall" if row["family"] == "clickcall" else "common")
    places = {"query": dict(parse_qsl(query.decode("latin-1"))), "body": _read_object(body, wrong), "raw": {}}
    arguments: dict[str, Any] = {}
    for param in row["params"]:
        name, kind, place = param["name"], param["type"], param["in"]
        if place == "raw":
            value = _read_object(body, wrong) or None
        else:
            value = places[place].get(name, param.get("default"))
        if value is None:
            if param["required"]:
                raise wrong
            continue
        if place == "query" and kind in _FROM_QUERY and isinstance(value, str):
            try:
                value = _FROM_QUERY[kind](value)
            except ValueError:
                raise wrong from None
        if not _TYPES[kind](value):
            raise wrong
        if not _is_allowed(param, value):
            raise refuse("invalidParameterValue") if row["family"] == "cti" else wrong
        arguments[name] = value
    return arguments


def _read_object(body: bytes, wrong: CommandRefused) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise wrong from None
    if not isinstance(value, dict):
        raise wrong
    return value


def _is_allowed(param: Row, value: Any) -> bool:
    if isinstance(value, list):
        return bool(len(value) <= param.get("max_items", len(value)))
    if isinstance(value, int):
        return bool(param.get("min", value) <= value <= param.get("max", value))
    if isinstance(value, str):
        has_form = re.fullmatch(param.get("pattern", "(?s).*"), value) is not None
        return has_form and bool(value in param.get("enum", (value,)))
    return True
