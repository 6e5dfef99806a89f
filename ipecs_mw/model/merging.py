"""A file that stays the source of what is also changed where it was imported: both made into one, field by field.

What the file says where it has not changed since the last import (the *base*) gives way to what was set meanwhile;
what it says anew is taken, unless something else was set there meanwhile too: that is told and left.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from ipecs_mw.model.contents import is_password, name_entries

_MISSING: Any = object()
_SET_BY_COMMANDS = frozenset({"password", "verify", "fingerprint_sha256"})
"""Fields that `secret set` and `trust` write: also a forced import leaves them where the file says nothing new."""

_SEAL = "pbkdf2:"
_ROUNDS = 100_000


class Merged(NamedTuple):
    """What is to stand there, the base of the next merge, and where the file was not followed.

    `kept` are paths that the file has not changed, `refused` those that it has.
    """

    content: dict[str, Any]
    base: dict[str, Any]
    kept: tuple[str, ...]
    refused: tuple[str, ...]


def merge(
    base: Mapping[str, Any] | None, present: Mapping[str, Any], wanted: Mapping[str, Any], *, is_forced: bool
) -> Merged:
    """Return `present` with what `wanted`, the file, says anew against `base`; None: nobody knows what it said."""
    merger = _Merger(is_forced)
    content, told = merger.merge("", "", _MISSING if base is None else base, present, wanted)
    return Merged(content, told, tuple(merger.kept), tuple(merger.refused))


def seal_passwords(value: Any, name: str = "") -> Any:
    """Return a content whose passwords are only fit to be recognised: salted digests."""
    if isinstance(value, Mapping):
        return {field: seal_passwords(part, field) for field, part in value.items()}
    if isinstance(value, list):
        return [seal_passwords(part, name) for part in value]
    is_written_out = isinstance(value, str) and is_password(name) and name != "encrypted"
    return _seal(value, secrets.token_hex(8)) if is_written_out else value


class _Merger:
    def __init__(self, is_forced: bool) -> None:
        self.kept: list[str] = []
        self.refused: list[str] = []
        self._is_forced = is_forced

    def merge(self, path: str, name: str, base: Any, present: Any, wanted: Any) -> tuple[Any, Any]:
        """Return what is to stand at a place and its base for the next time."""
        is_old = _is_same(base, wanted, name)
        sealed = base if is_old else _MISSING if wanted is _MISSING else seal_passwords(wanted, name)
        if present == wanted and type(present) is type(wanted):
            return wanted, sealed
        if name != "password" and (parts := _split(path, base, present, wanted)):
            return self._merge_parts(path, parts, base, present, wanted)
        if is_old:
            if self._is_forced and name not in _SET_BY_COMMANDS:
                return wanted, sealed
            self.kept.append(path)
            return present, sealed
        if self._is_forced or _is_same(base, present, name) or _is_dropped(base, present, wanted):
            return wanted, sealed
        self.refused.append(path)
        return present, base

    def _merge_parts(
        self, path: str, parts: Mapping[str, tuple[Any, Any, Any]], base: Any, present: Any, wanted: Any
    ) -> tuple[Any, Any]:
        is_list = isinstance(present, list) or isinstance(wanted, list)
        merged, told = {}, {}
        for name, sides in parts.items():
            below = f"{path}[{name}]" if is_list else f"{path}.{name}" if path else name
            merged[name], told[name] = self.merge(below, "" if is_list else name, *sides)
        content, next_base = (
            {name: part for name, part in found.items() if part is not _MISSING} for found in (merged, told)
        )
        if is_list:
            return list(content.values()), list(next_base.values())
        # what neither said is not to become an empty object
        is_absent = present is _MISSING and not content
        return (_MISSING if is_absent else content), (
            _MISSING if not next_base and wanted is _MISSING and base is _MISSING else next_base
        )


def _split(path: str, base: Any, present: Any, wanted: Any) -> dict[str, tuple[Any, Any, Any]] | None:
    """Return name → (base, present, wanted) of the parts below, None for what is taken as a whole."""
    is_entry = path.endswith("]")
    sides = (base, present, wanted)
    if all(isinstance(side, Mapping) or (side is _MISSING and not is_entry) for side in sides[1:]):
        named = [side if isinstance(side, Mapping) else {} for side in sides]
    elif all(isinstance(side, list) for side in sides[1:]):
        found = [name_entries(side if isinstance(side, list) else []) for side in sides]
        if any(side is None for side in found):
            return None
        named = [side or {} for side in found]
    else:
        return None
    names = dict.fromkeys((*named[2], *named[1], *named[0]))
    return {name: tuple(side.get(name, _MISSING) for side in named) for name in names}


def _is_same(base: Any, value: Any, name: str) -> bool:
    """Tell whether a base, whose passwords are sealed, was made of `value`."""
    if isinstance(base, Mapping) and isinstance(value, Mapping):
        return base.keys() == value.keys() and all(_is_same(base[part], value[part], part) for part in base)
    if isinstance(base, list) and isinstance(value, list):
        return len(base) == len(value) and all(map(_is_same, base, value, [name] * len(base)))
    if isinstance(base, str) and isinstance(value, str) and base.startswith(_SEAL) and is_password(name):
        return base == _seal(value, base.split(":")[1])
    return bool(base == value) and type(base) is type(value)


def _is_dropped(base: Any, present: Any, wanted: Any) -> bool:
    """Tell whether the file drops an entry to which commands alone have added something."""
    return wanted is _MISSING and _strip(base) == _strip(present)


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        parts = {name: _strip(part) for name, part in value.items() if name not in _SET_BY_COMMANDS}
        return {name: part for name, part in parts.items() if part not in ({}, None)}
    return [_strip(part) for part in value] if isinstance(value, list) else value


def _seal(secret: str, salt: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", secret.encode("utf-8", "surrogatepass"), salt.encode(), _ROUNDS)
    return f"{_SEAL}{salt}:{digest.hex()}"
