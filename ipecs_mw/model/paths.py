"""Paths of settings, one spelling everywhere: `hosts[main].tls.verify`; an entry of a list by name or number."""

import re
from collections.abc import Mapping
from typing import Any

from ipecs_mw.model.contents import name_entries

_STEP = re.compile(r"([^.\[\]]+)|\[([^\[\]]+)\]")


def split_path(path: str) -> list[tuple[str, bool]]:
    """Return the steps of a path: each name, and whether it is an entry of a list."""
    return [(name or entry, bool(entry)) for name, entry in _STEP.findall(path)] or [(path, False)]


def find_value(content: Any, path: str) -> Any:
    """Return what stands at a path; raises LookupError with the names that are there instead."""
    for step in split_path(path):
        content = content[_find_key(content, *step)]
    return content


def put_value(content: Any, path: str, value: Any) -> None:
    """Put a value at a path, with the objects that lead there; raises LookupError as `find_value`."""
    *parents, (last, is_entry) = split_path(path)
    for name, is_listed in parents:
        if isinstance(content, dict) and not is_listed:
            content = content.setdefault(name, {})
        else:
            content = content[_find_key(content, name, is_listed)]
    if isinstance(content, dict) and not is_entry:
        content[last] = value
    else:
        content[_find_key(content, last, is_entry)] = value


def _find_key(content: Any, name: str, is_entry: bool) -> str | int:
    if isinstance(content, Mapping) and not is_entry:
        if name not in content:
            raise LookupError(", ".join(map(str, content)) or "-")
        return name
    if isinstance(content, list) and is_entry:
        names = list(name_entries(content) or ())
        if name in names:
            return names.index(name)
        if name.isdecimal() and int(name) < len(content):
            return int(name)
        raise LookupError(", ".join(names) or (f"0 … {len(content) - 1}" if content else "-"))
    raise LookupError("-")
