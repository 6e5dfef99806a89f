"""The events that the program logs, found by reading its calls."""
# ruff: noqa: INP001

import ast
from collections.abc import Iterator
from pathlib import Path

from tables import TEXTS, code, codes, table

import ipecs_mw

_LEVELS = ("debug", "info", "warning", "error", "critical")
_ASIDE = ("error.", "help.", "cli.", "system.")


def describe_log_events() -> str:
    """Return every stable event name with its levels, fields and sentence."""
    rows = []
    for name, (levels, fields, _) in sorted(_find_all().items()):
        rows.append((code(name), ", ".join(sorted(levels)), codes(sorted(fields)), TEXTS.render(name)))
    return table(("Event", "Level", "Fields", "Sentence"), rows)


def describe_system_events() -> str:
    """Return the events that the middleware itself writes to the event log."""
    rows = []
    for name, (_, fields, is_kept) in sorted(_find_all().items()):
        kind = name.replace(".", "_")
        if is_kept:
            rows.append((code(kind), TEXTS.render(f"system.{kind}"), codes(sorted(fields - {"host"}))))
    return table(("Type", "Meaning", "Fields of `data`"), rows)


def _find_all() -> dict[str, tuple[set[str], set[str], bool]]:
    """Return event name → (levels, fields, whether it is also kept in the event log)."""
    found: dict[str, tuple[set[str], set[str], bool]] = {}
    for path in sorted(Path(ipecs_mw.__file__).parent.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for name, levels, fields, is_kept in _find_in(function):
                    former = found.get(name, (set(), set(), False))
                    found[name] = (former[0] | levels, former[1] | fields, former[2] or is_kept)
    return found


def _find_in(function: ast.FunctionDef) -> Iterator[tuple[str, set[str], set[str], bool]]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        is_kept = isinstance(call.func, ast.Attribute) and call.func.attr == "record"
        if is_kept:
            levels = _words(call.args[1], function) if len(call.args) > 1 else {"info"}
        else:
            levels = _words(call.func, function)
        levels &= set(_LEVELS)
        fields = {keyword.arg for keyword in call.keywords if keyword.arg} - {"exc_info"}
        if is_kept or any(keyword.arg is None for keyword in call.keywords):
            fields.add("host")
        for name in _words(call.args[0], function) if levels else ():
            if name in TEXTS and not name.startswith(_ASIDE):
                yield name, levels, fields, is_kept


def _words(expression: ast.expr, function: ast.FunctionDef) -> set[str]:
    """Return the words that an expression can be: its strings and attributes, a variable's by its assignments."""
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    sources = [expression]
    for node in ast.walk(function) if names else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            sources += [node.value] if node.targets[0].id in names else []
    found = (node for source in sources for node in ast.walk(source))
    return {
        node.attr if isinstance(node, ast.Attribute) else node.value
        for node in found
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }
