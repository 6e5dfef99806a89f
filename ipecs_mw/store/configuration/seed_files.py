"""Seed files → validated values; nothing of a folder is used before all of it is known to be right."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError
from msgspec import Struct

from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.model.configuration.settings import BOOKKEEPING, parse_settings
from ipecs_mw.model.contents import mask_passwords
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.model.texts import REFERENCE_LOCALE, find_faults, find_placeholders
from ipecs_mw.model.validation import refuse_duplicates, show
from ipecs_mw.seeds import SEEDS, shipped_strings

_NAMES = ("config.json", "commands.json", "codes.json")
_LANGUAGES = "languages"
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")


class Seeds(Struct, frozen=True):
    """What a folder of seed files holds; a file that is not there leaves its field empty.

    `commands` maps an id to its definition without the id, `codes` a table's name to its entries, `languages`
    locale → key → text. `unknown_files` lie in the folder and are none of ours.
    """

    config: dict[str, Any] | None
    languages: dict[str, dict[str, str]]
    commands: dict[str, dict[str, Any]]
    codes: dict[str, list[dict[str, Any]]]
    unknown_files: tuple[str, ...]
    is_shipped: bool = False


def read_seeds(directory: Path | None) -> Seeds:
    """Read and validate the seed files of `directory`, else those that ship.

    Any subset of `config.json`, `commands.json`, `codes.json` and `languages/LOCALE.json` will do. Raises
    CannotStart where the folder has none of them or cannot be read, InvalidDocument naming file and place.
    """
    root = directory or SEEDS
    found = {path.relative_to(root).as_posix(): path for path in _list_files(root)}
    files = {name: path for name, path in found.items() if _is_ours(path, root)}
    if not files:
        raise CannotStart(
            "error.seed_folder_empty", folder=str(root), allowed=", ".join((*_NAMES, "languages/*.json"))
        )
    contents = {name: _read_object(path, name) for name, path in files.items()}
    return Seeds(
        config=_check_config(contents["config.json"]) if "config.json" in contents else None,
        languages={
            files[name].stem: _check_language(name, files[name].stem, content)
            for name, content in contents.items()
            if name not in _NAMES
        },
        commands=_check_commands(contents["commands.json"]) if "commands.json" in contents else {},
        codes=_check_codes(contents["codes.json"]) if "codes.json" in contents else {},
        unknown_files=tuple(name for name in found if name not in files) if directory else (),
        is_shipped=directory is None,
    )


def _list_files(root: Path) -> list[Path]:
    """Return what lies in the folder and in its `languages`, no deeper."""
    try:
        top = sorted(root.iterdir())
        languages = sorted((root / _LANGUAGES).iterdir()) if (root / _LANGUAGES).is_dir() else []
    except OSError as error:
        raise CannotStart("error.seed_folder_unreadable", folder=str(root), reason=error.strerror) from error
    return [path for path in top if path.name != _LANGUAGES] + languages


def _is_ours(path: Path, root: Path) -> bool:
    return path.name in _NAMES if path.parent == root else path.suffix == ".json"


def _read_object(path: Path, name: str) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CannotStart("error.seed_file_unreadable", document=name, reason=error.strerror) from error
    try:
        content = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=partial(refuse_duplicates, name),
            parse_constant=partial(_refuse_constant, name),
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidDocument("error.seed_not_utf8", document=name, line=line) from error
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            "error.seed_not_json", document=name, line=error.lineno, column=error.colno, reason=error.msg
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep; an integer of thousands of digits
        raise InvalidDocument(
            "error.seed_not_storable", document=name, path="$", reason=str(error)
        ) from error
    if not isinstance(content, dict):
        raise _wrong(name, "$", content, "object")
    return content


def _refuse_constant(name: str, constant: str) -> None:
    raise _wrong(name, "$", constant, "a number that JSON knows")


def _check_config(content: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in content.items() if name != "$schema"}  # for the editor alone
    parse_settings(content, source="config.json")
    _check_storable("config.json", [("$", content)])
    return {name: value for name, value in content.items() if name not in BOOKKEEPING}


def _check_language(name: str, locale: str, content: dict[str, Any]) -> dict[str, str]:
    if not _LOCALE.fullmatch(locale):
        raise _wrong(name, "$", locale, "LANGUAGE-COUNTRY.json, such as de-DE.json")
    for key, text in content.items():
        if not key.isprintable() or not key or " " in key:
            raise _wrong(name, ascii(key), key, "a key of printable characters without spaces")
        if not isinstance(text, str):
            raise _wrong(name, key, text, "string")
    reference = shipped_strings()[REFERENCE_LOCALE]
    for _, key, difference in find_faults(reference, {locale: content}):
        expected = sorted(find_placeholders(reference[key])) if key in reference else []
        raise InvalidDocument(
            "error.seed_placeholders",
            document=name,
            path=key,
            value=show(key, content[key]),
            difference=difference,
            allowed=" ".join(f"{{{placeholder}}}" for placeholder in expected) or "-",
        )
    _check_storable(name, content.items())
    return content


def _check_commands(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    name = "commands.json"
    for key, value in content.items():
        if key != "commands":
            raise InvalidDocument(
                "error.field_unknown",
                document=name,
                path=key,
                value=show(key, value),
                allowed="commands",
            )
    definitions = content.get("commands")
    if not isinstance(definitions, list) or not definitions:
        raise _wrong(name, "commands", definitions, "list of commands")
    commands: dict[str, dict[str, Any]] = {}
    for row, definition in enumerate(definitions):
        if not isinstance(definition, Mapping):
            raise _wrong(name, f"commands[{row}]", definition, "object")
        command = parse_command(definition, source=f"{name}/{definition.get('id', row)}")
        if command.id in commands:
            raise _wrong(name, f"commands[{row}].id", command.id, "an id that no other command has")
        commands[command.id] = {key: value for key, value in definition.items() if key != "id"}
    _check_storable(name, commands.items())
    return commands


def _check_codes(content: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    parse_codes(content, source="codes.json")
    _check_storable("codes.json", content.items())
    return content


def _check_storable(name: str, parts: Iterable[tuple[str, Any]]) -> None:
    """Refuse what JSON can say and BSON cannot, before the first write rather than in the middle of them."""
    for path, value in parts:
        try:
            bson.encode({path: value})
        except (BSONError, OverflowError, UnicodeError, RecursionError) as error:
            raise InvalidDocument("error.seed_not_storable", document=name, path=ascii(path)) from error


def _wrong(document: str, path: str, value: Any, allowed: str) -> InvalidDocument:
    return InvalidDocument(
        "error.field_value",
        document=document,
        path=path,
        value=show(path, mask_passwords(value)),
        allowed=allowed,
    )
